//! TLS to the server, by `sslmode` as libpq means it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;
use x509_cert::der::Decode as _;

use crate::EngineError;
use crate::error::Result;

/// What is asked of a connection's secrecy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tls {
    pub(crate) mode: Mode,
    /// `sslrootcert`: whom to believe instead of the system's authorities.
    pub(crate) root: Option<PathBuf>,
}

/// `sslmode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Never.
    Disable,
    /// Where the server offers it.
    #[default]
    Prefer,
    /// Always, with whomever answers.
    Require,
    /// Always, with a certificate that an authority signed.
    VerifyCa,
    /// Always, with a certificate for this very name.
    VerifyFull,
}

impl Mode {
    /// By its name in a URL.
    pub(crate) fn parse(name: &str) -> Option<Mode> {
        Some(match name {
            "disable" => Mode::Disable,
            // There is no first try without: what may be secret is.
            "allow" | "prefer" => Mode::Prefer,
            "require" => Mode::Require,
            "verify-ca" => Mode::VerifyCa,
            "verify-full" => Mode::VerifyFull,
            _ => return None,
        })
    }

    /// What the client library knows of it.
    pub(crate) fn for_client(self) -> SslMode {
        match self {
            Mode::Disable => SslMode::Disable,
            Mode::Prefer => SslMode::Prefer,
            Mode::Require | Mode::VerifyCa | Mode::VerifyFull => SslMode::Require,
        }
    }
}

impl Tls {
    /// What makes connections secret.
    pub(crate) fn connector(&self) -> Result<MakeRustlsConnect> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = self.verifier(&provider)?;
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| EngineError::Internal(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        Ok(MakeRustlsConnect::new(config))
    }

    fn verifier(&self, provider: &CryptoProvider) -> Result<Verifier> {
        let believed = match (self.mode, &self.root) {
            (Mode::Disable | Mode::Prefer, _) | (Mode::Require, None) => Believed::Anyone,
            // As in libpq: who names an authority wants it asked.
            (Mode::Require | Mode::VerifyCa, _) => Believed::AnyName(self.authorities()?),
            (Mode::VerifyFull, _) => Believed::ThisName(self.authorities()?),
        };
        Ok(Verifier {
            believed,
            known: provider.signature_verification_algorithms,
        })
    }

    fn authorities(&self) -> Result<Authorities> {
        let named = match &self.root {
            Some(path) => read_certificates(path)?,
            None => Vec::new(),
        };
        let mut roots = RootCertStore::empty();
        match self.root {
            Some(_) => roots.add_parsable_certificates(named.iter().cloned()),
            None => roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs),
        };
        if roots.is_empty() {
            return Err(EngineError::Setup(
                "there is no authority to check the database's certificate with; name one in `sslrootcert`"
                    .to_owned(),
            ));
        }
        Ok(Authorities { roots, named })
    }
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let unreadable = |error: rustls::pki_types::pem::Error| {
        EngineError::Setup(format!(
            "`sslrootcert` {} cannot be read: {error}",
            path.display()
        ))
    };
    CertificateDer::pem_file_iter(path)
        .map_err(unreadable)?
        .collect::<Result<_, _>>()
        .map_err(unreadable)
}

/// Judges the server's certificate.
#[derive(Debug)]
struct Verifier {
    believed: Believed,
    /// The signatures that can be checked.
    known: WebPkiSupportedAlgorithms,
}

/// Whose certificate is good enough.
#[derive(Debug)]
enum Believed {
    /// Anybody's: `sslmode=require` keeps listeners out, not impostors.
    Anyone,
    /// One that an authority signed, whatever name is on it.
    AnyName(Authorities),
    /// One that an authority signed, for the host that was asked for.
    ThisName(Authorities),
}

/// Who is asked whether a certificate is good.
#[derive(Debug)]
struct Authorities {
    roots: RootCertStore,
    /// What `sslrootcert` names: a server that shows one of these very certificates needs nobody else's word. So it is in libpq,
    /// and servers with a certificate that signed itself are set up that way.
    named: Vec<CertificateDer<'static>>,
}

impl Authorities {
    fn check(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
        known: &WebPkiSupportedAlgorithms,
    ) -> Result<(), rustls::Error> {
        if self.named.iter().any(|one| one == certificate) {
            return check_dates(certificate, now);
        }
        let parsed = ParsedCertificate::try_from(certificate)?;
        verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, chain, now, known.all)
    }
}

/// A certificate that is believed by itself has its time, too.
fn check_dates(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), rustls::Error> {
    let read = x509_cert::Certificate::from_der(certificate);
    let valid = read
        .map_err(|_| CertificateError::BadEncoding)?
        .tbs_certificate
        .validity;
    let time = |time: x509_cert::time::Time| UnixTime::since_unix_epoch(time.to_unix_duration());
    let (not_before, not_after) = (time(valid.not_before), time(valid.not_after));
    if now < not_before {
        return Err(CertificateError::NotValidYetContext {
            time: now,
            not_before,
        }
        .into());
    }
    if now > not_after {
        return Err(CertificateError::ExpiredContext {
            time: now,
            not_after,
        }
        .into());
    }
    Ok(())
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match &self.believed {
            Believed::Anyone => {}
            Believed::AnyName(authorities) => {
                authorities.check(certificate, chain, now, &self.known)?;
            }
            Believed::ThisName(authorities) => {
                authorities.check(certificate, chain, now, &self.known)?;
                verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signed, &self.known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &self.known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.known.supported_schemes()
    }
}
