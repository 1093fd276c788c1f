//! TLS to a real server: what each `sslmode` asks for, and what is said when it cannot be had.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use plinth_testkit::postgres::guarded::Guarded;
use plinth_testkit::temp::TempDir;

use crate::Servers;
use crate::node::{Application, NOTES};

/// Certificates of this run.
struct Certificates(TempDir);

/// A certificate for the server.
#[derive(Clone, Copy)]
struct Wanted {
    name: &'static str,
    /// The authority that signs it; it signs itself where there is none.
    authority: Option<&'static str>,
    /// The host that it is for.
    host: &'static str,
    expired: bool,
}

impl Certificates {
    fn make() -> Certificates {
        let made = Certificates(TempDir::new("certificates").unwrap());
        fs::write(made.path("index.txt"), "").unwrap();
        for authority in ["ours", "others"] {
            made.sign_itself(authority, &["-subj", &format!("/CN={authority}")]);
        }
        made
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    fn openssl(&self, args: &[&str]) {
        let output = Command::new("openssl")
            .args(args)
            .current_dir(self.0.path())
            .output()
            .expect("openssl is installed with PostgreSQL");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {args:?}: {said}");
    }

    fn sign_itself(&self, name: &str, args: &[&str]) {
        let (key, certificate) = (format!("{name}.key"), format!("{name}.pem"));
        let request = [
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
        ];
        let files = ["-days", "10", "-keyout", &key, "-out", &certificate];
        self.openssl(&[&request[..], &files, args].concat());
    }

    fn sign(&self, wanted: Wanted) {
        let Wanted {
            name,
            authority,
            host,
            expired,
        } = wanted;
        let extension = format!("subjectAltName={host}");
        let by = |file: &str| format!("{}.{file}", authority.unwrap_or(name));
        if !expired {
            let (certificate, key) = (by("pem"), by("key"));
            let mut args = vec!["-subj", "/CN=server", "-addext", &extension];
            if authority.is_some() {
                args.extend([
                    "-CA",
                    &certificate,
                    "-CAkey",
                    &key,
                    "-addext",
                    "basicConstraints=CA:FALSE",
                ]);
            }
            return self.sign_itself(name, &args);
        }
        // Only this command signs what has expired already.
        let settings = format!(
            "[ca]\ndefault_ca = d\n[d]\ndatabase = index.txt\nnew_certs_dir = .\npolicy = p\ndefault_md = sha256\nrand_serial = yes\n\
             unique_subject = no\nx509_extensions = e\n[p]\ncommonName = supplied\n[e]\n{extension}\n"
        );
        fs::write(self.path("ca.cnf"), settings).unwrap();
        let (key, asked, certificate) = (
            format!("{name}.key"),
            format!("{name}.csr"),
            format!("{name}.pem"),
        );
        self.openssl(&[
            "req",
            "-new",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-subj",
            "/CN=server",
            "-keyout",
            &key,
            "-out",
            &asked,
        ]);
        let (signer, signer_key) = (by("pem"), by("key"));
        let who = match authority {
            Some(_) => ["-cert", &signer],
            None => ["-selfsign", "-batch"],
        };
        let times = [
            "-startdate",
            "20200101000000Z",
            "-enddate",
            "20200201000000Z",
        ];
        let files = [
            "ca",
            "-batch",
            "-notext",
            "-config",
            "ca.cnf",
            "-in",
            &asked,
            "-out",
            &certificate,
            "-keyfile",
            &signer_key,
        ];
        self.openssl(&[&files[..], &times, &who].concat());
    }
}

/// Has the server show this certificate.
fn show(server: &Guarded, certificates: &Certificates, name: &str) {
    server.stop().unwrap();
    for (from, to) in [("key", "server.key"), ("pem", "server.crt")] {
        let to = server.data().join(to);
        fs::copy(certificates.path(&format!("{name}.{from}")), &to).unwrap();
        private(&to);
    }
    plinth_private_postgres::give_away(&server.data()).unwrap();
    server.restart().unwrap();
}

fn private(file: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
}

pub(crate) fn each_mode_takes_and_refuses_what_it_should(servers: &Servers) {
    const HERE: &str = "IP:127.0.0.1";
    let certificates = Certificates::make();
    let wanted = |name, authority, host, expired| Wanted {
        name,
        authority,
        host,
        expired,
    };
    for one in [
        wanted("good", Some("ours"), HERE, false),
        wanted("elsewhere", Some("ours"), "DNS:elsewhere.example", false),
        wanted("expired", Some("ours"), HERE, true),
        wanted("own", None, HERE, false),
        wanted("own-elsewhere", None, "DNS:elsewhere.example", false),
        wanted("own-expired", None, HERE, true),
    ] {
        certificates.sign(one);
    }
    let server = servers.untouched();
    server.sql("postgres", "alter system set ssl = on").unwrap();
    let url = server.url(&server.database().unwrap());
    let unknown = "UnknownIssuer";
    let accepted = "";
    for (shown, mode, root, said) in [
        ("good", "disable", None, accepted),
        ("good", "prefer", None, accepted),
        ("good", "require", None, accepted),
        ("good", "verify-ca", Some("ours"), accepted),
        ("good", "verify-full", Some("ours"), accepted),
        ("good", "verify-full", Some("others"), unknown),
        ("good", "verify-ca", Some("others"), unknown),
        // As with libpq: who names an authority wants it asked.
        ("good", "require", Some("others"), unknown),
        ("good", "prefer", Some("others"), accepted),
        // The system's know nothing of ours.
        ("good", "verify-full", None, "certificate"),
        ("elsewhere", "verify-ca", Some("ours"), accepted),
        (
            "elsewhere",
            "verify-full",
            Some("ours"),
            "not valid for name",
        ),
        ("expired", "require", None, accepted),
        ("expired", "verify-ca", Some("ours"), "expired"),
        ("expired", "verify-full", Some("ours"), "expired"),
        // The server's own certificate is as good as an authority that signed it.
        ("own", "verify-ca", Some("own"), accepted),
        ("own", "verify-full", Some("own"), accepted),
        ("own", "verify-full", Some("ours"), "certificate"),
        (
            "own-elsewhere",
            "verify-ca",
            Some("own-elsewhere"),
            accepted,
        ),
        (
            "own-elsewhere",
            "verify-full",
            Some("own-elsewhere"),
            "not valid for name",
        ),
        ("own-expired", "require", None, accepted),
        ("own-expired", "verify-ca", Some("own-expired"), "expired"),
        // One that nobody signed is not good because an authority of the same kind is named.
        ("own-expired", "verify-ca", Some("own"), "certificate"),
    ] {
        let case = format!("{shown} {mode} {root:?}");
        if fs::read(server.data().join("server.crt")).ok()
            != fs::read(certificates.path(&format!("{shown}.pem"))).ok()
        {
            show(&server, &certificates, shown);
        }
        let mut asked = format!("{url}?sslmode={mode}");
        if let Some(root) = root {
            asked += &format!(
                "&sslrootcert={}",
                certificates.path(&format!("{root}.pem")).display()
            );
        }
        let ended = Application::new(&asked, &[]).run(&["migrate", "."]);
        if said.is_empty() {
            assert_eq!(ended.code, Some(0), "{case}: {ended:?}");
        } else {
            assert_eq!(ended.code, Some(1), "{case}: {ended:?}");
            assert!(
                ended.stderr.contains(said),
                "{case}: {said} is not in {ended:?}"
            );
            assert!(ended.stderr.contains("sslrootcert"), "{case}: {ended:?}");
        }
    }
}

pub(crate) fn what_is_said_is_encrypted(servers: &Servers) {
    let certificates = Certificates::make();
    certificates.sign(Wanted {
        name: "good",
        authority: Some("ours"),
        host: "IP:127.0.0.1",
        expired: false,
    });
    let server = servers.untouched();
    server.sql("postgres", "alter system set ssl = on").unwrap();
    let database = server.database().unwrap();
    show(&server, &certificates, "good");
    let encrypted = format!(
        "select count(*) > 1, bool_and(ssl) from pg_stat_ssl join pg_stat_activity using (pid)
          where datname = '{database}' and application_name = 'plinth'"
    );
    let root = certificates.path("ours.pem");
    for (parameters, expected) in [
        (
            format!("sslmode=verify-full&sslrootcert={}", root.display()),
            "t|t\n",
        ),
        ("sslmode=prefer".to_owned(), "t|t\n"),
        ("sslmode=disable".to_owned(), "t|f\n"),
    ] {
        let url = format!("{}?{parameters}", server.url(&database));
        let node = Application::new(&url, &[NOTES]).start();
        node.read("/rest/v1/notes?select=id");
        assert_eq!(
            server.sql("postgres", &encrypted).unwrap(),
            expected,
            "{parameters}"
        );
    }
}
