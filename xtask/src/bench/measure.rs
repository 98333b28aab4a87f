//! One run of a command: how long, how much processor time, how much memory.
//!
//! Linux only, from /proc (proc(5)): the standard library has no `wait4`, and GNU time is not
//! always installed and sees only one process at a time.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// What one run took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sample {
    /// From start to end.
    pub(crate) wall: Duration,
    /// User and system time of the command and of every child that was waited for. Daemons are
    /// not in it.
    pub(crate) cpu: Duration,
    /// Most memory resident at once, in bytes, summed over the command's processes and the
    /// daemons'. Taken every few milliseconds, so a short peak of several processes together may be
    /// missed; that of a single one is not, while it lives to the next look.
    pub(crate) peak: u64,
}

const LOOK_EVERY: Duration = Duration::from_millis(5);
const STDERR_KEPT: u64 = 64 * 1024;

/// Runs `command` to its end. Failing is an error that shows what the command said.
pub(crate) fn measure(command: &mut Command, daemons: &[u32]) -> Result<Sample, String> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let cpu_before = children_cpu();
    let start = Instant::now();
    let mut child = command
        .spawn()
        .map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    let done = AtomicBool::new(false);
    let roots: Vec<u32> = daemons.iter().copied().chain([child.id()]).collect();
    let (status, wall, said, peak) = thread::scope(|scope| {
        let watch = scope.spawn(|| watch(&roots, &done));
        let said = read_stderr(&mut child);
        let status = child.wait();
        let wall = start.elapsed();
        done.store(true, Ordering::Relaxed);
        (status, wall, said, watch.join().unwrap_or(0))
    });
    let cpu = children_cpu().saturating_sub(cpu_before);
    match status {
        Ok(status) if status.success() => Ok(Sample { wall, cpu, peak }),
        Ok(status) => Err(format!("{status}: {}", said.trim())),
        Err(error) => Err(error.to_string()),
    }
}

/// Reads all that the command says, so that it never waits for us; keeps the beginning.
fn read_stderr(child: &mut Child) -> String {
    let mut said = Vec::new();
    if let Some(mut stderr) = child.stderr.take() {
        // A broken pipe only ends the text.
        let _ = stderr.by_ref().take(STDERR_KEPT).read_to_end(&mut said);
        let _ = std::io::copy(&mut stderr, &mut std::io::sink());
    }
    String::from_utf8_lossy(&said).into_owned()
}

/// Looks at the memory of all processes below `roots` until `done`.
fn watch(roots: &[u32], done: &AtomicBool) -> u64 {
    let mut peak = 0;
    while !done.load(Ordering::Relaxed) {
        let mut together = 0;
        for pid in with_descendants(roots) {
            let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else {
                continue;
            };
            together += kibibytes(&status, "VmRSS:") * 1024;
            // A daemon's high-water mark is from before this run.
            if !roots[..roots.len() - 1].contains(&pid) {
                peak = peak.max(kibibytes(&status, "VmHWM:") * 1024);
            }
        }
        peak = peak.max(together);
        thread::sleep(LOOK_EVERY);
    }
    peak
}

fn with_descendants(roots: &[u32]) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    let mut open = roots.to_vec();
    while let Some(pid) = open.pop() {
        if !found.insert(pid) {
            continue;
        }
        // Each thread has its own children.
        let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
            continue;
        };
        for task in tasks.flatten() {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            open.extend(
                children
                    .split_whitespace()
                    .filter_map(|pid| pid.parse::<u32>().ok()),
            );
        }
    }
    found
}

/// A `Name:   123 kB` line of /proc/PID/status.
fn kibibytes(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

/// Processor time of all children that were waited for so far.
fn children_cpu() -> Duration {
    parse_children_cpu(&fs::read_to_string("/proc/self/stat").unwrap_or_default())
}

/// Fields 16 and 17 of /proc/PID/stat, `cutime` and `cstime`, in clock ticks of 10 ms (USER_HZ,
/// which the kernel fixes at 100 towards user space on every architecture we meet).
fn parse_children_cpu(stat: &str) -> Duration {
    // The program's name, field 2, may hold blanks and brackets.
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u64 = rest
        .split_whitespace()
        .skip(13)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks * 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn time_and_memory_of_a_grandchild_are_seen() {
        let sample = measure(&mut shell("sleep 0.2; true"), &[]).expect("it succeeds");
        assert!(sample.wall >= Duration::from_millis(200), "{sample:?}");
        // The pipe is smaller than the block, and sleep reads nothing.
        let holding = "dd if=/dev/zero bs=50M count=1 status=none | sleep 0.3";
        let sample = measure(&mut shell(holding), &[]).expect("it succeeds");
        assert!(
            sample.peak > 50 << 20,
            "dd waits with its block in memory: {sample:?}"
        );
    }

    #[test]
    fn a_failure_says_why() {
        let error = measure(&mut shell("echo broken >&2; exit 7"), &[]).expect_err("it fails");
        assert!(error.contains("broken") && error.contains('7'), "{error}");
        let error = measure(&mut Command::new("/no/such/program"), &[]).expect_err("it is missing");
        assert!(error.contains("/no/such/program"), "{error}");
    }

    #[test]
    fn proc_files_are_read() {
        assert_eq!(kibibytes("Name:\tx\nVmRSS:\t  1234 kB\n", "VmRSS:"), 1234);
        assert_eq!(kibibytes("Name:\tx\n", "VmRSS:"), 0);
        let stat = "1 (a b) c) S 2 3 4 5 6 7 8 9 10 11 100 200 30 20 40 0";
        assert_eq!(parse_children_cpu(stat), Duration::from_millis(500));
        assert_eq!(parse_children_cpu(""), Duration::ZERO);
    }
}
