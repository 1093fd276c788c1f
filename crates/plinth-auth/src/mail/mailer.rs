//! Who carries letters.

use std::time::Duration;

use lettre::message::header::ContentType;
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

use super::Outbox;
use super::templates::plain_text;

/// The longest wait for a mail server's answer.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Where letters go.
#[derive(Clone, Debug, Default)]
pub enum Mailer {
    /// There is none: accounts confirm themselves, and nothing that needs mail is served.
    #[default]
    Off,
    /// Kept in memory to be looked at.
    Outbox(Outbox),
    /// Handed to a mail server.
    Smtp(Smtp),
}

/// How the connection to a mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpSecurity {
    /// STARTTLS, required: port 587.
    StartTls,
    /// TLS from the first byte: port 465.
    Tls,
    /// None; for a server on the same machine.
    None,
}

/// A mail server and the sender's address.
#[derive(Clone, Debug)]
pub struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl Smtp {
    /// A sender through this server. Nothing is connected before the first letter.
    ///
    /// # Errors
    /// When `from` is no address, or the host no name that TLS can check.
    pub fn new(
        (host, port): (&str, u16),
        security: SmtpSecurity,
        credentials: Option<(String, String)>,
        from: &str,
    ) -> Result<Smtp, String> {
        let from = from
            .parse()
            .map_err(|error| format!("{from:?} is no address to send from: {error}"))?;
        let tls = || TlsParameters::new(host.to_owned()).map_err(|error| error.to_string());
        let tls = match security {
            SmtpSecurity::StartTls => Tls::Required(tls()?),
            SmtpSecurity::Tls => Tls::Wrapper(tls()?),
            SmtpSecurity::None => Tls::None,
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
            .port(port)
            .tls(tls)
            .timeout(Some(TIMEOUT));
        if let Some((user, password)) = credentials {
            builder = builder.credentials(Credentials::new(user, password));
        }
        Ok(Smtp {
            transport: builder.build(),
            from,
        })
    }
}

impl Mailer {
    /// Whether letters go anywhere.
    pub fn is_on(&self) -> bool {
        !matches!(self, Mailer::Off)
    }

    /// Hands a letter over; the error says why it was not taken.
    pub(super) async fn send(&self, to: &str, subject: &str, html: &str) -> Result<(), String> {
        match self {
            Mailer::Off => Err("no mail server is configured".to_owned()),
            Mailer::Outbox(outbox) => {
                outbox.put(to, subject, html);
                tracing::info!(target: "plinth::letters", %to, %subject, link = link(html).unwrap_or_default(), "a letter; read it at /dev/mail");
                Ok(())
            }
            Mailer::Smtp(smtp) => {
                let to = to
                    .parse()
                    .map_err(|error| format!("the address is none: {error}"))?;
                let part =
                    |kind: ContentType, text: String| SinglePart::builder().header(kind).body(text);
                let body = MultiPart::alternative()
                    .singlepart(part(ContentType::TEXT_PLAIN, plain_text(html)))
                    .singlepart(part(ContentType::TEXT_HTML, html.to_owned()));
                let message = Message::builder()
                    .from(smtp.from.clone())
                    .to(Mailbox::new(None, to))
                    .subject(subject)
                    .multipart(body)
                    .map_err(|error| error.to_string())?;
                let sent = smtp.transport.send(message).await;
                sent.map(|_| ()).map_err(|error| error.to_string())
            }
        }
    }
}

/// The first link of a letter.
fn link(html: &str) -> Option<String> {
    let (_, rest) = html.split_once("href=\"")?;
    let (link, _) = rest.split_once('"')?;
    Some(link.replace("&amp;", "&"))
}
