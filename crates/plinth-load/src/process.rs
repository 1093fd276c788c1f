//! What processes use, read from `/proc`.

use std::time::Duration;

use anyhow::{Context, Result};

/// Ticks of `/proc` in a second; fixed at 100 for programs by every Linux there is.
const TICKS_A_SECOND: u64 = 100;

/// CPU time used up to a moment.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    server: Duration,
    generator: Duration,
    machine: Duration,
}

/// CPU time used between two moments.
#[derive(Clone, Copy, Debug)]
pub struct Used {
    /// By the server, all its threads.
    pub server: Duration,
    /// By this process.
    pub generator: Duration,
    /// By everybody else on the machine: when it is much, the figures are not worth keeping.
    pub others: Duration,
}

impl Usage {
    /// Up to now. `server` is a process id.
    pub fn now(server: u32) -> Result<Usage> {
        Ok(Usage {
            server: cpu_of(server)?,
            generator: cpu_of(std::process::id())?,
            machine: cpu_of_machine()?,
        })
    }

    /// From an earlier moment to this one.
    pub fn since(self, earlier: Usage) -> Used {
        let server = self.server.saturating_sub(earlier.server);
        let generator = self.generator.saturating_sub(earlier.generator);
        let machine = self.machine.saturating_sub(earlier.machine);
        Used {
            server,
            generator,
            others: machine.saturating_sub(server + generator),
        }
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

fn cpu_of(process: u32) -> Result<Duration> {
    let path = format!("/proc/{process}/stat");
    let text = std::fs::read_to_string(&path).with_context(|| path.clone())?;
    // The name may hold anything, so counting begins after its closing bracket.
    let rest = text.rsplit_once(')').context("an unknown form of stat")?.1;
    let field = |place: usize| rest.split_whitespace().nth(place)?.parse::<u64>().ok();
    let ticks = field(11)
        .zip(field(12))
        .context("an unknown form of stat")?;
    Ok(from_ticks(ticks.0 + ticks.1))
}

/// All that the machine did: user, nice, system, interrupts; not idle time, and not what other machines stole.
fn cpu_of_machine() -> Result<Duration> {
    let text = std::fs::read_to_string("/proc/stat").context("/proc/stat")?;
    let line = text.lines().next().unwrap_or_default();
    let ticks: Vec<u64> = line
        .split_whitespace()
        .skip(1)
        .filter_map(|field| field.parse().ok())
        .collect();
    let busy = [0, 1, 2, 5, 6].iter().filter_map(|place| ticks.get(*place));
    Ok(from_ticks(busy.sum()))
}

fn from_ticks(ticks: u64) -> Duration {
    Duration::from_millis(ticks * 1000 / TICKS_A_SECOND)
}

#[cfg(test)]
mod tests {
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
}
