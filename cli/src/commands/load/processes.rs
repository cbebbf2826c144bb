//! What processes on this machine take: nodes tell their coordinator nothing of that.

use std::fs::read_to_string;

/// Processor time since they started, in seconds, and memory in bytes of all these processes together; `None` if there
/// are none, one of them is not there, or the system does not tell in the way of Linux.
pub(super) fn taken(pids: &[u32]) -> Option<(f64, f64)> {
    let each = pids.iter().map(|pid| Some((cpu_s(*pid)?, bytes(*pid)?)));
    let all = each.collect::<Option<Vec<_>>>().filter(|all| !all.is_empty())?;
    Some(all.into_iter().fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1)))
}

fn cpu_s(pid: u32) -> Option<f64> {
    let stat = read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before them is in brackets, and may hold anything.
    let mut fields = stat.rsplit(')').next()?.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    // Linux counts for programs in hundredths of a second, whatever its own clock does.
    Some((ticks()? + ticks()?) as f64 / 100.0)
}

fn bytes(pid: u32) -> Option<f64> {
    let status = read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some((kibibytes << 10) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_runs_takes_something() {
        let own = std::process::id();
        let (_, bytes) = taken(&[own]).expect("it is there");
        assert!(bytes > 0.0);
        assert_eq!(taken(&[own, own]).map(|taken| taken.1 > bytes), Some(true));
        assert_eq!((taken(&[]), taken(&[own, u32::MAX])), (None, None));
    }
}
