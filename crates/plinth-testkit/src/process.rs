//! The command as a process: found, run to its end within a limit, and never left behind.

#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a test that cannot go on ends here"
)]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The longest that any command of these tests may run.
const LIMIT: Duration = Duration::from_secs(30);

/// Pause between two looks at something that has no way to tell us.
pub const POLL: Duration = Duration::from_millis(5);

/// What a command said when it ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; none when it was killed for taking too long.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// The command, with nothing of this process's settings.
pub fn plinth() -> Command {
    let built = std::env::current_exe()
        .expect("a running program has a path")
        .parent()
        .and_then(Path::parent)
        .expect("test programs are in target/PROFILE/deps")
        .join("plinth");
    let program = std::env::var_os("PLINTH_BIN").map_or(built, PathBuf::from);
    assert!(
        program.is_file(),
        "{} is not there; build it with: cargo build --package plinth",
        program.display()
    );
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PLINTH_") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// A program that does not outlive the thread that starts it: a killed test run leaves nothing behind, on Linux.
pub fn mortal(program: &Path) -> Command {
    let setpriv = Path::new("/usr/bin/setpriv");
    if !setpriv.exists() {
        return Command::new(program);
    }
    let mut command = Command::new(setpriv);
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// Runs `plinth ARGS` in a folder to its end.
pub fn run(folder: &Path, args: &[&str]) -> Ended {
    run_with(folder, args, &[])
}

/// The same, with these variables in its environment.
pub fn run_with(folder: &Path, args: &[&str], environment: &[(&str, &str)]) -> Ended {
    let (stdout, stderr) = (folder.join("stdout.log"), folder.join("stderr.log"));
    let mut child = plinth()
        .args(args)
        .envs(environment.iter().copied())
        .current_dir(folder)
        .stdout(File::create(&stdout).unwrap())
        .stderr(File::create(&stderr).unwrap())
        .spawn()
        .unwrap();
    let code = wait(&mut child);
    let read = |path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
    let ended = Ended {
        code,
        stdout: read(&stdout),
        stderr: read(&stderr),
    };
    assert!(!ended.stderr.contains("panicked"), "{args:?}: {ended:?}");
    ended
}

impl Ended {
    /// Fails unless the command ended with this code and said all of this.
    pub fn is(&self, code: i32, said: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        let all = format!("{}\n{}", self.stdout, self.stderr);
        for text in said {
            assert!(all.contains(text), "{text:?} is not in {self:?}");
        }
    }
}

fn wait(child: &mut Child) -> Option<i32> {
    let began = Instant::now();
    while began.elapsed() < LIMIT {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        thread::sleep(POLL);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    None
}
