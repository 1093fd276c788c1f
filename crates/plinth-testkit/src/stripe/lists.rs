//! Lists as Stripe gives them: the newest first, a page at a time. Pure.

use serde_json::{Value, json};

use super::message::{Reply, value};

const USUAL_PAGE: usize = 10;
const LARGEST_PAGE: usize = 100;

/// What is known of an intent without asking.
#[derive(Clone, Debug)]
pub(super) struct Made {
    id: String,
    created: i64,
    metadata: Value,
}

/// A page.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) ids: Vec<String>,
    pub(super) has_more: bool,
}

impl Made {
    pub(super) fn of(intent: &Value) -> Made {
        Made {
            id: id(intent).to_owned(),
            created: intent["created"].as_i64().unwrap_or(0),
            metadata: intent["metadata"].clone(),
        }
    }

    fn is_within(&self, query: &[(String, String)]) -> bool {
        let bound = |name: &str| value(query, name).and_then(|text| text.parse::<i64>().ok());
        bound("created[gte]").is_none_or(|least| self.created >= least)
            && bound("created[gt]").is_none_or(|less| self.created > less)
            && bound("created[lte]").is_none_or(|most| self.created <= most)
            && bound("created[lt]").is_none_or(|more| self.created < more)
    }
}

/// The intents that a query asks for.
pub(super) fn wanted(made: &[Made], query: &[(String, String)]) -> Result<Wanted, &'static str> {
    let limit = limit(query)?;
    let ids: Vec<String> = made
        .iter()
        .rev()
        .filter(|one| one.is_within(query))
        .map(|one| one.id.clone())
        .collect();
    let (ids, has_more) = cut(ids, String::as_str, value(query, "starting_after"), limit);
    Ok(Wanted { ids, has_more })
}

/// A page of what was read whole.
pub(super) fn page(url: &str, items: Vec<Value>, query: &[(String, String)]) -> Reply {
    let limit = match limit(query) {
        Ok(limit) => limit,
        Err(why) => {
            return Reply::error(
                400,
                "invalid_request_error",
                "parameter_invalid_integer",
                why,
            );
        }
    };
    let (data, has_more) = cut(items, id, value(query, "starting_after"), limit);
    Reply::json(
        200,
        &json!({ "object": "list", "url": url, "data": data, "has_more": has_more }),
    )
}

/// Intents by their metadata: `metadata['NAME']:'VALUE'`, and several of these with `AND`.
pub(super) fn found(made: &[Made], query: &str) -> Result<Vec<String>, &'static str> {
    let wanted: Option<Vec<(&str, &str)>> = query.split(" AND ").map(condition).collect();
    let wanted = wanted.ok_or("this stand-in searches metadata['NAME']:'VALUE' alone")?;
    let fits = |one: &&Made| {
        let mut wanted = wanted.iter();
        wanted.all(|(name, text)| one.metadata[*name].as_str() == Some(*text))
    };
    Ok(made
        .iter()
        .rev()
        .filter(fits)
        .map(|one| one.id.clone())
        .collect())
}

fn condition(text: &str) -> Option<(&str, &str)> {
    let rest = text.trim().strip_prefix("metadata[")?;
    let (name, text) = rest.split_once("]:")?;
    Some((unquoted(name)?, unquoted(text)?))
}

fn unquoted(text: &str) -> Option<&str> {
    ['\'', '"']
        .iter()
        .find_map(|mark| text.strip_prefix(*mark)?.strip_suffix(*mark))
}

fn limit(query: &[(String, String)]) -> Result<usize, &'static str> {
    let limit = value(query, "limit").map_or(Some(USUAL_PAGE), |text| text.parse().ok());
    limit
        .filter(|limit| (1..=LARGEST_PAGE).contains(limit))
        .ok_or("limit must be between 1 and 100")
}

/// What comes after an item, at most so many, and whether there is more.
fn cut<T>(
    items: Vec<T>,
    id: impl Fn(&T) -> &str,
    after: Option<&str>,
    limit: usize,
) -> (Vec<T>, bool) {
    let place = after.and_then(|after| items.iter().position(|one| id(one) == after));
    let begin = place.map_or(0, |place| place + 1);
    let has_more = items.len() > begin + limit;
    (
        items.into_iter().skip(begin).take(limit).collect(),
        has_more,
    )
}

fn id(item: &Value) -> &str {
    item["id"].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made() -> Vec<Made> {
        (1..=5)
            .map(|number| {
                let metadata = json!({ "order_id": format!("o{}", number % 2) });
                Made::of(&json!({ "id": format!("pi_{number}"), "created": number, "metadata": metadata }))
            })
            .collect()
    }

    fn query(text: &[(&str, &str)]) -> Vec<(String, String)> {
        text.iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn pages_begin_with_the_newest() {
        let first = wanted(&made(), &query(&[("limit", "2")])).unwrap();
        assert_eq!(
            (first.ids.as_slice(), first.has_more),
            (&["pi_5".to_owned(), "pi_4".to_owned()][..], true)
        );
        let rest = query(&[("starting_after", "pi_4"), ("created[gte]", "2")]);
        let rest = wanted(&made(), &rest).unwrap();
        assert_eq!(
            (rest.ids.as_slice(), rest.has_more),
            (&["pi_3".to_owned(), "pi_2".to_owned()][..], false)
        );
        assert!(wanted(&made(), &query(&[("limit", "101")])).is_err());
    }

    #[test]
    fn metadata_is_searched() {
        assert_eq!(
            found(&made(), "metadata['order_id']:'o0'").unwrap(),
            ["pi_4", "pi_2"]
        );
        assert!(
            found(&made(), r#"metadata["order_id"]:"o2""#)
                .unwrap()
                .is_empty()
        );
        assert!(found(&made(), "amount>3").is_err());
    }
}
