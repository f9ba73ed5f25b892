//! What `#[interface]` makes, at work: a small interface over a caller that loops each invocation
//! straight into the dispatcher.

#[path = "interface/bodies.rs"]
mod bodies;
#[path = "interface/shelf.rs"]
mod shelf;

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use bytes::Bytes;
use shelf::{
    Fragile, Loop, MemoryShelf, Order, Shelf, ShelfError, ShelfInterface, Stalled, serialised,
    target,
};
use tokio::time::Instant;
use wrt_contract::{
    CallContext, Callee, DispatchRequest, Gate, GateLimits, Interface, InterfaceError, LocalSlot,
    Replica,
};
use wrt_protocol::{Execution, Fault, FaultKind, Hop, OperationName};

/// A remote client of a shelf in memory, and what it goes through.
fn over_the_loop() -> (Arc<dyn Shelf>, Arc<Loop>, Arc<MemoryShelf>) {
    let shelf = Arc::new(MemoryShelf::default());
    let caller = Loop::to(ShelfInterface::dispatcher(
        Arc::clone(&shelf) as Arc<dyn Shelf>
    ));
    let remote = ShelfInterface::remote(Arc::clone(&caller) as _, target().into());
    (remote, caller, shelf)
}

fn fault_of(error: ShelfError) -> Fault {
    error.into_fault().expect("a fault")
}

#[test]
fn the_table_says_what_the_attributes_say() {
    assert_eq!(ShelfInterface::NAME.as_str(), "test:shelf");
    let table: Vec<_> = ShelfInterface::OPERATIONS
        .iter()
        .map(|operation| {
            (
                operation.name.as_str(),
                operation.idempotent,
                operation.keyed,
                operation.one_way,
            )
        })
        .collect();
    let expected = [
        ("get", true, false, false),
        ("put", true, false, false),
        ("put-many", true, false, false),
        ("add", false, false, false),
        ("list-keys", true, false, false),
        ("size", true, false, false),
        ("shout", false, false, true),
        ("weigh", false, true, false),
    ];
    assert_eq!(table, expected);
}

#[tokio::test]
async fn each_operation_comes_back_from_a_round_trip() {
    let (remote, caller, shelf) = over_the_loop();
    let context = CallContext::default();
    assert_eq!(remote.get(&context, "a").await, Ok(None));
    remote
        .put(&context, "a", Bytes::from_static(b"1"))
        .await
        .unwrap();
    assert_eq!(
        remote.get(&context, "a").await,
        Ok(Some(Bytes::from_static(b"1")))
    );
    let pairs = [
        ("b".to_owned(), Bytes::new()),
        ("c".to_owned(), Bytes::from_static(b"3")),
    ];
    remote.put_many(&context, &pairs).await.unwrap();
    assert_eq!(remote.add(&context, "count", -2).await, Ok(-2));
    let order = Order { descending: true };
    let keys = |keys: &[&str]| Ok(keys.iter().map(ToString::to_string).collect());
    assert_eq!(
        remote.list_keys(&context, None, &order).await,
        keys(&["count", "c", "b", "a"])
    );
    assert_eq!(
        remote.list_keys(&context, Some("b"), &order).await,
        keys(&["count", "c"])
    );
    assert_eq!(remote.size(&context).await, Ok(4));
    remote.shout(&context, "hey", "ho").await.unwrap();
    assert_eq!(shelf.heard(), ["hey ho"]);
    assert_eq!(caller.calls.load(Relaxed), 9);
}

#[tokio::test]
async fn an_invocation_says_what_its_operation_is() {
    let (remote, caller, _shelf) = over_the_loop();
    let context = CallContext::default();
    remote.size(&context).await.unwrap();
    assert_eq!(
        caller.last(),
        "provider/app/shelf test:shelf size idempotent"
    );
    remote.add(&context, "n", 1).await.unwrap();
    assert_eq!(caller.last(), "provider/app/shelf test:shelf add");
    remote.shout(&context, "", "").await.unwrap();
    assert_eq!(caller.last(), "provider/app/shelf test:shelf shout one-way");
}

#[tokio::test]
async fn an_own_error_stays_itself_and_a_fault_stays_a_fault() {
    let (remote, caller, _shelf) = over_the_loop();
    let context = CallContext::default();
    let key = "k".to_owned();
    remote
        .put(&context, &key, Bytes::from_static(b"no number"))
        .await
        .unwrap();
    let own = remote.add(&context, &key, 1).await.unwrap_err();
    assert_eq!(own, ShelfError::NotANumber { key });
    // The provider's own fault: its backend is gone.
    let fault = fault_of(remote.get(&context, "fault").await.unwrap_err());
    assert_eq!(fault, shelf::backend_gone());
    // The caller's.
    let lost = Fault::maybe_executed(FaultKind::NodeLost, Hop::Bus, "silent");
    caller.fail_with(Some(lost.clone()));
    let fault = fault_of(remote.get(&context, "a").await.unwrap_err());
    assert_eq!(fault, lost);
    let fault = fault_of(remote.shout(&context, "a", "b").await.unwrap_err());
    assert_eq!(fault, lost);
}

#[tokio::test]
async fn the_dispatcher_refuses_what_it_does_not_know() {
    let shelf = Arc::new(MemoryShelf::default());
    let dispatcher = ShelfInterface::dispatcher(Arc::clone(&shelf) as _);
    assert_eq!(dispatcher.interface(), ShelfInterface::NAME);
    let ask = async |operation, arguments: &[u8]| {
        let request = DispatchRequest {
            operation: OperationName::from_static(operation),
            arguments: Bytes::copy_from_slice(arguments),
            bulk: Bytes::new(),
            body: None,
        };
        dispatcher.dispatch(&CallContext::default(), request).await
    };
    let fault = ask("burn", b"").await.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::UnknownOperation);
    assert_eq!(fault.execution(), Execution::NotExecuted);
    assert_eq!(fault.hop(), Hop::Gate);
    assert_eq!(fault.detail(), "test:shelf has no operation burn");
    let malformed: [(&str, &[u8]); 5] = [
        ("add", b""),
        ("add", b"\x01k"),
        ("add", b"\x01k\x02surplus"),
        ("add", b"\x01\xff\x02"),
        ("size", b"surplus"),
    ];
    for (operation, arguments) in malformed {
        let fault = ask(operation, arguments).await.expect_err(operation);
        assert_eq!(
            fault.kind(),
            FaultKind::Malformed,
            "{operation} {arguments:?}"
        );
        assert_eq!(fault.execution(), Execution::NotExecuted);
    }
    assert_eq!(shelf.served.load(Relaxed), 0);
    ask("add", b"\x01k\x02")
        .await
        .expect("the same, well-formed");
}

#[tokio::test]
async fn bulk_bytes_are_not_copied() {
    let (remote, _caller, shelf) = over_the_loop();
    let value = Bytes::from(vec![7; 4096]);
    remote
        .put(&CallContext::default(), "a", value.clone())
        .await
        .unwrap();
    let stored = shelf.entries()["a"].clone();
    assert_eq!(stored.as_ptr(), value.as_ptr());
}

#[tokio::test(start_paused = true)]
async fn the_guard_refuses_at_once_when_full() {
    let gate = Gate::new(GateLimits {
        concurrency_max: 1,
        queue_max: 0,
    });
    let shelf = Arc::new(MemoryShelf::default());
    let guarded = ShelfInterface::guarded(Arc::clone(&shelf) as _, Arc::clone(&gate));
    let context = CallContext::default();
    let permit = gate.admit(&context).await.unwrap();
    let started = Instant::now();
    let fault = fault_of(guarded.size(&context).await.unwrap_err());
    assert!(fault.is_overloaded(), "{fault}");
    assert_eq!(fault.execution(), Execution::NotExecuted);
    assert_eq!(started.elapsed(), Duration::ZERO);
    assert_eq!(shelf.served.load(Relaxed), 0);
    drop(permit);
    assert_eq!(guarded.size(&context).await, Ok(0));
    assert_eq!(gate.load().running, 0);
}

#[tokio::test(start_paused = true)]
async fn the_guard_ends_an_operation_at_its_deadline() {
    let gate = Gate::new(GateLimits::default());
    let guarded = ShelfInterface::guarded(Arc::new(Stalled), Arc::clone(&gate));
    let context = CallContext::with_budget(Duration::from_millis(70));
    let ended = tokio::time::timeout(Duration::from_secs(1), guarded.size(&context)).await;
    let fault = fault_of(ended.expect("it ends").unwrap_err());
    assert_eq!(fault.kind(), FaultKind::DeadlineExceeded);
    assert_eq!(fault.execution(), Execution::MaybeExecuted);
    assert_eq!(fault.hop(), Hop::Backend);
    assert!(
        context.elapsed() <= Duration::from_millis(75),
        "{:?}",
        context.elapsed()
    );
    assert_eq!(gate.load().running, 0, "the permit is given back");
}

/// A link with a local replica that answers `local` for the key `fault`, and another node's shelf
/// behind the loop.
struct Linked {
    link: Arc<dyn Shelf>,
    slot: LocalSlot<dyn Shelf>,
    local: Arc<MemoryShelf>,
    far: Arc<MemoryShelf>,
    caller: Arc<Loop>,
}

fn replica(shelf: &Arc<MemoryShelf>) -> Arc<Replica<dyn Shelf>> {
    let gate = Gate::new(GateLimits::default());
    Replica::new(Arc::clone(shelf) as _, gate)
}

fn linked() -> Linked {
    let (remote, caller, far) = over_the_loop();
    let local = Arc::new(MemoryShelf::default());
    let slot = LocalSlot::empty();
    slot.set(Some(replica(&local)));
    let link = ShelfInterface::linked(slot.clone(), remote);
    Linked {
        link,
        slot,
        local,
        far,
        caller,
    }
}

#[tokio::test]
async fn a_link_prefers_the_local_replica_while_there_is_one() {
    let Linked {
        link,
        slot,
        local,
        far,
        ..
    } = linked();
    let context = CallContext::default();
    let put = async |key| link.put(&context, key, Bytes::new()).await.unwrap();
    put("here").await;
    slot.set(None);
    put("there").await;
    slot.set(Some(replica(&local)));
    put("here again").await;
    assert_eq!(local.keys(), ["here", "here again"]);
    assert_eq!(far.keys(), ["there"]);
}

/// One key for an operation, local or remote, and another for the next one.
#[tokio::test]
async fn an_operation_keeps_its_key_when_it_falls_over() {
    let Linked {
        link,
        slot,
        local,
        far,
        ..
    } = linked();
    let context = CallContext::default();
    let weigh = async || link.weigh(&context, Fragile(1), &Fragile(1)).await;
    local.fail_with(Some(Fault::not_executed(
        FaultKind::Draining,
        Hop::Gate,
        "stopping",
    )));
    for _ in 0..2 {
        weigh().await.unwrap();
    }
    assert_eq!(local.keys_seen(), far.keys_seen());
    slot.set(None);
    weigh().await.unwrap();
    let keys: std::collections::HashSet<_> = far.keys_seen().into_iter().flatten().collect();
    assert_eq!(keys.len(), 3, "each operation has its own");
    assert_eq!(
        context.key(),
        None,
        "and the call on whose behalf they are, none"
    );
}

#[tokio::test]
async fn a_keyed_operation_is_idempotent_where_its_answers_last_longer_than_the_call() {
    let shelf = Arc::new(MemoryShelf::default());
    let caller = Loop::to(ShelfInterface::dispatcher(shelf as Arc<dyn Shelf>));
    let cases = [
        (None, 1, false),
        (Some(10), 1, true),
        (Some(10), 10, false),
        (Some(12), 10, true),
    ];
    for (deduplicates_for, budget, idempotent) in cases {
        let mut to = Callee::from(target());
        to.deduplicates_for = deduplicates_for.map(Duration::from_secs);
        let remote = ShelfInterface::remote(Arc::clone(&caller) as _, to);
        let context = CallContext::with_budget(Duration::from_secs(budget));
        remote
            .weigh(&context, Fragile(1), &Fragile(1))
            .await
            .unwrap();
        let said = caller.last();
        assert_eq!(said.ends_with("idempotent"), idempotent, "{said}");
    }
}

/// Serialising would panic: it is not even reached.
#[tokio::test]
async fn a_co_located_call_touches_neither_caller_nor_encoder() {
    let Linked {
        local,
        slot,
        caller,
        ..
    } = linked();
    let remote = ShelfInterface::remote(Arc::clone(&caller) as _, target().into());
    slot.set(Some(replica(&local)));
    let link = ShelfInterface::linked(slot.clone(), remote);
    let context = CallContext::default();
    assert_eq!(link.weigh(&context, Fragile(3), &Fragile(4)).await, Ok(7));
    assert_eq!((serialised(), caller.calls.load(Relaxed)), (0, 0));
    // The same call the long way does: the test can fail.
    slot.set(None);
    assert_eq!(link.weigh(&context, Fragile(3), &Fragile(4)).await, Ok(7));
    assert_eq!((serialised(), caller.calls.load(Relaxed)), (2, 1));
}

/// What a fault says beside its names and its time.
fn said(fault: &Fault) -> (FaultKind, Execution, &str) {
    (fault.kind(), fault.execution(), fault.detail())
}

/// Which of them may be tried elsewhere is decided by whoever carries the calls.
#[tokio::test]
async fn a_link_hands_each_fault_of_its_replica_on_with_the_call() {
    for execution in [
        Execution::NotExecuted,
        Execution::MaybeExecuted,
        Execution::Executed,
    ] {
        let Linked {
            link,
            local,
            far,
            caller,
            ..
        } = linked();
        let fault = Fault::new(FaultKind::Crashed, execution, Hop::Actor, "no");
        local.fail_with(Some(fault.clone()));
        far.entries()
            .insert("key".to_owned(), Bytes::from_static(b"far"));
        let answer = link.get(&CallContext::default(), "key").await;
        assert_eq!(answer, Ok(Some(Bytes::from_static(b"far"))));
        let before = caller.failed_before().expect("it has failed before");
        assert_eq!(said(&before), said(&fault));
        assert_eq!(before.link(), Some("test:shelf.get"));
        local.fail_with(None);
        link.get(&CallContext::default(), "key").await.unwrap();
        assert_eq!(caller.calls.load(Relaxed), 1);
    }
}

#[tokio::test]
async fn an_own_error_of_the_local_replica_is_the_answer() {
    let Linked {
        link,
        local,
        caller,
        ..
    } = linked();
    local
        .entries()
        .insert("k".to_owned(), Bytes::from_static(b"x"));
    let own = link.add(&CallContext::default(), "k", 1).await.unwrap_err();
    assert_eq!(
        own,
        ShelfError::NotANumber {
            key: "k".to_owned()
        }
    );
    assert_eq!(caller.calls.load(Relaxed), 0);
}

#[tokio::test]
async fn a_value_reaches_the_other_replica_after_the_local_one_refused_it() {
    let Linked {
        link, local, far, ..
    } = linked();
    let draining = Fault::not_executed(FaultKind::Draining, Hop::Gate, "stopping");
    local.fail_with(Some(draining));
    let value = Bytes::from(vec![1; 64]);
    link.put(&CallContext::default(), "k", value.clone())
        .await
        .unwrap();
    let stored = far.entries()["k"].clone();
    assert_eq!(stored.as_ptr(), value.as_ptr());
    assert!(local.keys().is_empty());
}

#[tokio::test]
async fn the_local_fault_is_given_back_only_when_nobody_else_was_there() {
    let overloaded = FaultKind::Overloaded { retry_after_ms: 9 };
    let local_fault = Fault::not_executed(overloaded, Hop::Gate, "full");
    let not = |kind| Fault::not_executed(kind, Hop::Route, "far");
    let maybe = |fault: Fault| fault.with_execution(Execution::MaybeExecuted);
    let cases = [
        (local_fault.clone(), not(FaultKind::Unavailable), true),
        (local_fault.clone(), not(FaultKind::Draining), false),
        // Something may have run there: to say "not executed" would be a lie.
        (
            local_fault.clone(),
            maybe(not(FaultKind::Unavailable)),
            false,
        ),
        (local_fault.clone(), maybe(not(FaultKind::NodeLost)), false),
        // It says so too.
        (maybe(local_fault), maybe(not(FaultKind::Unavailable)), true),
    ];
    for (local_fault, far_fault, local_is_given) in cases {
        let Linked {
            link,
            local,
            caller,
            ..
        } = linked();
        local.fail_with(Some(local_fault.clone()));
        caller.fail_with(Some(far_fault.clone()));
        let fault = fault_of(link.size(&CallContext::default()).await.unwrap_err());
        let expected = if local_is_given {
            &local_fault
        } else {
            &far_fault
        };
        assert_eq!(said(&fault), said(expected));
    }
}
