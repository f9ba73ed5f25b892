//! Whether the lanes are up.
//!
//! The client's events say that something changed, and may be lost when many come at once; its state
//! and its count of connects say what is so. They are looked at on each event and at short intervals.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::connection::Connection;
use crate::LinkState;

/// Time between two looks at a lane that is up, and at one that is down.
const LOOK_INTERVAL_UP: Duration = Duration::from_millis(250);
const LOOK_INTERVAL_DOWN: Duration = Duration::from_millis(25);
/// How long the first round trip of a new connection may take.
const CONFIRM_WAIT_MAX: Duration = Duration::from_secs(1);

/// The state of the link, which is up while every lane is.
#[derive(Debug)]
pub(super) struct Link {
    lanes_up: Mutex<[bool; 3]>,
    state: watch::Sender<LinkState>,
}

impl Link {
    pub(super) fn up() -> Self {
        Self {
            lanes_up: Mutex::new([true; 3]),
            state: watch::Sender::new(LinkState::Up),
        }
    }

    pub(super) fn state(&self) -> watch::Receiver<LinkState> {
        self.state.subscribe()
    }

    pub(super) fn report(&self, connection: &Connection, up: bool) {
        let mut lanes_up = self.lanes_up.lock();
        lanes_up[connection.lane as usize] = up;
        let now = match lanes_up.iter().all(|up| *up) {
            true => LinkState::Up,
            false => LinkState::Down,
        };
        // Under the lock, so that two lanes cannot report in one order and be seen in another.
        self.state.send_if_modified(|state| {
            let changed = *state != now;
            *state = now;
            changed
        });
    }
}

/// Keeps a connection's state and the link's up to date, until the transport is closed.
///
/// A connection is up again only after a round trip: then the server knows all subscriptions again.
pub(super) async fn watch_connection(connection: Arc<Connection>, link: Arc<Link>) {
    let signals = Arc::clone(&connection.signals);
    let mut confirmed = connection.incarnation();
    if confirmed.is_none() {
        connection.take_down();
        link.report(&connection, false);
    }
    loop {
        let interval = match confirmed {
            Some(_) => LOOK_INTERVAL_UP,
            None => LOOK_INTERVAL_DOWN,
        };
        tokio::select! {
            () = signals.changed.notified() => {}
            () = sleep(interval) => {}
            () = connection.closed.cancelled() => return,
        }
        // The client reports a loss before it changes its state: the signal counts, not the state.
        let lost = signals.lost.swap(false, Ordering::AcqRel);
        let found = connection.incarnation();
        if confirmed.is_some() && (lost || found != confirmed) {
            tracing::warn!(lane = ?connection.lane, "lost the connection to NATS");
            confirmed = None;
            connection.take_down();
            link.report(&connection, false);
        }
        if confirmed.is_none() && found.is_some() && confirm(&connection).await {
            tracing::info!(lane = ?connection.lane, "connected to NATS");
            confirmed = found;
            connection.put_up();
            link.report(&connection, true);
        }
    }
}

async fn confirm(connection: &Connection) -> bool {
    let round_trip = timeout(CONFIRM_WAIT_MAX, connection.round_trip());
    let confirmed = tokio::select! {
        back = round_trip => matches!(back, Ok(Ok(()))),
        () = connection.signals.changed.notified() => {
            connection.signals.changed.notify_one();
            false
        }
        () = connection.closed.cancelled() => false,
    };
    confirmed && !connection.signals.lost.load(Ordering::Acquire)
}
