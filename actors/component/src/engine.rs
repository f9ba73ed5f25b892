//! The engines: one for components without concurrency of their own, one for those with.

use std::{
    fmt,
    num::NonZero,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
};

use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tracing::warn;
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::{ComponentError, EngineKind, cache::Cache, compile_pool::CompilePool, ticker::Ticker};

/// Instances that an engine has room for, where neither the options nor the machine say.
const INSTANCES_MAX_DEFAULT: u32 = 1000;
/// The least and the most that the machine's memory makes of it.
const INSTANCES_MAX_BY_MACHINE: (u64, u64) = (256, 4096);
/// Memory of the machine for each instance that there is room for.
const MEMORY_BYTES_PER_INSTANCE: u64 = 4 << 20;
/// The largest linear memory that there is room for. All that 32 bits can address: it is address
/// space, and a smaller reservation would make each access to memory slower.
const MEMORY_BYTES_MAX: usize = 4 << 30;
/// Core instances for each instance: a module, its adapter, and the two that join them.
const CORE_INSTANCES_PER_INSTANCE: u32 = 4;
/// Tables for each instance.
const TABLES_PER_INSTANCE: u32 = 3;
/// Elements of the largest table that there is room for.
const TABLE_ELEMENTS_MAX: usize = 100_000;
/// Host data of one core instance or component instance.
const INSTANCE_BYTES_MAX: usize = 1 << 20;
/// Slots that keep their image, so that the next instance of the same component needs no new one.
const WARM_SLOTS_MAX: u32 = 256;

/// How the engines are made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EngineOptions {
    /// Instances that each engine has room for. One more is refused as overload.
    pub instances_max: u32,
    /// Compile jobs at a time. They share as many threads, of low priority.
    pub compile_jobs_max: usize,
    /// Where compiled code is kept; nowhere if none. The folder is made if it is missing, and must
    /// be this user's alone.
    pub cache_folder: Option<PathBuf>,
}

impl Default for EngineOptions {
    /// As it fits the machine, without a cache.
    fn default() -> Self {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        Self {
            instances_max: instances_max_of_machine(),
            compile_jobs_max: (cores / 2).max(1),
            cache_folder: None,
        }
    }
}

/// Both engines, and what belongs to them: the clock of their epochs, the compile jobs, the cache.
/// Cheap to clone.
#[derive(Clone)]
pub struct Engines(pub(crate) Arc<EnginesInner>);

pub(crate) struct EnginesInner {
    plain: Engine,
    concurrent: Engine,
    pub(crate) cache: Option<Cache>,
    pub(crate) jobs: Arc<Semaphore>,
    pub(crate) pool: CompilePool,
    pub(crate) compilations: AtomicU64,
    _ticker: Ticker,
}

impl Engines {
    /// Makes the engines and starts their threads.
    ///
    /// # Errors
    /// When an engine or a thread cannot be made, or the cache's folder is not private.
    pub fn new(options: EngineOptions) -> Result<Self, ComponentError> {
        let plain = engine(EngineKind::Plain, &options)?;
        let concurrent = engine(EngineKind::Concurrent, &options)?;
        let ticker = Ticker::start([plain.weak(), concurrent.weak()])?;
        let cache = options.cache_folder.map(Cache::open).transpose();
        let jobs = options.compile_jobs_max.max(1);
        Ok(Self(Arc::new(EnginesInner {
            plain,
            concurrent,
            cache: cache.map_err(ComponentError::Cache)?,
            jobs: Arc::new(Semaphore::new(jobs)),
            pool: CompilePool::start(jobs)?,
            compilations: AtomicU64::new(0),
            _ticker: ticker,
        })))
    }

    /// One of the engines.
    #[must_use]
    pub fn engine(&self, kind: EngineKind) -> &Engine {
        match kind {
            EngineKind::Plain => &self.0.plain,
            EngineKind::Concurrent => &self.0.concurrent,
        }
    }

    /// How often the compiler has run: what came from the cache does not count.
    #[must_use]
    pub fn compilations(&self) -> u64 {
        self.0.compilations.load(Relaxed)
    }
}

impl fmt::Debug for Engines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Engines")
    }
}

fn engine(kind: EngineKind, options: &EngineOptions) -> Result<Engine, ComponentError> {
    let mut config = config(kind);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(
        options.instances_max,
    )));
    let pooled = match Engine::new(&config) {
        Ok(engine) => return Ok(engine),
        Err(error) => error,
    };
    // A pool reserves address space, of which a container or `ulimit -v` may give too little.
    config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
    let engine = Engine::new(&config).map_err(|source| ComponentError::Engine { kind, source })?;
    warn!(%kind, reason = format!("{pooled:#}"), "no pool of instances: each one is allocated anew");
    Ok(engine)
}

fn config(kind: EngineKind) -> Config {
    let mut config = Config::new();
    config.concurrency_support(kind == EngineKind::Concurrent);
    config.epoch_interruption(true);
    config.memory_init_cow(true);
    // A trap names the guest's functions, and not the lines of its source.
    config.wasm_backtrace_details(wasmtime::WasmBacktraceDetails::Disable);
    config
}

fn pool(instances_max: u32) -> PoolingAllocationConfig {
    let instances_max = instances_max.max(1);
    let core_instances_max = instances_max.saturating_mul(CORE_INSTANCES_PER_INSTANCE);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances_max)
        .total_core_instances(core_instances_max)
        .total_memories(instances_max)
        .total_tables(instances_max.saturating_mul(TABLES_PER_INSTANCE))
        .total_stacks(instances_max)
        .max_memory_size(MEMORY_BYTES_MAX)
        .table_elements(TABLE_ELEMENTS_MAX)
        .max_core_instance_size(INSTANCE_BYTES_MAX)
        .max_component_instance_size(INSTANCE_BYTES_MAX)
        .max_unused_warm_slots(WARM_SLOTS_MAX.min(instances_max));
    pool
}

/// By the machine's memory, or the container's if that has less.
fn instances_max_of_machine() -> u32 {
    let machine = std::fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| {
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix("MemTotal:"))?;
            let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
            Some(kibibytes * 1024)
        });
    let container = std::fs::read_to_string("/sys/fs/cgroup/memory.max")
        .ok()
        .and_then(|text| text.trim().parse::<u64>().ok());
    let Some(memory_bytes) = machine.into_iter().chain(container).min() else {
        return INSTANCES_MAX_DEFAULT;
    };
    let (least, most) = INSTANCES_MAX_BY_MACHINE;
    let instances_max = (memory_bytes / MEMORY_BYTES_PER_INSTANCE).clamp(least, most);
    u32::try_from(instances_max).unwrap_or(INSTANCES_MAX_DEFAULT)
}
