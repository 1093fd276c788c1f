//! Asking a command.
//!
//! The program and its arguments are fixed; what an upload is called comes by environment, where it is a value and nothing
//! else: no shell sees it. The bytes are a file whose path comes the same way, or come on standard input. Exit code 0
//! accepts, 1 rejects, and everything else is no answer. Our own environment, which has secrets, stays here.

use std::convert::Infallible;
use std::process::Stdio;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin};
use tokio::task::JoinHandle;

use super::{About, Source, Verdict, reason};

/// What of the command's output is kept.
const OUTPUT_BYTES: usize = 4096;
/// How long output may still come after the command has ended: something that it left behind may hold the pipe open.
const OUTPUT_AFTER_END: Duration = Duration::from_millis(100);
/// Where the command finds others.
const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A command that is asked.
pub(super) struct Command {
    program: String,
    arguments: Vec<String>,
}

impl Command {
    pub(super) fn new(program: &str, arguments: &[String]) -> Command {
        Command {
            program: program.to_owned(),
            arguments: arguments.to_vec(),
        }
    }

    /// Dropping this kills the command and what it started.
    pub(super) async fn ask(&self, about: &About<'_>, source: Source) -> Result<Verdict, String> {
        let mut child = self.start(about, &source)?;
        let mut group = Group::of(&child);
        let stdin = child.stdin.take();
        let said = collect(child.stdout.take());
        let complained = collect(child.stderr.take());
        let fed = async {
            feed(source, stdin).await?;
            // It has been sent everything, and may take its time.
            std::future::pending::<Result<Infallible, String>>().await
        };
        let status = tokio::select! {
            status = child.wait() => status.map_err(|error| format!("the command was lost: {error}"))?,
            broken = fed => {
                let Err(error) = broken;
                return Err(error);
            }
        };
        group.has_ended();
        match status.code() {
            Some(0) => Ok(Verdict::Accepted),
            Some(1) => Ok(Verdict::Rejected(reason(&output(said).await))),
            _ => Err(format!(
                "the command ended with {status}: {}",
                output(complained).await.trim()
            )),
        }
    }

    fn start(&self, about: &About<'_>, source: &Source) -> Result<Child, String> {
        let mut command = tokio::process::Command::new(&self.program);
        command
            .args(&self.arguments)
            .env_clear()
            .env("PATH", SEARCH_PATH)
            .env("PLINTH_BUCKET", about.bucket)
            .env("PLINTH_NAME", about.name)
            .env("PLINTH_MIMETYPE", about.mimetype)
            .env("PLINTH_SIZE", about.size.to_string())
            .env("PLINTH_OWNER", about.owner.unwrap_or_default())
            .env("PLINTH_VERSION", about.version.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        match source {
            Source::File(path) => {
                let path = std::path::absolute(path).map_err(|error| error.to_string())?;
                command.env("PLINTH_FILE", path).stdin(Stdio::null());
            }
            Source::Stream(_) => {
                command.stdin(Stdio::piped());
            }
        }
        // So that what it starts can be ended with it.
        #[cfg(unix)]
        command.process_group(0);
        command
            .spawn()
            .map_err(|error| format!("the command could not be started: {error}"))
    }
}

/// Sends the bytes. A command that has heard enough may close its ear; bytes that cannot be had are an error, because what
/// has arrived of them must not be judged as if it were all.
async fn feed(source: Source, stdin: Option<ChildStdin>) -> Result<(), String> {
    let (Source::Stream(mut bytes), Some(mut stdin)) = (source, stdin) else {
        return Ok(());
    };
    while let Some(chunk) = bytes.next().await {
        let chunk = chunk.map_err(|error| format!("the bytes could not be read: {error}"))?;
        if stdin.write_all(&chunk).await.is_err() {
            return Ok(());
        }
    }
    // Dropping it says that this was all.
    Ok(())
}

/// Reads a pipe to its end, so that nobody waits for it to become empty, and keeps the beginning.
fn collect(pipe: Option<impl AsyncRead + Unpin + Send + 'static>) -> JoinHandle<Vec<u8>> {
    tokio::spawn(async move {
        let mut kept = Vec::new();
        let Some(mut pipe) = pipe else {
            return kept;
        };
        let mut buffer = [0; OUTPUT_BYTES];
        while let Ok(count @ 1..) = pipe.read(&mut buffer).await {
            let room = OUTPUT_BYTES - kept.len();
            kept.extend_from_slice(&buffer[..count.min(room)]);
        }
        kept
    })
}

/// What a command that has ended had written.
async fn output(mut collected: JoinHandle<Vec<u8>>) -> String {
    match tokio::time::timeout(OUTPUT_AFTER_END, &mut collected).await {
        Ok(bytes) => String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned(),
        Err(_) => {
            collected.abort();
            String::new()
        }
    }
}

/// The processes of a command, ended when this is dropped before the command has ended by itself.
struct Group {
    #[cfg(unix)]
    leader: Option<rustix::process::Pid>,
}

#[cfg(unix)]
impl Group {
    fn of(child: &Child) -> Group {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Group {
            leader: id.and_then(rustix::process::Pid::from_raw),
        }
    }

    /// From now on its number may be somebody else's.
    fn has_ended(&mut self) {
        self.leader = None;
    }
}

#[cfg(unix)]
impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.leader {
            let kill = rustix::process::Signal::KILL;
            let _ended_already = rustix::process::kill_process_group(leader, kill);
        }
    }
}

/// Elsewhere only the command itself is ended, by its handle.
#[cfg(not(unix))]
impl Group {
    fn of(_: &Child) -> Group {
        Group {}
    }

    fn has_ended(&mut self) {}
}

#[cfg(all(test, unix))]
mod tests {
    use std::io;
    use std::time::Instant;

    use bytes::Bytes;
    use futures_util::stream::iter;

    use super::super::NO_REASON;
    use super::super::tests::{Scratch, about, stream};
    use super::*;

    /// The test's own command happens to be a shell; its text is as fixed as any argument.
    async fn ask(script: &str, source: Source) -> Result<Verdict, String> {
        let arguments = ["-c".to_owned(), script.to_owned()];
        Command::new("/bin/sh", &arguments)
            .ask(&about(), source)
            .await
    }

    #[tokio::test]
    async fn the_exit_code_is_the_answer() {
        assert_eq!(ask("exit 0", stream(b"")).await, Ok(Verdict::Accepted));
        let rejected = |text: &str| Ok(Verdict::Rejected(text.to_owned()));
        assert_eq!(
            ask("echo; echo ' a virus '; exit 1", stream(b"")).await,
            rejected("a virus")
        );
        assert_eq!(ask("exit 1", stream(b"")).await, rejected(NO_REASON));
        let error = ask("echo no signatures >&2; exit 2", stream(b""))
            .await
            .unwrap_err();
        assert!(error.contains("no signatures"), "{error}");
        assert!(ask("kill -9 $$", stream(b"")).await.is_err());
        let missing = Command::new("/nowhere/scanner", &[]);
        assert!(missing.ask(&about(), stream(b"")).await.is_err());
    }

    #[tokio::test]
    async fn it_learns_what_it_needs_and_no_more() {
        let scratch = Scratch::new();
        let script = r#"
            [ "$PLINTH_BUCKET" = photos ] || exit 2
            [ "$PLINTH_NAME" = 'a b/$(touch x).png' ] || exit 3
            [ "$PLINTH_SIZE $PLINTH_MIMETYPE $PLINTH_OWNER" = '5 image/png me' ] || exit 4
            [ -z "$HOME$CARGO_MANIFEST_DIR" ] || exit 5
            [ "$(cat "$PLINTH_FILE")" = hello ] || exit 6"#;
        let file = Source::File(scratch.file(b"hello"));
        assert_eq!(ask(script, file).await, Ok(Verdict::Accepted));
        let script = r#"[ -z "$PLINTH_FILE" ] && [ "$(cat)" = hello ]"#;
        assert_eq!(ask(script, stream(b"hello")).await, Ok(Verdict::Accepted));
    }

    #[tokio::test]
    async fn bytes_that_break_off_are_not_judged() {
        let torn = iter([Ok(Bytes::from_static(b"he")), Err(io::Error::other("torn"))]);
        let judged = ask("cat >/dev/null", Source::Stream(torn.boxed())).await;
        assert!(judged.unwrap_err().contains("torn"));
        // It does not want to hear more, and that is its right.
        let endless = iter(std::iter::repeat_with(|| {
            Ok(Bytes::from_static(&[0; 4096]))
        }));
        let judged = ask("exit 0", Source::Stream(endless.boxed())).await;
        assert_eq!(judged, Ok(Verdict::Accepted));
    }

    #[tokio::test]
    async fn it_is_killed_with_what_it_started() {
        let scratch = Scratch::new();
        let marker = scratch.0.join("alive");
        let script = format!("(sleep 1; touch {}) & sleep 30", marker.display());
        let begun = Instant::now();
        let asked =
            tokio::time::timeout(Duration::from_millis(200), ask(&script, stream(b""))).await;
        assert!(asked.is_err());
        assert!(begun.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(1300)).await;
        assert!(!marker.exists());
    }

    #[tokio::test]
    async fn output_is_bounded_and_waits_for_nobody() {
        let begun = Instant::now();
        let loud = "i=0; while [ $i -lt 3000 ]; do echo a very long line that nobody wants; i=$((i+1)); done; exit 1";
        let reason = "a very long line that nobody wants".to_owned();
        assert_eq!(ask(loud, stream(b"")).await, Ok(Verdict::Rejected(reason)));
        // What stays behind holds the pipe open.
        assert_eq!(
            ask("sleep 5 & exit 0", stream(b"")).await,
            Ok(Verdict::Accepted)
        );
        assert!(begun.elapsed() < Duration::from_secs(4));
    }
}
