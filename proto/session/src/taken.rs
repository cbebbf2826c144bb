//! What a process takes of its machine: a node tells its coordinator in each report, and that tells of itself.

use std::fs::read_to_string;

/// What this process takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Processor time since it started, in milliseconds.
    pub cpu_ms: u64,
    /// Memory, in bytes.
    pub resident_bytes: u64,
}

impl Taken {
    /// Looks at this process; `None` where the system does not tell in the way of Linux.
    #[must_use]
    pub fn now() -> Option<Self> {
        let stat = read_to_string("/proc/self/stat").ok()?;
        let status = read_to_string("/proc/self/status").ok()?;
        Some(Self { cpu_ms: cpu_ms(&stat)?, resident_bytes: resident_bytes(&status)? })
    }
}

fn cpu_ms(stat: &str) -> Option<u64> {
    // The name before them is in brackets, and may hold anything.
    let mut fields = stat.rsplit(')').next()?.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    // Linux counts for programs in hundredths of a second, whatever its own clock does.
    Some((ticks()? + ticks()?) * 10)
}

fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_linux_tells_is_read_whatever_the_process_is_called() {
        let stat = "7 (a) R 9 9) S 1 7 7 0 -1 4194560 3500 12 0 0 150 25 3 4 20 0 9 0 1234 1000 200";
        assert_eq!(cpu_ms(stat), Some(1_750));
        assert_eq!((cpu_ms(""), cpu_ms("7 (a) S 1 7")), (None, None));
        assert_eq!(resident_bytes("Name:\tx\nVmRSS:\t    2048 kB\nThreads:\t3\n"), Some(2 << 20));
        assert_eq!(resident_bytes("VmRSS:\tmuch\n"), None);
    }
}
