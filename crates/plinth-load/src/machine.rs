//! The machine that everything is measured on: what it is, and how often its disk was told to keep what it has.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Processor, memory, system, and the file system of a folder, as a line.
pub(crate) fn describe(folder: &Path) -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split(':').nth(1))
        .unwrap_or("unknown");
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let kernel = read("/proc/sys/kernel/osrelease");
    let kernel = kernel.split('-').next().unwrap_or_default().trim();
    let memory = memory_mib(&read("/proc/meminfo")).map_or_else(
        || "an unknown amount".to_owned(),
        |mib| format!("{mib} MiB"),
    );
    let disk = folder
        .canonicalize()
        .ok()
        .and_then(|folder| file_system(&read("/proc/self/mountinfo"), &folder))
        .unwrap_or_else(|| "an unknown file system".to_owned());
    format!(
        "{cores} cores, {}, {memory} of memory, Linux {kernel}, data on {disk}",
        model.trim()
    )
}

/// How often the disk that a folder lies on was flushed since the machine was started. Whoever answers a write only when it is on the disk has
/// it flushed; this is how that shows from outside.
///
/// None where the system does not count it: in memory, or on a file system over several disks.
pub(crate) fn flushes(folder: &Path) -> Option<u64> {
    let device = fs::metadata(folder).ok()?.dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let mut disk = fs::canonicalize(format!("/sys/dev/block/{major}:{minor}")).ok()?;
    // The flushes of a partition are counted by its disk.
    if disk.join("partition").exists() {
        disk.pop();
    }
    let counts = fs::read_to_string(disk.join("stat")).ok()?;
    counts.split_whitespace().nth(15)?.parse().ok()
}

fn memory_mib(info: &str) -> Option<u64> {
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1024)
}

/// The kind of the innermost mount that a path lies in; of two at the same place the later hides the earlier.
fn file_system(mounts: &str, path: &Path) -> Option<String> {
    let mounts = mounts.lines().filter_map(|line| {
        let (place, source) = line.split_once(" - ")?;
        let place = Path::new(place.split(' ').nth(4)?);
        let depth = place.components().count();
        let kind = source.split(' ').next()?;
        path.starts_with(place).then_some((depth, kind))
    });
    mounts
        .max_by_key(|(depth, _)| *depth)
        .map(|(_, kind)| kind.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_on_its_innermost_mount() {
        let mounts = "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n\
                      30 27 0:27 / /data rw - xfs /dev/vdb rw\n\
                      31 27 0:28 / /data/fast rw shared:1 - tmpfs none rw\n\
                      32 27 0:29 / /data/fast rw - btrfs /dev/vdc rw\n";
        let of = |path: &str| file_system(mounts, Path::new(path));
        assert_eq!(of("/home/bench").as_deref(), Some("ext4"));
        assert_eq!(of("/data/bench").as_deref(), Some("xfs"));
        assert_eq!(of("/data/faster").as_deref(), Some("xfs"));
        assert_eq!(of("/data/fast/bench").as_deref(), Some("btrfs"));
        assert_eq!(file_system("", Path::new("/")), None);
    }

    #[test]
    fn memory_is_read_in_mebibytes() {
        let info = "MemTotal:        8388608 kB\nMemFree:         1024 kB\n";
        assert_eq!(memory_mib(info), Some(8192));
        assert_eq!(memory_mib("nothing"), None);
    }
}
