use wrt_protocol::{Epoch, Fence, LeaseName};

use super::*;

fn gate(concurrency_max: u32, queue_max: u32) -> Arc<Gate> {
    Gate::new(GateLimits {
        concurrency_max,
        queue_max,
    })
}

#[tokio::test(start_paused = true)]
async fn a_full_gate_refuses_at_once() {
    let gate = gate(1, 0);
    let context = CallContext::default();
    let running = gate.admit(&context).await.unwrap();
    let before = Instant::now();
    let fault = gate.admit(&context).await.unwrap_err();
    assert!(fault.is_overloaded(), "{fault}");
    assert_eq!(before.elapsed(), Duration::ZERO);
    drop(running);
    gate.admit(&context).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_admitted_early_is_admitted_once() {
    let (gate, other) = (gate(1, 0), gate(1, 0));
    let context = gate.admit_early(CallContext::default()).await.unwrap();
    let of_other = other.admit(&context).await.unwrap();
    assert_eq!((gate.load().running, other.load().running), (1, 1));
    let permit = gate.admit(&context).await.unwrap();
    assert_eq!((gate.load().running, gate.load().admitted), (1, 1));
    // It was used: what the same context asks for next is another call.
    assert!(gate.admit(&context).await.unwrap_err().is_overloaded());
    drop((permit, of_other));
    assert_eq!(gate.load().running, 0);
    drop(gate.admit_early(CallContext::default()).await.unwrap());
    assert_eq!(gate.load().running, 0, "it never came to its guard");
}

#[tokio::test(start_paused = true)]
async fn a_waiting_call_gives_up_at_its_deadline() {
    let gate = gate(1, 8);
    let _running = gate.admit(&CallContext::default()).await.unwrap();
    let impatient = CallContext::with_budget(Duration::from_millis(50));
    let fault = gate.admit(&impatient).await.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::DeadlineExceeded);
    assert_eq!(gate.load().waiting, 0);
}

/// The peer's bug: an abandoned call kept its permit for ever.
#[tokio::test(start_paused = true)]
async fn an_abandoned_call_keeps_nothing() {
    let gate = gate(1, 8);
    let context = CallContext::default();
    let running = gate.admit(&context).await.unwrap();
    for _ in 0..100 {
        let abandoned = gate.admit(&context);
        assert!(
            tokio::time::timeout(Duration::from_millis(1), abandoned)
                .await
                .is_err()
        );
    }
    assert_eq!(gate.load().waiting, 0);
    drop(running);
    gate.admit(&context).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn draining_finishes_what_is_in_hand_and_takes_nothing_new() {
    let gate = gate(1, 8);
    let running = gate.admit(&CallContext::default()).await.unwrap();
    gate.start_draining();
    let fault = gate.admit(&CallContext::default()).await.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Draining);
    assert!(!gate.drain(Duration::from_millis(30)).await);
    drop(running);
    assert!(gate.drain(Duration::from_millis(30)).await);
}

fn under(epoch: u64) -> CallContext {
    let lease = LeaseName::new("work").unwrap();
    CallContext::default().with_fence(Some(Fence::new(lease, Epoch(epoch))))
}

/// Fails when the fence is looked at on arrival alone: what waits for its turn would run behind what came
/// from a later holder.
#[tokio::test(start_paused = true)]
async fn a_call_is_fenced_off_also_while_it_waits() {
    let gate = gate(1, 8);
    let running = gate.admit(&CallContext::default()).await.unwrap();
    let (old, new) = (under(7), under(8));
    let (old, new, ()) = tokio::join!(gate.admit(&old), gate.admit(&new), async {
        tokio::task::yield_now().await;
        drop(running);
    });
    let fault = old.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Fenced, "{fault}");
    let permit = new.unwrap();
    let load = gate.load();
    assert_eq!((load.running, load.waiting), (1, 0));
    assert_eq!((load.admitted, load.refused, load.fenced), (2, 1, 1));
    drop(permit);

    gate.admit(&CallContext::default())
        .await
        .expect("it has no lease");
    let fault = gate.admit_early(under(7)).await.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Fenced, "{fault}");
    let early = gate.admit_early(under(8)).await.unwrap();
    gate.admit(&under(9)).await.unwrap_err();
    let fault = gate.admit(&early).await.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Fenced, "{fault}");
    drop(early);
    assert_eq!(gate.load().running, 0);
}
