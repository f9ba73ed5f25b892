//! What the operating system says of this process.

use std::{
    fs,
    time::{Duration, Instant},
};

use rustix::param::{clock_ticks_per_second, page_size};
use wrt_contract::{Instrument, Measured, MeasuredValue};

static CPU_TIME: Instrument = Instrument {
    name: "process.cpu.time",
    unit: "s",
    description: "CPU time of the process, by mode.",
};
static MEMORY: Instrument = Instrument {
    name: "process.memory.usage",
    unit: "By",
    description: "Physical memory of the process.",
};
static VIRTUAL: Instrument = Instrument {
    name: "process.memory.virtual",
    unit: "By",
    description: "Address space of the process, most of which is only reserved.",
};
static THREADS: Instrument = Instrument {
    name: "process.thread.count",
    unit: "{thread}",
    description: "Threads of the process.",
};
static DESCRIPTORS: Instrument = Instrument {
    name: "process.open_file_descriptor.count",
    unit: "{file_descriptor}",
    description: "File descriptors that the process has open.",
};
static UPTIME: Instrument = Instrument {
    name: "process.uptime",
    unit: "s",
    description: "Since the node has started.",
};

/// This process.
pub(super) struct Process {
    begun: Instant,
}

/// What stands in `/proc/self/stat`, as far as it is needed.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    user_ticks: u64,
    system_ticks: u64,
    threads: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

impl Process {
    pub(super) fn begun_now() -> Self {
        Self {
            begun: Instant::now(),
        }
    }

    /// As of now; what cannot be read is not told.
    pub(super) fn measured(&self) -> Vec<Measured> {
        let level = |of, number| Measured::new(of, MeasuredValue::Level(number));
        let mut all = vec![level(&UPTIME, self.begun.elapsed().as_secs())];
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            // One of them is the folder itself.
            let open = open.count().saturating_sub(1);
            all.push(level(&DESCRIPTORS, open as u64));
        }
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        if let Some(stat) = Stat::read(&stat) {
            for (mode, ticks) in [("user", stat.user_ticks), ("system", stat.system_ticks)] {
                let time = MeasuredValue::TotalTime(time(ticks));
                all.push(Measured::new(&CPU_TIME, time).with("cpu.mode", mode));
            }
            all.push(level(&THREADS, stat.threads));
            all.push(level(&VIRTUAL, stat.virtual_bytes));
            let resident = stat.resident_pages.saturating_mul(page_size() as u64);
            all.push(level(&MEMORY, resident));
        }
        all
    }
}

fn time(ticks: u64) -> Duration {
    let millis = ticks.saturating_mul(1000) / clock_ticks_per_second().max(1);
    Duration::from_millis(millis)
}

impl Stat {
    /// Source: proc_pid_stat(5), which counts from 1. The second field is a name in parentheses, which may hold
    /// whatever the program wants.
    fn read(text: &str) -> Option<Self> {
        let (_, text) = text.rsplit_once(") ")?;
        let fields: Vec<_> = text.split(' ').collect();
        let field = |number: usize| fields.get(number.checked_sub(3)?)?.parse().ok();
        Some(Self {
            user_ticks: field(14)?,
            system_ticks: field(15)?,
            threads: field(20)?,
            virtual_bytes: field(23)?,
            resident_pages: field(24)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_read_whatever_the_process_is_called() {
        let text = "1 (a) S 1) R 0 0 0 0 -1 0 0 0 0 0 17 5 0 0 20 0 9 0 100 4096 3 0";
        let expected = Stat {
            user_ticks: 17,
            system_ticks: 5,
            threads: 9,
            virtual_bytes: 4096,
            resident_pages: 3,
        };
        assert_eq!(Stat::read(text), Some(expected));
        assert_eq!(Stat::read("1 (a) S"), None);
    }

    #[test]
    fn this_process_has_memory_threads_and_descriptors() {
        let measured = Process::begun_now().measured();
        for of in [&MEMORY, &VIRTUAL, &THREADS, &DESCRIPTORS] {
            let found = measured.iter().find(|it| it.instrument == of);
            let value = found.map(|it| it.value.clone());
            assert!(
                matches!(value, Some(MeasuredValue::Level(1..))),
                "{}: {value:?}",
                of.name
            );
        }
        assert_eq!(measured.len(), 7);
    }
}
