//! HTTP hello, of 0.2 and of 0.3, beside `wasmtime serve` of the same component: as it comes, and with the
//! same settings of its pool.

use std::{path::Path, process::Command};

use anyhow::Context;
use wrt_chaos_tests::{Profile, Programs, guest};
use wrt_test_servers::{Process, free_port};

use crate::{
    row::Row,
    usage::{cpu_seconds, resident_mebibytes},
    wrk::{self, Load},
};

const ROUNDS: usize = 3;
const ROUND_SECONDS: u32 = 2;
const CONNECTIONS: [u32; 3] = [1, 32, 256];
const COMPONENTS: [(&str, &str); 2] = [
    ("HTTP hello 0.2, a fresh instance each", "hello_http"),
    ("HTTP hello 0.3, instances kept", "hello_http_p3"),
];
/// What this node's pool is set to. Of a guest that writes less than either keeps, it is the same.
const SAME_POOL: [&str; 4] = [
    "-Opooling-allocator",
    "-Opooling-memory-keep-resident=1048576",
    "-Opooling-table-keep-resident=16384",
    "-Opooling-pagemap-scan=auto",
];

/// One of those that are compared.
struct Side {
    name: &'static str,
    address: String,
    process: Process,
    measured: Vec<Measured>,
}

/// What one round has shown.
#[derive(Clone, Copy)]
struct Measured {
    per_second: f64,
    p99_micros: f64,
    cpu_micros: f64,
}

/// Which of its figures.
type Figure = fn(&Measured) -> f64;

/// All serve at once and are loaded in turns, by the same client, with the same load.
pub async fn measure() -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (work, component) in COMPONENTS {
        let component = guest(component)?;
        let mut sides = vec![
            Side::start("wrt", ours(&component)?)?,
            Side::start("wasmtime serve", theirs(&component, &[])?)?,
            Side::start("the same with our pool", theirs(&component, &SAME_POOL)?)?,
        ];
        for side in &sides {
            wrk::wait_until_serving(&side.address).await?;
        }
        for connections in CONNECTIONS {
            load(&mut sides, connections)?;
            rows.extend(compare(work, connections, &sides));
        }
        rows.extend(memory(work, &sides)?);
    }
    Ok(rows)
}

/// The node's program, without its address.
fn ours(component: &Path) -> anyhow::Result<Command> {
    let mut command = Command::new(Programs::find(Profile::Release)?.node);
    command.arg("run").arg(component).arg("--address");
    command.env("RUST_LOG", "warn");
    Ok(command)
}

/// The peer's program, without its address. `WRT_BENCH_WASMTIME` names it, as `cargo xtask bench` does.
pub fn theirs(component: &Path, options: &[&str]) -> anyhow::Result<Command> {
    let path = std::env::var_os("WRT_BENCH_WASMTIME");
    let path = path.context(
        "WRT_BENCH_WASMTIME does not name a wasmtime 48 program: use `cargo xtask bench`",
    )?;
    let mut command = Command::new(path);
    command.args(["serve", "-Scli"]).args(options);
    command.arg(component).arg("--addr");
    Ok(command)
}

impl Side {
    /// `command` lacks nothing but the address at its end.
    fn start(name: &'static str, mut command: Command) -> anyhow::Result<Self> {
        let address = format!("127.0.0.1:{}", free_port()?);
        command.arg(&address);
        let log = format!(
            "wrt-bench-{}-{}",
            std::process::id(),
            name.replace(' ', "-")
        );
        Ok(Self {
            name,
            address,
            process: Process::spawn(name, command, std::env::temp_dir().join(log))?,
            measured: Vec::new(),
        })
    }

    fn round(&self, connections: u32) -> anyhow::Result<Measured> {
        let before = cpu_seconds(self.process.pid())?;
        let Load {
            requests,
            per_second,
            p99_micros,
        } = wrk::load(&self.address, connections, ROUND_SECONDS)?;
        let cpu_seconds = cpu_seconds(self.process.pid())? - before;
        Ok(Measured {
            per_second,
            p99_micros,
            cpu_micros: cpu_seconds * 1e6 / requests,
        })
    }

    fn median(&self, of: impl Fn(&Measured) -> f64) -> f64 {
        let mut figures: Vec<f64> = self.measured.iter().map(of).collect();
        figures.sort_unstable_by(f64::total_cmp);
        figures.get(figures.len() / 2).copied().unwrap_or_default()
    }
}

/// The first round warms up.
fn load(sides: &mut [Side], connections: u32) -> anyhow::Result<()> {
    for side in &mut *sides {
        side.measured.clear();
    }
    for round in 0..=ROUNDS {
        let first = round % sides.len();
        sides.rotate_left(first);
        for side in &mut *sides {
            let measured = side.round(connections)?;
            if round > 0 {
                side.measured.push(measured);
            }
        }
        sides.rotate_right(first);
    }
    Ok(())
}

fn compare(work: &str, connections: u32, sides: &[Side]) -> Vec<Row> {
    let figures: [(&str, &str, Figure); 3] = [
        ("throughput", "1/s", |measured| measured.per_second),
        ("CPU for a request", "us", |measured| measured.cpu_micros),
        ("p99", "us", |measured| measured.p99_micros),
    ];
    let mut rows = Vec::new();
    let Some((ours, theirs)) = sides.split_first() else {
        return rows;
    };
    for (metric, unit, of) in figures {
        let metric = format!("{metric}, {connections} connections");
        rows.extend(theirs.iter().map(|side| {
            let beside = (side.name, side.median(of));
            Row::beside((work, &metric, unit), ours.median(of), beside)
        }));
    }
    rows
}

/// After all that load.
fn memory(work: &str, sides: &[Side]) -> anyhow::Result<Vec<Row>> {
    let Some((ours, theirs)) = sides.split_first() else {
        return Ok(Vec::new());
    };
    let ours = resident_mebibytes(ours.process.pid())?;
    let row = |side: &Side| {
        let beside = (side.name, resident_mebibytes(side.process.pid())?);
        Ok(Row::beside(
            (work, "resident after it", "MiB"),
            ours,
            beside,
        ))
    };
    theirs.iter().map(row).collect()
}
