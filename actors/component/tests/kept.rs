//! Instances that serve one invocation after another.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "component/guest.rs"]
mod guest;
#[allow(dead_code, reason = "another program uses the rest")]
#[path = "component/rows.rs"]
mod rows;
#[path = "component/world.rs"]
mod world;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::join_all;
use rows::Rows;
use world::{call, call_within, engines, spec};
use wrt_component::{ComponentActor, ComponentSpec, EngineKind, EngineOptions, Engines};
use wrt_contract::CallContext;
use wrt_host::{Instances, Package, guest_fault};
use wrt_protocol::{ComponentLimits, FaultKind, TraceContext};

/// A component that counts its calls in its memory, as its limits have it.
async fn counter(
    engines: &Engines,
    is_of_0_3: bool,
    limits: ComponentLimits,
) -> Arc<ComponentActor> {
    let spec = ComponentSpec {
        limits,
        ..spec(engines, guest::counter(is_of_0_3)).await
    };
    ComponentActor::new(spec, &[Package::of::<Rows<false>>()]).unwrap()
}

async fn count(actor: &ComponentActor) -> u32 {
    call::<(), (u32,)>(actor, "count", ()).await.unwrap().0
}

#[tokio::test]
async fn an_instance_of_0_3_serves_on_and_one_of_0_2_does_by_choice() {
    let engines = engines();
    let chosen = |invocations| ComponentLimits {
        invocations_per_instance_max: Some(invocations),
        ..ComponentLimits::default()
    };
    for (is_of_0_3, limits, expected) in [
        (true, ComponentLimits::default(), [1, 2, 3, 4]),
        (false, ComponentLimits::default(), [1, 1, 1, 1]),
        (true, chosen(1), [1, 1, 1, 1]),
        (false, chosen(3), [1, 2, 3, 1]),
    ] {
        let actor = counter(&engines, is_of_0_3, limits).await;
        for expected in expected {
            assert_eq!(count(&actor).await, expected, "{is_of_0_3} {limits:?}");
        }
    }
    let default = counter(&engines, true, ComponentLimits::default()).await;
    for invocation in 0..300 {
        assert_eq!(count(&default).await, invocation % 128 + 1);
    }
}

#[tokio::test]
async fn an_instance_of_0_2_serves_one_invocation_at_a_time() {
    let engines = engines();
    let limits = ComponentLimits {
        invocations_at_once_max: Some(8),
        ..ComponentLimits::default()
    };
    let shares = counter(&engines, true, limits).await;
    assert_eq!(shares.shared().unwrap().sharing().at_once_max, 8);
    let alone = counter(&engines, true, ComponentLimits::default()).await;
    assert!(alone.shared().is_none(), "by choice");
    let spec = ComponentSpec {
        limits,
        ..spec(&engines, guest::counter(false)).await
    };
    let refused = ComponentActor::new(spec, &[Package::of::<Rows<false>>()]).unwrap_err();
    assert!(
        refused.to_string().contains("`invocations_at_once_max`"),
        "{refused}"
    );
}

/// It was made once for an instance, and so was what it had seen.
#[tokio::test]
async fn what_an_interface_keeps_for_an_invocation_is_not_there_in_the_next_one() {
    let engines = engines();
    let actor = counter(&engines, true, ComponentLimits::default()).await;
    for calls in 1..=3 {
        let seen = call::<(), (u32,)>(&actor, "look-up", ()).await.unwrap();
        assert_eq!(seen, (101,), "prepared once, looked up once");
        assert_eq!(count(&actor).await, calls, "and it is one instance");
    }
}

#[tokio::test]
async fn the_deadline_of_one_invocation_is_not_that_of_the_next() {
    let engines = engines();
    let actor = counter(&engines, true, ComponentLimits::default()).await;
    let context = CallContext::with_budget(Duration::from_millis(100));
    call_within::<(), (u32,)>(&context, &actor, "count", ())
        .await
        .unwrap();
    tokio::time::sleep_until(context.deadline()).await;
    // Long enough for an epoch, at which the first one's time would be up.
    call::<(u32,), ()>(&actor, "work", (5_000_000,))
        .await
        .unwrap();
    assert_eq!(count(&actor).await, 2);
    let prepared = actor.prepare(&CallContext::with_budget(Duration::from_millis(50)));
    assert!(prepared.leash().end() <= tokio::time::Instant::now() + Duration::from_millis(50));
}

#[tokio::test]
async fn a_trap_and_an_overrun_answer_their_own_invocation_and_retire_the_instance() {
    let engines = engines();
    let actor = counter(&engines, true, ComponentLimits::default()).await;
    for (function, budget, kind) in [
        ("trap", 5000, FaultKind::Crashed),
        ("spin", 50, FaultKind::DeadlineExceeded),
    ] {
        assert_eq!(count(&actor).await, 1);
        assert_eq!(count(&actor).await, 2);
        let context = CallContext::with_budget(Duration::from_millis(budget));
        let failed = call_within::<(), ()>(&context, &actor, function, ()).await;
        assert_eq!(guest_fault(&failed.unwrap_err()).kind(), kind);
    }
    assert_eq!(count(&actor).await, 1);
}

/// Its guest is in the middle of a call, and would go on with it in the next one.
#[tokio::test]
async fn an_instance_whose_caller_has_left_serves_no_other() {
    let engines = engines();
    let actor = counter(&engines, true, ComponentLimits::default()).await;
    assert_eq!(count(&actor).await, 1);
    let spin = call::<(), ()>(&actor, "spin", ());
    let left = tokio::time::timeout(Duration::from_millis(50), spin).await;
    left.unwrap_err();
    assert_eq!(count(&actor).await, 1);
}

#[tokio::test]
async fn an_instance_that_waits_too_long_is_given_up_and_so_is_one_too_many() {
    let engines = engines();
    let pool = engines.engine(EngineKind::Concurrent).unwrap();
    let pool = pool.pooling_allocator_metrics().unwrap();
    let limits = ComponentLimits {
        instance_idle_ms_max: Some(300),
        instances_kept_max: Some(2),
        ..ComponentLimits::default()
    };
    let actor = counter(&engines, true, limits).await;
    let all_are_made = Arc::new(tokio::sync::Barrier::new(5));
    let at_once = (0..5).map(|_| {
        let (pre, all_are_made) = (actor.instance_pre().clone(), Arc::clone(&all_are_made));
        let prepared = actor.prepare(&CallContext::default());
        prepared.call(move |mut lent| async move {
            lent.instance(&pre).await?;
            all_are_made.wait().await;
            lent.keep();
            Ok::<_, wasmtime::Error>(())
        })
    });
    for served in join_all(at_once).await {
        served.unwrap();
    }
    assert!(
        pool.component_instances() <= 2,
        "{}",
        pool.component_instances()
    );
    let deadline = Instant::now() + Duration::from_secs(10);
    while pool.component_instances() > 0 {
        assert!(Instant::now() < deadline, "they wait for ever");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(count(&actor).await, 1);
    drop(actor);
    assert_eq!(pool.component_instances(), 0, "the actor had kept it");
}

/// Those that wait have taken all the room there is.
#[tokio::test]
async fn nobody_is_refused_for_instances_that_only_wait() {
    let options = EngineOptions {
        instances_max: 8,
        ..EngineOptions::default()
    };
    let engines = Engines::new(options).unwrap();
    let limits = ComponentLimits {
        instance_idle_ms_max: Some(600_000),
        ..ComponentLimits::default()
    };
    let mut actors = Vec::new();
    for _ in 0..20 {
        let actor = counter(&engines, true, limits).await;
        assert_eq!(count(&actor).await, 1);
        actors.push(actor);
    }
}

/// What a guest prints in one call was said to be of the trace of the call before.
#[tokio::test]
async fn what_a_guest_prints_is_of_the_trace_of_its_own_invocation() {
    let engines = engines();
    let limits = ComponentLimits {
        invocations_per_instance_max: Some(10),
        ..ComponentLimits::default()
    };
    let spec = ComponentSpec {
        limits,
        ..spec(&engines, guest::printer()).await
    };
    let actor = ComponentActor::new(spec, &[]).unwrap();
    let log = world::Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(log.clone())
        .with_ansi(false)
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    for (trace_id, text) in [(0xa1, "one"), (0xa2, "two\n"), (0xa3, "three\n")] {
        let trace = TraceContext {
            trace_id,
            span_id: 1,
            flags: 0,
            state: None,
        };
        let context = CallContext::default().with_trace(Some(trace));
        let text = (text.to_owned(),);
        call_within::<(String,), ()>(&context, &actor, "print", text)
            .await
            .unwrap();
    }
    let log = log.text();
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines.len(), 3, "{log}");
    for (line, (text, trace)) in lines
        .iter()
        .zip([("one", "a1"), ("two", "a2"), ("three", "a3")])
    {
        let trace = format!("trace={trace:0>32}");
        assert!(
            line.contains(&format!("{text} app=")) && line.contains(&trace),
            "{log}"
        );
    }
}

/// As a replica is when it is started again: what the one before has left must not answer.
#[tokio::test]
async fn a_component_that_is_started_again_has_instances_of_its_own() {
    let engines = engines();
    let pool = engines.engine(EngineKind::Concurrent).unwrap();
    let pool = pool.pooling_allocator_metrics().unwrap();
    let limits = ComponentLimits {
        instance_idle_ms_max: Some(600_000),
        ..ComponentLimits::default()
    };
    for _start in 0..3 {
        let actor = counter(&engines, true, limits).await;
        for expected in 1..=3 {
            assert_eq!(count(&actor).await, expected);
        }
        assert_eq!(pool.component_instances(), 1, "it waits");
        // One is at work while its actor goes.
        let pre = actor.instance_pre().clone();
        let (goes, gone) = tokio::sync::oneshot::channel();
        let prepared = actor.prepare(&CallContext::default());
        let at_work = prepared.call(move |mut lent| async move {
            lent.instance(&pre).await?;
            gone.await.unwrap();
            lent.keep();
            Ok::<_, wasmtime::Error>(())
        });
        let goes = async {
            drop(actor);
            goes.send(()).unwrap();
        };
        let (served, ()) = futures::future::join(at_work, goes).await;
        served.unwrap();
        assert_eq!(pool.component_instances(), 0, "nobody takes it back");
    }
}

#[tokio::test]
async fn instances_are_kept_wherever_their_code_comes_from() {
    let folder = tempfile::tempdir().unwrap();
    let engines = || {
        let options = EngineOptions {
            instances_max: 16,
            cache_folder: Some(folder.path().join("code")),
            ..EngineOptions::default()
        };
        Engines::new(options).unwrap()
    };
    for (is_of_0_3, expected) in [(true, [1, 2, 3]), (false, [1, 1, 1])] {
        let bytes = guest::counter(is_of_0_3);
        let compiling = engines();
        let compiled = compiling.compile(bytes.clone().into()).await.unwrap();
        let artefact = compiling.compile_artefact(bytes.clone().into()).await;
        let next = engines();
        let of_artefact = next.load_artefact(&artefact.unwrap()).unwrap();
        let of_cache = next.compile(bytes.clone().into()).await.unwrap();
        assert_eq!(next.compilations(), 0);
        for compiled in [compiled, of_artefact, of_cache] {
            let spec = ComponentSpec {
                compiled,
                ..spec(&next, bytes.clone()).await
            };
            let actor = ComponentActor::new(spec, &[Package::of::<Rows<false>>()]).unwrap();
            for expected in expected {
                assert_eq!(count(&actor).await, expected);
            }
        }
    }
}

/// Each of the three settings turns it off by itself.
#[tokio::test]
async fn where_a_setting_keeps_none_each_invocation_has_an_instance_of_its_own() {
    let engines = engines();
    let pool = engines.engine(EngineKind::Concurrent).unwrap();
    let pool = pool.pooling_allocator_metrics().unwrap();
    let default = ComponentLimits::default();
    for limits in [
        ComponentLimits {
            invocations_per_instance_max: Some(1),
            ..default
        },
        ComponentLimits {
            instance_idle_ms_max: Some(0),
            ..default
        },
        ComponentLimits {
            instances_kept_max: Some(0),
            ..default
        },
    ] {
        let actor = counter(&engines, true, limits).await;
        for _invocation in 0..3 {
            assert_eq!(count(&actor).await, 1, "{limits:?}");
            assert_eq!(pool.component_instances(), 0, "{limits:?}");
        }
    }
}
