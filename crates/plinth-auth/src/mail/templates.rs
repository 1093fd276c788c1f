//! What letters say. A template is an HTML page whose `<title>` is the subject; it names values as Supabase's
//! templates do: `{{ .ConfirmationURL }}`, `{{ .Token }}`, …

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::{Map, Value};

/// Longest template, in bytes.
const MAX_TEMPLATE_BYTES: usize = 256 * 1024;

/// The kinds of letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Letter {
    /// A new account confirms its address.
    Confirmation,
    /// An administrator invites somebody.
    Invitation,
    /// Signing in by a link or a code.
    MagicLink,
    /// A forgotten password.
    Recovery,
    /// An account gets another address.
    EmailChange,
    /// A change that asks for the owner's presence.
    Reauthentication,
}

impl Letter {
    /// Every kind.
    pub const ALL: [Letter; 6] = [
        Letter::Confirmation,
        Letter::Invitation,
        Letter::MagicLink,
        Letter::Recovery,
        Letter::EmailChange,
        Letter::Reauthentication,
    ];

    /// As Supabase's settings name it, and the file of a template of one's own.
    pub fn name(self) -> &'static str {
        match self {
            Letter::Confirmation => "confirmation",
            Letter::Invitation => "invite",
            Letter::MagicLink => "magic_link",
            Letter::Recovery => "recovery",
            Letter::EmailChange => "email_change",
            Letter::Reauthentication => "reauthentication",
        }
    }

    fn built_in(self) -> &'static str {
        match self {
            Letter::Confirmation => include_str!("templates/confirmation.html"),
            Letter::Invitation => include_str!("templates/invite.html"),
            Letter::MagicLink => include_str!("templates/magic_link.html"),
            Letter::Recovery => include_str!("templates/recovery.html"),
            Letter::EmailChange => include_str!("templates/email_change.html"),
            Letter::Reauthentication => include_str!("templates/reauthentication.html"),
        }
    }
}

/// Why a template cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The subject is missing.
    #[error("a letter needs a subject: give the page a <title>")]
    NoSubject,
    /// A value that letters do not have.
    #[error(
        "{{{{ {0} }}}} is nothing a letter has; there are .ConfirmationURL, .Token, .TokenHash, .SiteURL, .RedirectTo, .Email, .NewEmail and .Data.KEY"
    )]
    UnknownValue(String),
    /// Two opening braces without their end.
    #[error("a {{{{ is never closed")]
    NotClosed,
    /// Larger than any letter should be.
    #[error("a template may have {MAX_TEMPLATE_BYTES} bytes")]
    TooLarge,
}

/// The templates in use: the built-in ones, and an application's own in their place.
#[derive(Clone, Debug, Default)]
pub struct Templates(HashMap<Letter, String>);

/// What a letter may name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields<'a> {
    pub(crate) confirmation_url: &'a str,
    pub(crate) token: &'a str,
    pub(crate) token_hash: &'a str,
    pub(crate) site_url: &'a str,
    pub(crate) redirect_to: &'a str,
    pub(crate) email: &'a str,
    pub(crate) new_email: &'a str,
    pub(crate) data: Option<&'a Map<String, Value>>,
}

impl Templates {
    /// Puts an application's own template in the place of the built-in one.
    ///
    /// # Errors
    /// When it has no subject or names a value that letters do not have.
    pub fn set(&mut self, letter: Letter, html: String) -> Result<(), TemplateError> {
        if html.len() > MAX_TEMPLATE_BYTES {
            return Err(TemplateError::TooLarge);
        }
        fill(&html, &Fields::default())?;
        subject(&html).ok_or(TemplateError::NoSubject)?;
        self.0.insert(letter, html);
        Ok(())
    }

    /// The subject and the page of a letter.
    pub(crate) fn write(
        &self,
        letter: Letter,
        fields: &Fields<'_>,
    ) -> Result<(String, String), TemplateError> {
        let template = self
            .0
            .get(&letter)
            .map_or_else(|| letter.built_in(), String::as_str);
        let html = fill(template, fields)?;
        let subject = subject(&html).ok_or(TemplateError::NoSubject)?;
        Ok((subject, html))
    }
}

/// The text of a page, for readers that show none.
pub(super) fn plain_text(html: &str) -> String {
    let body = html.split_once("<body").map_or(html, |(_, body)| body);
    let mut text = String::new();
    let mut rest = body.split_once('>').map_or(body, |(_, rest)| rest);
    while let Some((before, after)) = rest.split_once('<') {
        text.push_str(before);
        let Some((tag, after)) = after.split_once('>') else {
            break;
        };
        if let Some((_, href)) = tag.split_once("href=\"") {
            let link = href.split('"').next().unwrap_or_default();
            text.push_str(link);
            text.push(' ');
        }
        rest = after;
    }
    text.push_str(rest);
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    unescape(&lines.collect::<Vec<_>>().join("\n\n"))
}

fn fill(template: &str, fields: &Fields<'_>) -> Result<String, TemplateError> {
    let mut page = String::with_capacity(template.len() + 256);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        page.push_str(before);
        let (name, after) = after.split_once("}}").ok_or(TemplateError::NotClosed)?;
        page.push_str(&escape(&value(name.trim(), fields)?));
        rest = after;
    }
    page.push_str(rest);
    Ok(page)
}

fn value<'a>(name: &str, fields: &Fields<'a>) -> Result<Cow<'a, str>, TemplateError> {
    Ok(Cow::Borrowed(match name {
        ".ConfirmationURL" => fields.confirmation_url,
        ".Token" => fields.token,
        ".TokenHash" => fields.token_hash,
        ".SiteURL" => fields.site_url,
        ".RedirectTo" => fields.redirect_to,
        ".Email" => fields.email,
        ".NewEmail" => fields.new_email,
        _ => {
            let key = name
                .strip_prefix(".Data.")
                .ok_or_else(|| TemplateError::UnknownValue(name.to_owned()))?;
            return Ok(match fields.data.and_then(|data| data.get(key)) {
                None | Some(Value::Null) => Cow::Borrowed(""),
                Some(Value::String(text)) => Cow::Borrowed(text),
                Some(other) => Cow::Owned(other.to_string()),
            });
        }
    }))
}

fn subject(html: &str) -> Option<String> {
    let (_, rest) = html.split_once("<title>")?;
    let (title, _) = rest.split_once("</title>")?;
    let line = unescape(&title.split_whitespace().collect::<Vec<_>>().join(" "));
    (!line.is_empty()).then_some(line)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_letter_can_be_written() {
        for letter in Letter::ALL {
            let fields = Fields {
                confirmation_url: "http://x/verify?token=1&type=2",
                token: "123456",
                ..Fields::default()
            };
            let (subject, html) = Templates::default().write(letter, &fields).unwrap();
            assert!(!subject.is_empty() && !html.contains("{{"), "{letter:?}");
            assert!(html.contains("123456"), "{letter:?}");
            let link = html.contains("token=1&amp;type=2");
            assert_eq!(link, letter != Letter::Reauthentication, "{letter:?}");
        }
    }

    #[test]
    fn values_of_people_are_escaped() {
        let mut templates = Templates::default();
        let page = "<title>Hi {{ .Data.name }}</title><body>{{.Data.name}}</body>";
        templates.set(Letter::Recovery, page.to_owned()).unwrap();
        let data = Map::from_iter([("name".to_owned(), Value::from("<a href=\"x\">\r\nBcc: y"))]);
        let fields = Fields {
            data: Some(&data),
            ..Fields::default()
        };
        let (subject, html) = templates.write(Letter::Recovery, &fields).unwrap();
        assert_eq!(subject, "Hi <a href=\"x\"> Bcc: y");
        assert!(html.contains("&lt;a href=&quot;x&quot;&gt;"), "{html}");
    }

    #[test]
    fn templates_are_checked_when_they_are_read() {
        let set = |page: &str| Templates::default().set(Letter::Recovery, page.to_owned());
        assert_eq!(set("<p>{{ .Token }}</p>"), Err(TemplateError::NoSubject));
        assert_eq!(
            set("<title>x</title>{{ .Tokn }}"),
            Err(TemplateError::UnknownValue(".Tokn".to_owned()))
        );
        assert_eq!(
            set("<title>x</title>{{ .Token"),
            Err(TemplateError::NotClosed)
        );
    }

    #[test]
    fn a_page_has_a_text_form() {
        let page = "<html><head><title>t</title></head><body><p>One &amp; two</p>\n<p><a href=\"http://x?a=1&amp;b=2\">Go</a></p></body></html>";
        assert_eq!(plain_text(page), "One & two\n\nhttp://x?a=1&b=2 Go");
    }
}
