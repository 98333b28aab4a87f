//! What the kernel says about this process (proc(5)), under the names that Prometheus' client
//! libraries use. Nothing where there is no /proc.

use std::fs;

use super::text::Text;

/// Clock ticks of /proc are 10 ms towards user space on every architecture (USER_HZ).
const TICKS_PER_SECOND: f64 = 100.0;

/// Appends memory, processor time, open files and the start time.
pub(crate) fn write(text: &mut Text) {
    if let Some(bytes) = resident() {
        let help = "Memory resident now.";
        text.single("process_resident_memory_bytes", "gauge", help, bytes);
    }
    if let Some(seconds) = processor_seconds() {
        let help = "User and system time.";
        text.single("process_cpu_seconds_total", "counter", help, seconds);
    }
    if let Ok(files) = fs::read_dir("/proc/self/fd") {
        let help = "Open file descriptors.";
        text.single("process_open_fds", "gauge", help, files.count() as f64);
    }
    if let Some(limit) = open_files_limit() {
        let help = "Most file descriptors.";
        text.single("process_max_fds", "gauge", help, limit);
    }
}

fn resident() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024.0)
}

fn processor_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The program's name, field 2, may hold blanks and brackets; user and system time are 14 and 15.
    let (_, rest) = stat.rsplit_once(')')?;
    let ticks = rest.split_whitespace().skip(11).take(2);
    let sum: f64 = ticks.filter_map(|field| field.parse::<f64>().ok()).sum();
    Some(sum / TICKS_PER_SECOND)
}

fn open_files_limit() -> Option<f64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}
