use wrt_protocol::{Epoch, Execution, Fence, LeaseName};

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

/// A tenure that ends when it is told.
#[derive(Debug)]
struct Told(tokio::sync::watch::Receiver<bool>);

impl Tenure for Told {
    fn fence(&self) -> Fence {
        Fence::new(
            LeaseName::new("component.shop.cart.exclusive").unwrap(),
            Epoch(3),
        )
    }

    fn is_over(&self) -> bool {
        *self.0.borrow()
    }

    fn over(&self) -> futures::future::BoxFuture<'static, ()> {
        let mut told = self.0.clone();
        Box::pin(async move {
            let _gone = told.wait_for(|is_over| *is_over).await;
        })
    }
}

#[tokio::test(start_paused = true)]
async fn when_the_tenure_is_over_nobody_comes_in_and_what_runs_ends() {
    let gate = gate(2, 8);
    let (end, told) = tokio::sync::watch::channel(false);
    gate.belongs_to(Arc::new(Told(told)));
    let context = CallContext::default();
    let first = gate.admit(&context).await.unwrap();
    let second = gate.admit(&context).await.unwrap();
    assert_eq!(gate.guard(&context, async { 7 }).await, Ok(7));

    let turn = {
        let (gate, context) = (Arc::clone(&gate), context.clone());
        tokio::spawn(async move { gate.admit(&context).await.map(drop) })
    };
    let runs = gate.guard(&context, std::future::pending::<()>());
    let ended = tokio::join!(runs, async {
        tokio::task::yield_now().await;
        end.send_replace(true);
    });
    let fault = ended.0.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Draining);
    assert_eq!(fault.execution(), Execution::MaybeExecuted, "{fault}");
    // One that waits for its turn, and one that comes.
    drop((first, second));
    let waited = turn.await.unwrap().unwrap_err();
    let comes = gate.admit(&context).await.unwrap_err();
    for fault in [waited, comes] {
        assert_eq!(fault.kind(), FaultKind::Draining);
        assert_eq!(fault.execution(), Execution::NotExecuted, "{fault}");
    }
    // Also what would be ready at once.
    assert!(gate.guard(&context, async {}).await.is_err());
}

#[tokio::test]
async fn what_is_called_while_one_is_served_carries_the_fence_of_the_tenure() {
    let free = gate(1, 0);
    let (_end, told) = tokio::sync::watch::channel(false);
    let gate = gate(1, 0);
    gate.belongs_to(Arc::new(Told(told.clone())));
    let expected = Told(told).fence();
    let of_another = Fence::new(LeaseName::new("of.another").unwrap(), Epoch(9));
    for before in [None, Some(of_another)] {
        let mut context = CallContext::default().with_fence(before.clone());
        assert!(free.fenced(&context).is_none());
        free.fence(&mut context);
        assert_eq!(context.fence(), before.as_ref());

        let fenced = gate.fenced(&context).unwrap();
        assert_eq!(fenced.for_operation().fence(), Some(&expected));
        gate.fence(&mut context);
        assert_eq!(context.fence(), Some(&expected));
    }
}
