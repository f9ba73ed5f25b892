//! What processes and threads have used, as Linux says.

use std::fs;

/// Processor time of this thread, in seconds.
pub fn own_cpu_seconds() -> f64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells it");
    let nanos: f64 = first(&text);
    nanos / 1e9
}

/// Processor time of another process, in seconds.
pub fn cpu_seconds(pid: u32) -> f64 {
    let folder = fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
    let nanos = folder.flatten().map(|task| {
        // One that has ended meanwhile was not busy.
        let text = fs::read_to_string(task.path().join("schedstat"));
        text.map_or(0.0, |text| first(&text))
    });
    nanos.sum::<f64>() / 1e9
}

/// Memory of this process.
pub fn resident_bytes() -> u64 {
    let text = fs::read_to_string("/proc/self/smaps_rollup").expect("Linux tells it");
    let line = text.lines().find(|line| line.starts_with("Rss:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kib.expect("a number of KiB") * 1024
}

fn first(text: &str) -> f64 {
    let number = text.split_whitespace().next();
    number.and_then(|it| it.parse().ok()).expect("a number")
}
