//! The engines: one for components without concurrency of their own, one for those with.

use std::{
    fmt,
    num::NonZero,
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tracing::warn;
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};
use wrt_protocol::actor_limits::{MEMORIES, TABLE_ELEMENTS, TABLES};

use crate::{
    ComponentError, EngineKind, cache::Cache, compile_pool::CompilePool, kept::Shelves,
    ticker::Ticker,
};

/// Instances that an engine has room for, where neither the options nor the machine say.
const INSTANCES_MAX_DEFAULT: u32 = 1000;
/// The least and the most that the machine's memory makes of it.
const INSTANCES_MAX_BY_MACHINE: (u64, u64) = (256, 1024);
/// Memory of the machine for each instance that there is room for.
const MEMORY_BYTES_PER_INSTANCE: u64 = 8 << 20;
/// The largest linear memory that there is room for. All that 32 bits can address: it is address
/// space, and a smaller reservation would make each access to memory slower.
const MEMORY_BYTES_MAX: usize = 4 << 30;
/// Core instances for each instance: a module, its adapter, and the two that join them.
const CORE_INSTANCES_PER_INSTANCE: u32 = 4;
/// Tables for each instance.
const TABLES_PER_INSTANCE: u32 = 3;
/// Host data of one core instance or component instance.
const INSTANCE_BYTES_MAX: usize = 1 << 20;
/// What free places may keep, as a part of the machine's memory: one in so many.
const RESIDENT_SHARE: u64 = 4;
/// The same, where the machine does not say what it has.
const RESIDENT_BYTES_DEFAULT: u64 = 256 << 20;
/// What is kept of a table: 1024 elements. Few have more, and are written all over.
const TABLE_BYTES_KEPT_MAX: u64 = 16 << 10;
/// What is kept is whole pages.
const PAGE_BYTES: u64 = 4096;
/// Compiled code that is kept on disk.
const CACHE_BYTES_MAX_DEFAULT: u64 = 2 << 30;
/// Slots that keep their image, so that the next instance of the same component needs no new one.
const WARM_SLOTS_MAX: u32 = 256;

/// How the engines are made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EngineOptions {
    /// Instances that each engine has room for. One more is refused as overload.
    pub instances_max: u32,
    /// Memory that free places in the pools of both engines may keep, so that the next instance in such a
    /// place finds it ready: all together. An instance that writes more than its place's share of it
    /// pays for the rest. What a place has kept, it keeps.
    pub resident_bytes_max: u64,
    /// Compile jobs at a time. They share as many threads, of low priority.
    pub compile_jobs_max: usize,
    /// Where compiled code is kept; nowhere if none. The folder is made if it is missing, and must
    /// be this user's alone.
    pub cache_folder: Option<PathBuf>,
    /// Bytes of that folder. Over them, what was not used for longest goes.
    pub cache_bytes_max: u64,
}

impl Default for EngineOptions {
    /// As it fits the machine, without a cache.
    fn default() -> Self {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        Self {
            instances_max: instances_max_of_machine(),
            resident_bytes_max: memory_bytes_of_machine()
                .map_or(RESIDENT_BYTES_DEFAULT, |bytes| bytes / RESIDENT_SHARE),
            compile_jobs_max: (cores / 2).max(1),
            cache_folder: None,
            cache_bytes_max: CACHE_BYTES_MAX_DEFAULT,
        }
    }
}

/// Those that something was compiled for: many nodes have components of one kind only, and a pool of
/// instances takes tens of milliseconds to make.
type MadeEngines = [OnceLock<Engine>; 2];

/// Both engines, and what belongs to them: the clock of their epochs, the compile jobs, the cache.
/// Cheap to clone.
#[derive(Clone)]
pub struct Engines(pub(crate) Arc<EnginesInner>);

pub(crate) struct EnginesInner {
    options: EngineOptions,
    made: Arc<MadeEngines>,
    /// Held while one is made.
    making: Mutex<()>,
    shelves: [Shelves; 2],
    pub(crate) cache: Option<Cache>,
    pub(crate) jobs: Arc<Semaphore>,
    pub(crate) pool: CompilePool,
    pub(crate) compilations: AtomicU64,
    _ticker: Ticker,
}

impl Engines {
    /// Starts the engines' threads. Each engine is made when something is first compiled for it.
    ///
    /// # Errors
    /// When a thread cannot be made, or the cache's folder is not private.
    pub fn new(options: EngineOptions) -> Result<Self, ComponentError> {
        let made = Arc::new(MadeEngines::default());
        let ticking = Arc::clone(&made);
        let ticker = Ticker::start(move || {
            let engines = ticking.iter().filter_map(OnceLock::get);
            engines.for_each(Engine::increment_epoch);
        })?;
        let folder = options.cache_folder.clone();
        let cache = folder.map(|folder| Cache::open(folder, options.cache_bytes_max));
        let cache = cache.transpose();
        let jobs = options.compile_jobs_max.max(1);
        Ok(Self(Arc::new(EnginesInner {
            options,
            made,
            making: Mutex::default(),
            shelves: Default::default(),
            cache: cache.map_err(ComponentError::Cache)?,
            jobs: Arc::new(Semaphore::new(jobs)),
            pool: CompilePool::start(jobs)?,
            compilations: AtomicU64::new(0),
            _ticker: ticker,
        })))
    }

    /// One of the engines.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn engine(&self, kind: EngineKind) -> Result<&Engine, ComponentError> {
        let place = self.place(kind);
        if let Some(engine) = place.get() {
            return Ok(engine);
        }
        let _others_wait = self.0.making.lock();
        let engine = match place.get() {
            Some(engine) => return Ok(engine),
            None => engine(kind, &self.0.options)?,
        };
        Ok(place.get_or_init(|| engine))
    }

    fn place(&self, kind: EngineKind) -> &OnceLock<Engine> {
        let [plain, concurrent] = &*self.0.made;
        match kind {
            EngineKind::Plain => plain,
            EngineKind::Concurrent => concurrent,
        }
    }

    pub(crate) fn shelves(&self, kind: EngineKind) -> &Shelves {
        let [plain, concurrent] = &self.0.shelves;
        match kind {
            EngineKind::Plain => plain,
            EngineKind::Concurrent => concurrent,
        }
    }

    /// Gives up instances that only wait, where the pool has little room left: whoever comes next must
    /// not be refused for them.
    pub(crate) fn make_room(&self, kind: EngineKind) {
        let engine = self.place(kind).get();
        let Some(metrics) = engine.and_then(Engine::pooling_allocator_metrics) else {
            return;
        };
        let instances_max = u64::from(self.0.options.instances_max.max(1));
        let is_scarce = |taken: u64, per_instance: u32| {
            taken * 4 >= instances_max * u64::from(per_instance) * 3
        };
        if is_scarce(metrics.component_instances(), 1)
            || is_scarce(metrics.memories() as u64, 1)
            || is_scarce(metrics.core_instances(), CORE_INSTANCES_PER_INSTANCE)
            || is_scarce(metrics.tables() as u64, TABLES_PER_INSTANCE)
        {
            self.shelves(kind).clear();
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
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(options)));
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

/// Settings that were measured (a guest that writes 40 KiB, 1 MiB and 20 MiB in each instance, beside what
/// the pool does by itself): to keep what an instance has written, and to clean it in place, is 0.6, 0.3 and
/// 0.3 x the CPU of giving it back to the system and asking for it again. Batches of what is given back
/// change nothing, and stacks are never given back. Where the system cannot say which pages were written,
/// all that is kept would have to be cleaned, which costs more than it saves.
fn pool(options: &EngineOptions) -> PoolingAllocationConfig {
    let &EngineOptions {
        instances_max,
        resident_bytes_max,
        ..
    } = options;
    let instances_max = instances_max.max(1);
    let core_instances_max = instances_max.saturating_mul(CORE_INSTANCES_PER_INSTANCE);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances_max)
        .total_core_instances(core_instances_max)
        .total_memories(instances_max)
        .total_tables(instances_max.saturating_mul(TABLES_PER_INSTANCE))
        .total_stacks(instances_max)
        .total_gc_heaps(instances_max)
        .max_memory_size(MEMORY_BYTES_MAX)
        // What a manifest may allow. Of tables too, only addresses are taken.
        .table_elements(*TABLE_ELEMENTS.end() as usize)
        .max_memories_per_module(*MEMORIES.end() as u32)
        .max_tables_per_module(*TABLES.end() as u32)
        .max_core_instance_size(INSTANCE_BYTES_MAX)
        .max_component_instance_size(INSTANCE_BYTES_MAX)
        .max_unused_warm_slots(WARM_SLOTS_MAX.min(instances_max));
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        let kept = Kept::of(resident_bytes_max, instances_max);
        pool.pagemap_scan(Enabled::Yes)
            .linear_memory_keep_resident(kept.memory_bytes)
            .table_keep_resident(kept.table_bytes);
    }
    pool
}

/// What one place in a pool keeps.
struct Kept {
    memory_bytes: usize,
    table_bytes: usize,
}

impl Kept {
    /// Its share, where both engines have as many places.
    fn of(resident_bytes_max: u64, instances_max: u32) -> Self {
        let share = resident_bytes_max / (2 * u64::from(instances_max));
        let table_bytes = TABLE_BYTES_KEPT_MAX.min(share / 16) / PAGE_BYTES * PAGE_BYTES;
        let tables = table_bytes * u64::from(TABLES_PER_INSTANCE);
        let memory_bytes = (share - tables).min(MEMORY_BYTES_MAX as u64) / PAGE_BYTES * PAGE_BYTES;
        Self {
            memory_bytes: usize::try_from(memory_bytes).unwrap_or(0),
            table_bytes: usize::try_from(table_bytes).unwrap_or(0),
        }
    }
}

fn instances_max_of_machine() -> u32 {
    let Some(memory_bytes) = memory_bytes_of_machine() else {
        return INSTANCES_MAX_DEFAULT;
    };
    let (least, most) = INSTANCES_MAX_BY_MACHINE;
    let instances_max = (memory_bytes / MEMORY_BYTES_PER_INSTANCE).clamp(least, most);
    u32::try_from(instances_max).unwrap_or(INSTANCES_MAX_DEFAULT)
}

/// The machine's memory, or the container's if that has less.
fn memory_bytes_of_machine() -> Option<u64> {
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
    machine.into_iter().chain(container).min()
}
