//! What a process takes, as the system counts it.

use std::fs;

use anyhow::Context;

/// Clock ticks in a second, as the kernel tells them to programs.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU time, in user mode and in the kernel.
pub fn cpu_seconds(pid: u32) -> anyhow::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name, in parentheses, may hold anything; what comes behind it begins with the third field.
    let fields = stat.rsplit_once(')').map(|(_, fields)| fields);
    let mut fields = fields.unwrap_or_default().split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    let ticks = ticks().zip(ticks()).context("no CPU time")?;
    Ok((ticks.0 + ticks.1) / TICKS_PER_SECOND)
}

/// Memory that is resident.
pub fn resident_mebibytes(pid: u32) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    Ok(kibibytes.context("no resident memory")? / 1024.0)
}
