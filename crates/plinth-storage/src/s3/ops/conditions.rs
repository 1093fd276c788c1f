//! Conditional requests, in the order of RFC 9110.

use s3s::dto::{ETagCondition, Timestamp};

use super::shape;
use crate::model::Object;

/// What a request makes itself depend on.
#[derive(Default)]
#[expect(clippy::struct_field_names, reason = "as the headers are called")]
pub(in crate::s3) struct Conditions {
    pub(in crate::s3) if_match: Option<ETagCondition>,
    pub(in crate::s3) if_none_match: Option<ETagCondition>,
    pub(in crate::s3) if_modified_since: Option<Timestamp>,
    pub(in crate::s3) if_unmodified_since: Option<Timestamp>,
}

/// What comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::s3) enum Outcome {
    Holds,
    Failed,
    NotModified,
}

impl Conditions {
    /// Whether they hold for an object.
    pub(in crate::s3) fn judge(&self, object: &Object) -> Outcome {
        let modified = shape::seconds(object.updated_at);
        let is = |condition: &ETagCondition| match condition {
            ETagCondition::Any => true,
            ETagCondition::ETag(etag) => etag.value() == object.etag.trim_matches('"'),
        };
        // A date counts only where no tag was given for the same purpose: tags are exact.
        let expected = match (&self.if_match, &self.if_unmodified_since) {
            (Some(tag), _) => is(tag),
            (None, Some(date)) => modified <= *date,
            (None, None) => true,
        };
        if !expected {
            return Outcome::Failed;
        }
        let changed = match (&self.if_none_match, &self.if_modified_since) {
            (Some(tag), _) => !is(tag),
            (None, Some(date)) => modified > *date,
            (None, None) => true,
        };
        if changed {
            Outcome::Holds
        } else {
            Outcome::NotModified
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object() -> Object {
        Object {
            id: uuid::Uuid::nil(),
            bucket_id: "b".to_owned(),
            name: "k".to_owned(),
            owner_id: None,
            version: uuid::Uuid::nil(),
            size: 1,
            etag: "\"abc\"".to_owned(),
            content_type: "a/b".to_owned(),
            cache_control: "no-cache".to_owned(),
            created_at: jiff::Timestamp::UNIX_EPOCH,
            updated_at: "2026-01-02T03:04:05.678Z".parse().unwrap(),
            last_accessed_at: jiff::Timestamp::UNIX_EPOCH,
            metadata: serde_json::Value::Null,
            user_metadata: None,
        }
    }

    fn tag(text: &str) -> Option<ETagCondition> {
        Some(text.parse().unwrap())
    }

    fn date(text: &str) -> Option<Timestamp> {
        let at: jiff::Timestamp = text.parse().unwrap();
        Some(shape::seconds(at))
    }

    #[test]
    fn tags_count_before_dates() {
        let judge = |conditions: Conditions| conditions.judge(&object());
        assert_eq!(judge(Conditions::default()), Outcome::Holds);
        let matching = Conditions {
            if_match: tag("\"abc\""),
            // Earlier than the object, which would fail by itself.
            if_unmodified_since: date("2025-01-01T00:00:00Z"),
            ..Conditions::default()
        };
        assert_eq!(judge(matching), Outcome::Holds);
        let other = Conditions {
            if_match: tag("other"),
            ..Conditions::default()
        };
        assert_eq!(judge(other), Outcome::Failed);
        let known = Conditions {
            if_none_match: tag("abc"),
            if_modified_since: date("2025-01-01T00:00:00Z"),
            ..Conditions::default()
        };
        assert_eq!(judge(known), Outcome::NotModified);
        let any = Conditions {
            if_none_match: tag("*"),
            ..Conditions::default()
        };
        assert_eq!(judge(any), Outcome::NotModified);
    }

    #[test]
    fn dates_are_compared_to_the_second() {
        // What `Last-Modified` says is without the fraction.
        let since = |text| Conditions {
            if_modified_since: date(text),
            ..Conditions::default()
        };
        assert_eq!(
            since("2026-01-02T03:04:05Z").judge(&object()),
            Outcome::NotModified
        );
        assert_eq!(
            since("2026-01-02T03:04:04Z").judge(&object()),
            Outcome::Holds
        );
        let unmodified = Conditions {
            if_unmodified_since: date("2026-01-02T03:04:05Z"),
            ..Conditions::default()
        };
        assert_eq!(unmodified.judge(&object()), Outcome::Holds);
    }
}
