//! A backend that calls components: each one as often as it was told to.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use futures::future::BoxFuture;
use greeting::{ExampleGreeting, Listener, ListenerInterface};
use serde::Deserialize;
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use wrt_contract::CallContext;
use wrt_runtime::{
    Entry, InProcess, SelectionError, Server, ServerLoad, Serves, Serving, State, Target,
};

/// How long a component may take for one tick.
const TICK_BUDGET: Duration = Duration::from_secs(5);

/// Ticks.
#[derive(Debug, Default)]
pub struct Ticker;

/// Which ticks a component gets.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Every {
    /// The time between two of them, in milliseconds.
    #[serde(default = "a_second")]
    pub every_ms: u64,
}

fn a_second() -> u64 {
    1000
}

impl InProcess for Ticker {
    const NAME: &'static str = "ticker";
}

impl Serves<ExampleGreeting> for Ticker {
    fn serve(entry: &mut Entry<Self>) {
        entry.calls();
    }
}

impl Server for Ticker {
    type Calls = ListenerInterface;
    type Selection = Every;

    fn check_selections(selections: &[Every]) -> Result<(), SelectionError> {
        let zero = selections.iter().position(|it| it.every_ms == 0);
        zero.map_or(Ok(()), |at| {
            Err(SelectionError {
                at,
                field: Some("every_ms"),
                message: "0: use at least 1".to_owned(),
            })
        })
    }

    async fn serve<S: State>(
        self: Arc<Self>,
        state: &S,
        targets: Vec<Target<Every>>,
    ) -> Result<Box<dyn Serving>, Infallible> {
        let mut ticking = Ticking::default();
        for target in targets {
            let listener = state.component::<ListenerInterface>(&target.component);
            let every = Duration::from_millis(target.selection.every_ms);
            let ticks = tick(
                listener,
                every,
                ticking.stop.clone(),
                Arc::clone(&ticking.counts),
            );
            ticking.tasks.spawn(ticking.tracker.track_future(ticks));
        }
        ticking.tracker.close();
        Ok(Box::new(ticking))
    }
}

#[derive(Default)]
struct Counts {
    in_hand: AtomicU32,
    handled: AtomicU64,
}

/// Ends every task when it is dropped.
#[derive(Default)]
struct Ticking {
    tasks: JoinSet<()>,
    tracker: TaskTracker,
    stop: CancellationToken,
    counts: Arc<Counts>,
}

/// One tick after another: a component that takes longer than the time between them gets fewer.
async fn tick(
    listener: Arc<dyn Listener>,
    every: Duration,
    stop: CancellationToken,
    counts: Arc<Counts>,
) {
    let mut interval = interval(every);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for count in 1.. {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = interval.tick() => {}
        }
        counts.in_hand.fetch_add(1, Relaxed);
        let context = CallContext::with_budget(TICK_BUDGET);
        if let Err(fault) = listener.tick(&context, count).await {
            tracing::warn!(count, %fault, "a tick was not heard");
        }
        counts.in_hand.fetch_sub(1, Relaxed);
        counts.handled.fetch_add(1, Relaxed);
    }
}

impl Serving for Ticking {
    fn load(&self) -> ServerLoad {
        ServerLoad {
            in_hand: self.counts.in_hand.load(Relaxed),
            handled: self.counts.handled.load(Relaxed),
        }
    }

    fn drain(&self, patience: Duration) -> BoxFuture<'_, bool> {
        self.stop.cancel();
        Box::pin(async move { timeout(patience, self.tracker.wait()).await.is_ok() })
    }
}
