//! The `Accept` header: which form an answer takes.

use plinth_sql::shape::BodyFormat;

use crate::error::Error;

/// Entries of one `Accept` header that are looked at.
const MAX_ENTRIES: usize = 50;

/// A form an answer can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// `application/json`.
    Json,
    /// `application/vnd.pgrst.array+json;nulls=stripped`.
    ArrayStripped,
    /// `application/vnd.pgrst.object+json`: exactly one row.
    Object,
    /// The same with `;nulls=stripped`.
    ObjectStripped,
    /// `text/csv`.
    Csv,
    /// `application/openapi+json`, of the root only.
    OpenApi,
}

impl Media {
    /// The `Content-Type` it is sent with.
    pub fn content_type(self) -> &'static str {
        match self {
            Media::Json => "application/json; charset=utf-8",
            Media::ArrayStripped => {
                "application/vnd.pgrst.array+json;nulls=stripped; charset=utf-8"
            }
            Media::Object => "application/vnd.pgrst.object+json; charset=utf-8",
            Media::ObjectStripped => {
                "application/vnd.pgrst.object+json;nulls=stripped; charset=utf-8"
            }
            Media::Csv => "text/csv; charset=utf-8",
            Media::OpenApi => "application/openapi+json; charset=utf-8",
        }
    }

    /// Whether exactly one row is wanted.
    pub fn is_object(self) -> bool {
        matches!(self, Media::Object | Media::ObjectStripped)
    }

    /// The format an engine is asked for.
    pub fn body_format(self) -> BodyFormat {
        match self {
            Media::Json | Media::Object | Media::OpenApi => BodyFormat::Json,
            Media::ArrayStripped | Media::ObjectStripped => BodyFormat::JsonNullsStripped,
            Media::Csv => BodyFormat::Csv,
        }
    }
}

/// The form for rows, from the `Accept` header.
pub fn rows(accept: Option<&str>) -> Result<Media, Error> {
    first(accept, Media::Json, |kind, stripped| match kind {
        "text/csv" | "text/*" => Some(Media::Csv),
        "application/vnd.pgrst.object+json" | "application/vnd.pgrst.object" if stripped => {
            Some(Media::ObjectStripped)
        }
        "application/vnd.pgrst.object+json" | "application/vnd.pgrst.object" => Some(Media::Object),
        "application/vnd.pgrst.array+json" | "application/vnd.pgrst.array" if stripped => {
            Some(Media::ArrayStripped)
        }
        "*/*"
        | "application/*"
        | "application/json"
        | "application/vnd.pgrst.array+json"
        | "application/vnd.pgrst.array" => Some(Media::Json),
        _ => None,
    })
}

/// The form of the root document, from the `Accept` header.
pub fn root(accept: Option<&str>) -> Result<Media, Error> {
    first(accept, Media::OpenApi, |kind, _| match kind {
        "*/*" | "application/*" | "application/openapi+json" => Some(Media::OpenApi),
        "application/json" => Some(Media::Json),
        _ => None,
    })
}

/// The entry of the highest quality that can be made, the first of several.
fn first(
    accept: Option<&str>,
    default: Media,
    make: impl Fn(&str, bool) -> Option<Media>,
) -> Result<Media, Error> {
    let header = accept.unwrap_or_default();
    let mut entries: Vec<(f32, String, bool)> = header
        .split(',')
        .filter_map(entry)
        .take(MAX_ENTRIES)
        .collect();
    if entries.is_empty() {
        return Ok(default);
    }
    entries.sort_by(|a, b| b.0.total_cmp(&a.0));
    let best = entries
        .iter()
        .filter(|entry| entry.0 > 0.0)
        .find_map(|(_, kind, stripped)| make(kind, *stripped));
    best.ok_or_else(|| Error::MediaType {
        accepted: header
            .split(',')
            .map(|one| one.trim().to_owned())
            .take(MAX_ENTRIES)
            .collect(),
    })
}

/// Quality, type, and whether `nulls=stripped` was among its parameters.
fn entry(text: &str) -> Option<(f32, String, bool)> {
    let mut parts = text.split(';').map(str::trim);
    let kind = parts
        .next()
        .filter(|kind| !kind.is_empty())?
        .to_ascii_lowercase();
    let (mut quality, mut stripped) = (1.0, false);
    for part in parts {
        match part.split_once('=') {
            Some(("q" | "Q", value)) => quality = value.trim().parse().unwrap_or(1.0),
            Some(("nulls", "stripped")) => stripped = true,
            _ => {}
        }
    }
    Some((quality, kind, stripped))
}
