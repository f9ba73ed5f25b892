//! Components of all sorts through engines and actor.

#[path = "component/guest.rs"]
mod guest;
#[path = "component/rows.rs"]
mod rows;
#[path = "component/world.rs"]
mod world;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use futures::future::join_all;
use rows::{OtherRows, Rows};
use tokio::sync::Semaphore;
use world::{actor, call, call_within, engines, spec};
use wrt_component::{
    ComponentActor, ComponentError, ComponentSpec, EngineKind, EngineOptions, Engines, inspect,
    unserved_imports,
};
use wrt_contract::CallContext;
use wrt_host::{Instances, Package, guest_fault};
use wrt_protocol::{ComponentLimits, Execution, FaultKind};

#[tokio::test]
async fn an_endless_loop_is_stopped_when_its_wall_time_is_over() {
    let limits = ComponentLimits {
        wall_time_ms_max: 200,
        ..ComponentLimits::default()
    };
    let wall_time_max = limits.wall_time_max();
    let actor = actor(guest::spinner(), limits, &[]).await;
    // The best of three: what is under test is the runtime, and not how busy the machine is.
    let mut late = Duration::MAX;
    for _ in 0..3 {
        let started = Instant::now();
        let error = call::<(), ()>(&actor, "spin", ()).await.unwrap_err();
        assert_eq!(
            guest_fault(&error).kind(),
            FaultKind::DeadlineExceeded,
            "{error:#}"
        );
        assert!(started.elapsed() >= wall_time_max);
        late = late.min(started.elapsed() - wall_time_max);
    }
    assert!(late < Duration::from_millis(100), "{late:?} too late");
}

#[tokio::test]
async fn the_callers_budget_stops_a_guest_before_its_wall_time() {
    let actor = actor(guest::spinner(), ComponentLimits::default(), &[]).await;
    let started = Instant::now();
    let context = CallContext::with_budget(Duration::from_millis(50));
    let spin = call_within::<(), ()>(&context, &actor, "spin", ());
    let error = spin.await.unwrap_err();
    assert_eq!(guest_fault(&error).kind(), FaultKind::DeadlineExceeded);
    assert!(started.elapsed() < Duration::from_secs(5));
}

/// A guest that is stopped at the instant at which its store gives up would never hear of it.
#[tokio::test]
async fn what_a_guest_calls_ends_before_the_guest_does() {
    let limits = ComponentLimits {
        wall_time_ms_max: 3000,
        ..ComponentLimits::default()
    };
    let actor = actor(guest::spinner(), limits, &[]).await;
    for (budget_ms, reserve_ms) in [(500, 50), (2_500, 200), (60_000, 200)] {
        let budget = Duration::from_millis(budget_ms);
        let prepared = actor.prepare(&CallContext::with_budget(budget));
        let calls_end = prepared.state().context().deadline();
        let reserve = prepared.leash().end() - calls_end;
        let error = reserve.abs_diff(Duration::from_millis(reserve_ms));
        assert!(error < Duration::from_millis(20), "{budget:?}: {reserve:?}");
    }
}

/// On one thread: without the yield at each epoch nothing else would run until the guest is stopped.
#[tokio::test]
async fn a_guest_that_computes_lets_others_run() {
    // Epochs are counted by a thread, which has to get a core before the guest's time is over.
    let limits = ComponentLimits {
        wall_time_ms_max: 1500,
        ..ComponentLimits::default()
    };
    let actor = actor(guest::spinner(), limits, &[]).await;
    let (turns, is_over) = (
        Arc::new(AtomicU32::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let others = tokio::spawn({
        let (turns, is_over) = (Arc::clone(&turns), Arc::clone(&is_over));
        async move {
            while !is_over.load(Relaxed) {
                turns.fetch_add(1, Relaxed);
                tokio::task::yield_now().await;
            }
        }
    });
    call::<(), ()>(&actor, "spin", ()).await.unwrap_err();
    is_over.store(true, Relaxed);
    others.await.unwrap();
    assert!(
        turns.load(Relaxed) >= 5,
        "others had {} turns",
        turns.load(Relaxed)
    );
}

#[tokio::test]
async fn memory_ends_where_the_limit_is_and_others_keep_theirs() {
    let limits = ComponentLimits {
        memory_bytes_max: 1 << 20,
        ..ComponentLimits::default()
    };
    let hog = actor(guest::hog(), limits, &[]).await;
    let grow = |pages: u32| call::<(u32,), (i32,)>(&hog, "grow", (pages,));
    assert_eq!(grow(15).await.unwrap(), (1,), "16 pages are 1 MiB");
    assert_eq!(grow(16).await.unwrap(), (-1,));
    assert_eq!(grow(65_535).await.unwrap(), (-1,));
    let calculator = actor(guest::calculator(), ComponentLimits::default(), &[]).await;
    let (hogs, sum) = tokio::join!(
        join_all((0..20).map(|_| grow(1000))),
        call::<(u32, u32), (u32,)>(&calculator, "add", (2, 3)),
    );
    assert_eq!(sum.unwrap(), (5,));
    assert!(hogs.into_iter().all(|grown| grown.unwrap() == (-1,)));

    let limits = ComponentLimits {
        memory_bytes_max: 64 << 10,
        ..ComponentLimits::default()
    };
    let small = actor(guest::hog(), limits, &[]).await;
    assert_eq!(
        call::<(u32,), (i32,)>(&small, "grow", (1,)).await.unwrap(),
        (-1,)
    );
}

#[tokio::test]
async fn a_guest_sees_its_manifests_environment_and_nothing_of_the_nodes() {
    let environment = [("GREETING", "hello"), ("EMPTY", "")];
    let guest = actor(
        guest::environment(),
        ComponentLimits::default(),
        &environment,
    )
    .await;
    let (seen,) = call::<(), (Vec<(String, String)>,)>(&guest, "environment", ())
        .await
        .unwrap();
    let seen: Vec<_> = seen
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(seen, environment);
    assert!(std::env::vars().next().is_some(), "or this proves nothing");
}

#[tokio::test]
async fn a_guest_gets_no_sockets() {
    let guest = actor(guest::caller_out(), ComponentLimits::default(), &[]).await;
    let (answer,) = call::<(), (u32,)>(&guest, "socket", ()).await.unwrap();
    assert_eq!(answer, 2, "access-denied has the number 1");
}

#[tokio::test]
async fn what_a_guest_prints_is_logged_by_the_line() {
    let guest = actor(guest::printer(), ComponentLimits::default(), &[]).await;
    let log = world::Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(log.clone())
        .with_ansi(false)
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let text = format!("hello\nworld\r\n{}\nunfinished", "x".repeat(20_000));
    call::<(String,), ()>(&guest, "print", (text.clone(),))
        .await
        .unwrap();
    let log = log.text();
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines.len(), 6, "{log}");
    for (line, end) in lines
        .iter()
        .zip(["hello", "world", "x", "x", "x", "unfinished"])
    {
        let end = format!("{end} app=app component=guest stream=\"stdout\"");
        assert!(
            line.contains("INFO wrt::guest: ") && line.ends_with(&end),
            "{line}"
        );
    }
}

#[tokio::test]
async fn an_import_that_nobody_serves_is_found_before_anything_runs() {
    let engines = engines();
    let bytes = guest::importer_of_functions(&["acme:shop/cart@1.0.0"]);
    let error = ComponentActor::new(spec(&engines, bytes).await, &[]).unwrap_err();
    assert!(
        matches!(error, ComponentError::UnservedImport { .. }),
        "{error:?}"
    );
    let text = error.to_string();
    assert!(
        text.contains("imports acme:shop/cart@1.0.0, which nobody serves"),
        "{text}"
    );
}

/// An interface of which only types are used was taken for one that somebody must serve.
#[tokio::test]
async fn an_import_that_only_names_types_needs_nobody() {
    let engines = engines();
    let bytes = guest::names_types();
    let interfaces = inspect(&bytes).unwrap();
    assert_eq!(
        interfaces.imports,
        ["wasi:io/error@0.2.0"],
        "whose resource it is"
    );
    let actor = ComponentActor::new(spec(&engines, bytes).await, &[]).unwrap();
    assert_eq!(actor.imports(), interfaces.imports);
    call::<(), ()>(&actor, "run", ()).await.unwrap();
}

/// "Every replica is ready", and each call was a 500.
#[tokio::test]
async fn limits_below_what_a_component_starts_with_are_told_with_the_number() {
    let engines = engines();
    let defaults = ComponentLimits::default();
    for (module, limits, limit, needed) in [
        (
            "(memory 17)",
            ComponentLimits {
                memory_bytes_max: 65_536,
                ..defaults
            },
            "memory_bytes_max",
            17 * 65_536,
        ),
        ("", defaults, "core_instances_max", 150),
        (&"(memory 1)".repeat(20), defaults, "memories_max", 20),
        (&"(table 1 funcref)".repeat(40), defaults, "tables_max", 40),
        (
            "(table 100001 funcref)",
            defaults,
            "table_elements_max",
            100_001,
        ),
    ] {
        let times = if module.is_empty() { needed } else { 1 };
        let bytes = guest::instances(module, times);
        let inspected = inspect(&bytes).unwrap().needs;
        let spec = spec(&engines, bytes.clone()).await;
        assert_eq!(spec.compiled.needs(), inspected);
        let artefact = engines
            .compile_artefact(bytes.clone().into())
            .await
            .unwrap();
        let loaded = engines.load_artefact(&artefact).unwrap();
        assert_eq!(loaded.needs(), inspected, "and of machine code");
        let refused = ComponentActor::new(ComponentSpec { limits, ..spec }, &[]).unwrap_err();
        let ComponentError::LimitTooLow { shortage, .. } = &refused else {
            panic!("{refused:?}");
        };
        assert_eq!(
            (shortage.limit, shortage.needed),
            (limit, needed),
            "{refused}"
        );
        // With what it needs, it runs.
        let limits = ComponentLimits {
            memory_bytes_max: 17 * 65_536,
            core_instances_max: 150,
            memories_max: 20,
            tables_max: 40,
            table_elements_max: 100_001,
            ..defaults
        };
        let spec = ComponentSpec {
            limits,
            ..world::spec(&engines, bytes).await
        };
        let actor = ComponentActor::new(spec, &[]).unwrap();
        let pre = actor.instance_pre().clone();
        let prepared = actor.prepare(&CallContext::default());
        let made = prepared.call(move |mut lent| async move { lent.instance(&pre).await });
        made.await
            .unwrap_or_else(|error| panic!("{limit}: {error:?}"));
    }
}

/// As in the reference host.
#[tokio::test]
async fn garbage_collected_objects_and_exceptions_work_within_the_limits_of_memory() {
    let actor = actor(guest::collected(), ComponentLimits::default(), &[]).await;
    assert_eq!(
        call::<(), (u32,)>(&actor, "object", ()).await.unwrap(),
        (7,)
    );
    assert_eq!(
        call::<(), (u32,)>(&actor, "caught", ()).await.unwrap(),
        (9,)
    );
    let limits = ComponentLimits {
        memory_bytes_max: 4 << 20,
        ..ComponentLimits::default()
    };
    let small = world::actor(guest::collected(), limits, &[]).await;
    let objects = |count: u32| call::<(u32,), ()>(&small, "keep", (count,));
    objects(1000).await.unwrap();
    // 64 MiB of live objects, in a memory of 4 MiB.
    let fault = guest_fault(&objects(1 << 20).await.unwrap_err());
    assert_eq!(fault.kind(), FaultKind::Crashed, "{fault}");
}

/// Guests of many components write all of what they may, and then nobody calls them.
#[tokio::test]
async fn what_free_places_keep_of_memory_is_bounded() {
    const BOUND: u64 = 4 << 20;
    let options = EngineOptions {
        instances_max: 8,
        resident_bytes_max: BOUND,
        ..EngineOptions::default()
    };
    let engines = Engines::new(options).unwrap();
    let actor = ComponentActor::new(spec(&engines, guest::hog()).await, &[]).unwrap();
    for _ in 0..3 {
        let grown = (0..8).map(|_| call::<(u32,), (i32,)>(&actor, "grow", (160,)));
        for grown in join_all(grown).await {
            assert_eq!(grown.unwrap(), (1,));
        }
    }
    let metrics = engines
        .engine(EngineKind::Plain)
        .unwrap()
        .pooling_allocator_metrics();
    let metrics = metrics.unwrap();
    let kept =
        (metrics.unused_memory_bytes_resident() + metrics.unused_table_bytes_resident()) as u64;
    assert!(kept <= BOUND / 2, "{kept} bytes for one of two engines");
    let can_tell = wasmtime::PoolingAllocationConfig::is_pagemap_scan_available();
    assert_eq!(kept > 0, can_tell, "{kept}");
}

/// The answer of an interface that knows no error must not be made up.
#[tokio::test]
async fn a_fault_that_an_interface_cannot_tell_ends_the_invocation() {
    let spec = spec(&engines(), guest::looker_up()).await;
    let actor = ComponentActor::new(spec, &[Package::of::<Rows<true>>()]).unwrap();
    let error = call::<(), (u32,)>(&actor, "look-up", ()).await.unwrap_err();
    let fault = guest_fault(&error);
    assert_eq!(fault.kind(), FaultKind::Unavailable, "{fault}");
    assert_eq!(fault.detail(), "nobody is there");
    assert_eq!(fault.execution(), Execution::MaybeExecuted);
}

#[tokio::test]
async fn an_interface_prepares_the_instances_that_import_it_and_keeps_nothing_between_them() {
    let engines = engines();
    let hosts = [Package::of::<OtherRows>(), Package::of::<Rows<false>>()];
    let spec = spec(&engines, guest::looker_up()).await;
    let actor = ComponentActor::new(spec, &hosts).unwrap();
    for _invocation in 0..2 {
        let answer = call::<(), (u32,)>(&actor, "look-up", ()).await.unwrap();
        assert_eq!(answer, (101,), "prepared once, looked up once");
    }
}

/// The lists of what is given must be what the linker has.
#[tokio::test]
async fn every_wasi_interface_that_is_said_to_be_given_is() {
    let p2 = [
        "cli/environment",
        "cli/exit",
        "cli/stdin",
        "cli/stdout",
        "cli/stderr",
        "cli/terminal-input",
        "cli/terminal-output",
        "cli/terminal-stdin",
        "cli/terminal-stdout",
        "cli/terminal-stderr",
        "clocks/monotonic-clock",
        "clocks/wall-clock",
        "filesystem/types",
        "filesystem/preopens",
        "io/error",
        "io/poll",
        "io/streams",
        "random/random",
        "random/insecure",
        "random/insecure-seed",
        "sockets/instance-network",
        "sockets/ip-name-lookup",
        "sockets/network",
        "sockets/tcp",
        "sockets/tcp-create-socket",
        "sockets/udp",
        "sockets/udp-create-socket",
    ];
    let p3 = [
        "cli/environment",
        "cli/exit",
        "cli/stdin",
        "cli/stdout",
        "cli/stderr",
        "cli/types",
        "cli/terminal-input",
        "cli/terminal-output",
        "cli/terminal-stdin",
        "cli/terminal-stdout",
        "cli/terminal-stderr",
        "clocks/monotonic-clock",
        "clocks/system-clock",
        "clocks/types",
        "filesystem/types",
        "filesystem/preopens",
        "random/random",
        "random/insecure",
        "random/insecure-seed",
        "sockets/types",
        "sockets/ip-name-lookup",
    ];
    for (names, version) in [(&p2[..], "0.2.6"), (&p3[..], "0.3.0")] {
        let names: Vec<_> = names
            .iter()
            .map(|name| format!("wasi:{name}@{version}"))
            .collect();
        assert_eq!(unserved_imports(&names, &[]), []);
    }
}

#[tokio::test]
async fn each_component_gets_the_engine_that_it_needs() {
    let engines = engines();
    for (what, bytes, kind) in [
        ("calculator", guest::calculator(), EngineKind::Plain),
        (
            "importer",
            guest::importer(&["wasi:cli/stdin@0.2.0"]),
            EngineKind::Plain,
        ),
        ("sleeper", guest::sleeper(), EngineKind::Concurrent),
        (
            "asynchronous",
            guest::asynchronous(),
            EngineKind::Concurrent,
        ),
    ] {
        assert_eq!(inspect(&bytes).unwrap().engine, kind, "{what}");
        let compiled = engines.compile(bytes.into()).await.unwrap();
        assert_eq!(compiled.kind(), kind, "{what}");
    }
    let interfaces = inspect(&guest::sleeper()).unwrap();
    assert_eq!(interfaces.imports, ["wasi:random/insecure-seed@0.3.0"]);
    assert_eq!(interfaces.exports, ["add"]);
}

#[tokio::test]
async fn what_is_not_a_component_is_refused_with_a_reason() {
    let engines = engines();
    for (bytes, reason) in [
        (guest::core_module(""), "build for wasm32-wasip2"),
        (b"(component)".to_vec(), "it is text"),
        (b"\x7fELF\x02\x01\x01".to_vec(), "native program"),
        (Vec::new(), "it is empty"),
        (b"\0asm\x77\x00\x77\x00".to_vec(), "version of WebAssembly"),
        (guest::calculator()[..100].to_vec(), "not a valid component"),
    ] {
        let error = inspect(&bytes).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
        let error = engines.compile(bytes.into()).await.unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

/// The pool has room for 8; a thousand want in at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_instances_than_there_is_room_for_are_overload_and_nothing_breaks() {
    let options = EngineOptions {
        instances_max: 8,
        ..EngineOptions::default()
    };
    let engines = Engines::new(options).unwrap();
    let spec = spec(&engines, guest::calculator()).await;
    let actor = ComponentActor::new(spec, &[]).unwrap();
    // Closed when the first one is refused: until then whoever is in stays in.
    let one_is_refused = Arc::new(Semaphore::new(0));
    let tasks = (0..1000).map(|_| {
        let (actor, one_is_refused) = (Arc::clone(&actor), Arc::clone(&one_is_refused));
        tokio::spawn(async move {
            let pre = actor.instance_pre().clone();
            let prepared = actor.prepare(&CallContext::default());
            let refused = Arc::clone(&one_is_refused);
            let added = prepared.call(move |mut lent| async move {
                let instance = lent.instance(&pre).await?;
                let _closed = refused.acquire().await;
                let add = instance.get_typed_func::<(u32, u32), (u32,)>(&mut lent, "add");
                let sum = add.unwrap().call_async(&mut lent, (2, 3)).await;
                Ok(sum.unwrap().0)
            });
            let added = added.await;
            added.map_err(|error: wasmtime::Error| {
                one_is_refused.close();
                guest_fault(&error)
            })
        })
    });
    let mut served = 0;
    let mut refused = 0;
    for answer in join_all(tasks).await {
        match answer.expect("no panic") {
            Ok(sum) => {
                assert_eq!(sum, 5);
                served += 1;
            }
            Err(fault) => {
                assert!(fault.is_overloaded(), "{fault}");
                assert_eq!(fault.execution(), Execution::NotExecuted);
                refused += 1;
            }
        }
    }
    assert!(
        served >= 8 && refused > 0,
        "{served} served, {refused} refused"
    );
    assert_eq!(
        call::<(u32, u32), (u32,)>(&actor, "add", (1, 1))
            .await
            .unwrap(),
        (2,)
    );
}

/// As in a container or under `ulimit -v`: here the pool asks for more than there is of addresses.
#[tokio::test]
async fn without_address_space_for_a_pool_instances_are_made_on_demand() {
    let options = EngineOptions {
        instances_max: 1_000_000,
        ..EngineOptions::default()
    };
    let engines = Engines::new(options).unwrap();
    let is_pooled = |engine: &wasmtime::Engine| engine.pooling_allocator_metrics().is_some();
    assert!(!is_pooled(engines.engine(EngineKind::Plain).unwrap()));
    assert!(is_pooled(
        world::engines().engine(EngineKind::Plain).unwrap()
    ));
    let spec = spec(&engines, guest::calculator()).await;
    let actor = ComponentActor::new(spec, &[]).unwrap();
    assert_eq!(
        call::<(u32, u32), (u32,)>(&actor, "add", (2, 3))
            .await
            .unwrap(),
        (5,)
    );
}
