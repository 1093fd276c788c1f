//! What processes use, read from `/proc`, and what everybody else used meanwhile.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// Ticks of `/proc` in a second; fixed at 100 for programs by every Linux there is.
const TICKS_A_SECOND: u64 = 100;
/// What others may use of the machine, in cores, before a run counts as disturbed.
pub(crate) const DISTURBED_CORES: f64 = 0.15;

/// CPU time used up to a moment.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    at: Instant,
    server: Duration,
    generator: Duration,
    ours: Duration,
    machine: Machine,
}

/// CPU time used between two moments.
#[derive(Clone, Copy, Debug)]
pub struct Used {
    /// How far apart the moments are.
    pub took: Duration,
    /// By the server, all its threads.
    pub server: Duration,
    /// By this process.
    pub generator: Duration,
    /// By everybody whom neither this process nor its children started: when it is much, the figures are not worth keeping.
    pub others: Duration,
    /// What a virtual machine wanted and did not get, because its host gave it to others (*steal*).
    pub stolen: Duration,
}

/// What others did to a run, in cores.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Disturbance {
    /// Other processes of this machine.
    pub(crate) others: f64,
    /// Other machines of the same host.
    pub(crate) stolen: f64,
}

impl Usage {
    /// Up to now. `server` is a process id; where nobody serves it may be this process's own.
    pub fn now(server: u32) -> Result<Usage> {
        let machine = std::fs::read_to_string("/proc/stat").context("/proc/stat")?;
        Ok(Usage {
            at: Instant::now(),
            server: Stat::of(server)?.own(),
            generator: Stat::of(std::process::id())?.own(),
            ours: cpu_of_family(std::process::id())?,
            machine: Machine::parse(&machine),
        })
    }

    /// From an earlier moment to this one.
    pub fn since(self, earlier: Usage) -> Used {
        let ours = self.ours.saturating_sub(earlier.ours);
        let machine = self.machine.busy.saturating_sub(earlier.machine.busy);
        Used {
            took: self.at.saturating_duration_since(earlier.at),
            server: self.server.saturating_sub(earlier.server),
            generator: self.generator.saturating_sub(earlier.generator),
            others: machine.saturating_sub(ours),
            stolen: self.machine.stolen.saturating_sub(earlier.machine.stolen),
        }
    }
}

impl Used {
    /// Cores that the server kept busy.
    pub fn server_cores(&self) -> f64 {
        self.cores(self.server)
    }

    /// Cores that this process kept busy.
    pub fn generator_cores(&self) -> f64 {
        self.cores(self.generator)
    }

    pub(crate) fn disturbance(&self) -> Disturbance {
        Disturbance {
            others: self.cores(self.others),
            stolen: self.cores(self.stolen),
        }
    }

    fn cores(&self, time: Duration) -> f64 {
        time.as_secs_f64() / self.took.as_secs_f64()
    }
}

impl Disturbance {
    /// Whether the figures of the run may be theirs rather than the server's.
    pub(crate) fn is_much(self) -> bool {
        self.others >= DISTURBED_CORES || self.stolen >= DISTURBED_CORES
    }

    /// For a line that shows two runs.
    pub(crate) fn worst(self, other: Disturbance) -> Disturbance {
        Disturbance {
            others: self.others.max(other.others),
            stolen: self.stolen.max(other.stolen),
        }
    }

    /// As tables show it: other processes, other machines, and a mark when it is much.
    pub(crate) fn text(self) -> String {
        let mark = if self.is_much() { " disturbed" } else { "" };
        format!("{:.2} / {:.2}{mark}", self.others, self.stolen)
    }
}

/// Resident memory of a process in KiB, and the most it ever was.
pub fn memory_kib(process: u32) -> Result<(u64, u64)> {
    let path = format!("/proc/{process}/status");
    let text = std::fs::read_to_string(&path).with_context(|| path.clone())?;
    let line = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse().ok()
    };
    Ok((
        line("VmRSS:").context("no VmRSS")?,
        line("VmHWM:").context("no VmHWM")?,
    ))
}

/// From now on the most that the process ever was counts anew.
pub(crate) fn forget_peak(process: u32) -> Result<()> {
    let path = format!("/proc/{process}/clear_refs");
    std::fs::write(&path, "5").with_context(|| path.clone())
}

/// CPU time of a process, of its children, of theirs, and of those among them that have ended: whatever a benchmark starts is its own.
fn cpu_of_family(first: u32) -> Result<Duration> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir("/proc").context("/proc")? {
        let name = entry?.file_name();
        let Some(process) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // One that ends meanwhile is counted by its parent.
        if let Ok(stat) = Stat::of(process) {
            all.push((process, stat));
        }
    }
    let (mut family, mut next, mut ticks) = (vec![first], 0, 0);
    while let Some(&member) = family.get(next) {
        next += 1;
        for (process, stat) in &all {
            if *process == member {
                ticks += stat.own + stat.ended;
            }
            if stat.parent == member {
                family.push(*process);
            }
        }
    }
    Ok(from_ticks(ticks))
}

/// What `/proc/PID/stat` says, in ticks.
struct Stat {
    parent: u32,
    /// The process itself, all its threads.
    own: u64,
    /// Its children that have ended, and those that they had waited for.
    ended: u64,
}

impl Stat {
    fn of(process: u32) -> Result<Stat> {
        let path = format!("/proc/{process}/stat");
        let text = std::fs::read_to_string(&path).with_context(|| path.clone())?;
        Stat::parse(&text).context("an unknown form of stat")
    }

    fn parse(text: &str) -> Option<Stat> {
        // The name may hold anything, so counting begins after its closing bracket.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = |place: usize| fields.get(place)?.parse::<u64>().ok();
        Some(Stat {
            parent: fields.get(1)?.parse().ok()?,
            own: ticks(11)? + ticks(12)?,
            ended: ticks(13)? + ticks(14)?,
        })
    }

    fn own(&self) -> Duration {
        from_ticks(self.own)
    }
}

/// All that the machine did.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Machine {
    /// User, nice, system, interrupts; not idle time.
    busy: Duration,
    /// What its host gave to other machines while there was something to do here.
    stolen: Duration,
}

impl Machine {
    /// From the first line of `/proc/stat`; fields that an old kernel does not have count as none.
    fn parse(text: &str) -> Machine {
        let line = text.lines().next().unwrap_or_default();
        let ticks: Vec<u64> = line
            .split_whitespace()
            .skip(1)
            .filter_map(|field| field.parse().ok())
            .collect();
        let sum = |places: &[usize]| {
            from_ticks(places.iter().filter_map(|place| ticks.get(*place)).sum())
        };
        Machine {
            busy: sum(&[0, 1, 2, 5, 6]),
            stolen: sum(&[7]),
        }
    }
}

fn from_ticks(ticks: u64) -> Duration {
    Duration::from_millis(ticks * 1000 / TICKS_A_SECOND)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn work_of_this_process_is_seen() {
        let before = Usage::now(std::process::id()).unwrap();
        let mut sum = 0_u64;
        while Usage::now(std::process::id())
            .unwrap()
            .since(before)
            .generator
            .is_zero()
        {
            sum = (0..100_000).fold(sum, u64::wrapping_add);
        }
        assert!(memory_kib(std::process::id()).unwrap().0 > 0, "{sum}");
    }

    #[test]
    fn work_of_children_is_not_that_of_others_even_when_they_have_ended() {
        let me = std::process::id();
        // Whatever this process does between the two looks is taken off, so what is left is the children's.
        let of_children = || {
            let family = cpu_of_family(me).unwrap();
            family.saturating_sub(Stat::of(me).unwrap().own())
        };
        let mut child = Command::new("sh")
            .args(["-c", "while :; do :; done"])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let began = Instant::now();
        let mut seen = Duration::ZERO;
        while seen.is_zero() && began.elapsed() < Duration::from_secs(20) {
            seen = of_children();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!seen.is_zero(), "a busy child is not seen");
        let ended = Stat::of(me).unwrap().ended;
        assert!(from_ticks(ended) >= seen, "{ended} ticks, {seen:?}");
    }

    #[test]
    fn stat_is_read_behind_any_name() {
        let text = "7 (a) b (c) S 3 7 7 0 -1 4194304 1 2 3 4 50 60 700 800 20 0 1 0 9 9 9";
        let stat = Stat::parse(text).unwrap();
        assert_eq!((stat.parent, stat.own, stat.ended), (3, 110, 1500));
        assert!(Stat::parse("7 (a) S 3").is_none());
    }

    #[test]
    fn stolen_time_is_kept_apart() {
        let machine = Machine::parse("cpu  10 1 20 5000 900 3 4 7 0 0\ncpu0 1 1 1 1\n");
        assert_eq!(machine.busy, Duration::from_millis(380));
        assert_eq!(machine.stolen, Duration::from_millis(70));
        assert_eq!(Machine::parse("cpu  1 2 3 4").stolen, Duration::ZERO);
    }

    #[test]
    fn either_kind_of_disturbance_is_marked() {
        let of = |others, stolen| Disturbance { others, stolen };
        assert_eq!(of(0.1, 0.02).text(), "0.10 / 0.02");
        assert_eq!(of(0.2, 0.0).text(), "0.20 / 0.00 disturbed");
        assert_eq!(of(0.0, 0.3).text(), "0.00 / 0.30 disturbed");
        assert_eq!(of(0.1, 0.0).worst(of(0.0, 0.3)), of(0.1, 0.3));
    }
}
