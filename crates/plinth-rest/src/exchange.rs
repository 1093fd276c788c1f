//! One request on its way through a handler: who asks, and what the headers say.

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{ACCEPT, CONTENT_TYPE, RANGE};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use plinth_db::{Catalog, Session};
use plinth_http::{App, Caller, read_body, request_settings};
use plinth_query::body::Payload;
use plinth_query::negotiate::{self, Media};
use plinth_query::plan::{Asked, Context, Shape};
use plinth_query::preferences::Preferences;
use plinth_query::range::RangeHeader;

use crate::error::Error;
use crate::{Config, PREFIX, Place, Rest};

const PREFER: HeaderName = HeaderName::from_static("prefer");
const ACCEPT_PROFILE: HeaderName = HeaderName::from_static("accept-profile");
const CONTENT_PROFILE: HeaderName = HeaderName::from_static("content-profile");

/// A request without its body, and everything an answer to it depends on.
pub(crate) struct Exchange<'r> {
    rest: &'r Rest,
    pub(crate) caller: Caller,
    /// Shared with the session, in case SQL asks for them.
    parts: Arc<Parts>,
    /// One snapshot from the start of the request to its end.
    pub(crate) catalog: Arc<Catalog>,
}

impl Exchange<'_> {
    pub(crate) fn new(rest: &Rest, caller: Caller, parts: Parts) -> Exchange<'_> {
        let catalog = rest.app.db.catalog();
        Exchange {
            rest,
            caller,
            parts: Arc::new(parts),
            catalog,
        }
    }

    /// The answer, be it an error.
    pub(crate) fn settle(&self, answer: Result<Response, Error>) -> Response {
        answer.unwrap_or_else(|error| error.for_caller(&self.caller).into_response())
    }

    pub(crate) fn app(&self) -> &App {
        &self.rest.app
    }

    pub(crate) fn rest(&self) -> &Rest {
        self.rest
    }

    pub(crate) fn config(&self) -> &Config {
        &self.rest.config
    }

    /// What the path names.
    pub(crate) fn place(&self) -> Place<'_> {
        Place::of(self.parts.uri.path())
    }

    pub(crate) fn method(&self) -> &str {
        self.parts.method.as_str()
    }

    pub(crate) fn is_head(&self) -> bool {
        self.parts.method == Method::HEAD
    }

    /// The query string, without its question mark.
    pub(crate) fn query(&self) -> &str {
        self.parts.uri.query().unwrap_or_default()
    }

    pub(crate) fn content_type(&self) -> Option<&str> {
        self.header(CONTENT_TYPE)
    }

    pub(crate) async fn body(&self, body: Body) -> Result<Bytes, Error> {
        Ok(read_body(body, self.app().limits.rest_body_bytes).await?)
    }

    /// The session that statements of this request run in.
    pub(crate) fn session(&self) -> Session {
        let settings = request_settings(Arc::clone(&self.parts), PREFIX);
        self.caller.session(&self.app().limits, settings)
    }

    /// What plans are made against.
    pub(crate) fn context(&self) -> Result<Context<'_>, Error> {
        Ok(Context {
            catalog: &self.catalog,
            schema: self.schema()?,
            role: &self.caller.role,
            max_rows: Some(self.app().limits.page_rows),
        })
    }

    /// The shape of a read of this relation.
    pub(crate) fn shape(&self, name: &str) -> Option<Shape> {
        Shape::of(&self.shaping(name)?, self.query())
    }

    /// The shape of an insert of one row into this relation.
    pub(crate) fn shape_of_row(&self, name: &str, payload: &Payload<'_>) -> Option<String> {
        Shape::of_row(&self.shaping(name)?, self.query(), payload)
    }

    /// All that a plan depends on beside the query string, the catalog and the server's settings.
    fn shaping<'a>(&'a self, name: &'a str) -> Option<[&'a str; 7]> {
        let headers = &self.parts.headers;
        let schema = self.schema().ok()?;
        let mut context = [self.method(), &self.caller.role, schema, name, "", "", ""];
        for (place, header) in [ACCEPT, PREFER, RANGE].into_iter().enumerate() {
            let mut values = headers.get_all(header).iter();
            match (values.next().map(HeaderValue::to_str), values.next()) {
                (None, _) => {}
                (Some(Ok(text)), None) => context[4 + place] = text,
                (Some(_), _) => return None,
            }
        }
        Some(context)
    }

    /// What the headers ask of an answer that holds rows.
    pub(crate) fn asked(&self) -> Result<Asked, Error> {
        Ok(Asked {
            preferences: self.preferences()?,
            media: negotiate::rows(self.accept().as_deref())?,
            range: self.range()?,
        })
    }

    /// The form asked of the root document.
    pub(crate) fn root_media(&self) -> Result<Media, Error> {
        Ok(negotiate::root(self.accept().as_deref())?)
    }

    /// The schema that is named, or the first that is exposed.
    pub(crate) fn schema(&self) -> Result<&str, Error> {
        let exposed = &self.config().schemas;
        match self.profile().as_deref() {
            None => exposed.first().map(String::as_str).ok_or_else(Error::path),
            Some(named) => exposed
                .iter()
                .find(|known| *known == named)
                .map(String::as_str)
                .ok_or_else(|| {
                    let (schema, exposed) = (named.to_owned(), exposed.clone());
                    plinth_query::Error::SchemaNotExposed { schema, exposed }.into()
                }),
        }
    }

    /// The `Content-Profile` of the answer, wherever there is more than one choice.
    pub(crate) fn answered_profile(&self) -> Option<&str> {
        let told = self.config().schemas.len() > 1 || self.profile().is_some();
        self.schema().ok().filter(|_| told)
    }

    /// What is no text names a schema too, only none that there is.
    fn profile(&self) -> Option<Cow<'_, str>> {
        let reads = matches!(self.parts.method, Method::GET | Method::HEAD);
        let name = if reads {
            ACCEPT_PROFILE
        } else {
            CONTENT_PROFILE
        };
        let value = self.parts.headers.get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()))
    }

    fn preferences(&self) -> Result<Preferences, Error> {
        let headers = self.parts.headers.get_all(PREFER);
        Ok(Preferences::parse(
            headers.iter().filter_map(|value| value.to_str().ok()),
        )?)
    }

    /// `Range` pages reads only.
    fn range(&self) -> Result<Option<RangeHeader>, Error> {
        match self
            .header(RANGE)
            .filter(|_| self.parts.method == Method::GET)
        {
            Some(text) => Ok(RangeHeader::parse(text)?),
            None => Ok(None),
        }
    }

    /// All `Accept` headers as one.
    fn accept(&self) -> Option<String> {
        let all: Vec<&str> = self
            .parts
            .headers
            .get_all(ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .collect();
        (!all.is_empty()).then(|| all.join(","))
    }

    fn header(&self, name: HeaderName) -> Option<&str> {
        self.parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
    }
}
