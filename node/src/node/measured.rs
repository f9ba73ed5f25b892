//! What a node measures of itself: its actors, its calls, the lattice and the bus.
//!
//! Attributes are names of the manifests and of this program, so there are as many values as those allow.

use std::sync::{Arc, OnceLock};

use wrt_contract::{GateLoad, Instrument, Measured, MeasuredValue, measured_calls};
use wrt_protocol::ActorAddress;
use wrt_request::Seat;
use wrt_supervision::Supervision;
use wrt_transport::{LinkState, Transport};

use super::Parts;

static RUNNING: Instrument = Instrument {
    name: "wrt.actor.calls.running",
    unit: "{call}",
    description: "Calls that an actor has in hand.",
};
static WAITING: Instrument = Instrument {
    name: "wrt.actor.calls.waiting",
    unit: "{call}",
    description: "Calls that wait for an actor's other calls to end.",
};
static LIMIT: Instrument = Instrument {
    name: "wrt.actor.calls.limit",
    unit: "{call}",
    description: "Calls that an actor may have in hand.",
};
static ADMITTED: Instrument = Instrument {
    name: "wrt.actor.calls.admitted",
    unit: "{call}",
    description: "Calls that an actor has taken in hand.",
};
static REFUSED: Instrument = Instrument {
    name: "wrt.actor.calls.refused",
    unit: "{call}",
    description: "Calls that an actor has refused: it was full or stopping, or their time was up.",
};
static FENCED: Instrument = Instrument {
    name: "wrt.actor.calls.fenced",
    unit: "{call}",
    description: "Calls that an actor has refused, as their caller's lease is another's.",
};
static DENIED: Instrument = Instrument {
    name: "wrt.actor.calls.denied",
    unit: "{call}",
    description: "Calls that an actor has refused, as their caller has no link to it.",
};
static IN_HAND: Instrument = Instrument {
    name: "wrt.provider.events.in_hand",
    unit: "{event}",
    description: "Events from outside that a provider has in hand: requests, messages.",
};
static HANDLED: Instrument = Instrument {
    name: "wrt.provider.events.taken",
    unit: "{event}",
    description: "Events from outside that a provider has taken.",
};
static COUNTED: Instrument = Instrument {
    name: "wrt.provider.events.counted",
    unit: "{event}",
    description: "What has become of events from outside, as `wrt ps` tells it: dead letters, drops.",
};
static CALLS_OUT: Instrument = Instrument {
    name: "wrt.calls.out",
    unit: "{event}",
    description: "What has become of calls that this node has sent.",
};
static CALLS_IN: Instrument = Instrument {
    name: "wrt.calls.in",
    unit: "{event}",
    description: "What has become of calls that have come to this node over the bus.",
};
static IN_FLIGHT: Instrument = Instrument {
    name: "wrt.calls.in.running",
    unit: "{call}",
    description: "Calls that have come over the bus and are in hand.",
};
static BODIES: Instrument = Instrument {
    name: "wrt.streams.open",
    unit: "{stream}",
    description: "Bodies that are on their way between nodes.",
};
static HEARTBEATS: Instrument = Instrument {
    name: "wrt.heartbeats",
    unit: "{event}",
    description: "What has become of heartbeats, sent and heard.",
};
static ISOLATED: Instrument = Instrument {
    name: "wrt.node.isolated",
    unit: "{state}",
    description: "1 while the node doubts its own hearing.",
};
static CONNECTED: Instrument = Instrument {
    name: "wrt.bus.connected",
    unit: "{state}",
    description: "1 while all connections to the bus are there.",
};
static CODE_READY: Instrument = Instrument {
    name: "wrt.code.ready",
    unit: "{component}",
    description: "Components whose code was made ready for when another node is lost.",
};
static PAYLOADS_DROPPED: Instrument = Instrument {
    name: "wrt.bus.payloads.dropped",
    unit: "{payload}",
    description: "Payloads that came over the bus and found no room.",
};

/// Where a node looks.
pub(super) struct Measures {
    pub(super) seat: Seat,
    pub(super) transport: Arc<dyn Transport>,
    pub(super) supervision: Arc<OnceLock<Supervision>>,
    pub(super) parts: Arc<Parts>,
}

impl Measures {
    pub(super) fn take(&self) -> Vec<Measured> {
        let mut all = measured_calls();
        let supervision = self.supervision.get();
        let status = supervision.map(Supervision::status).unwrap_or_default();
        for (actor, _, load) in status {
            let name = actor.to_string();
            let server = self.server(&actor);
            // A server holds one permit of its provider's gate for as long as it runs.
            let own = u32::from(!server.is_empty());
            let of_actor = gate(load, own).into_iter().chain(server);
            all.extend(of_actor.map(|it| it.with("wrt.actor", name.clone())));
        }
        all.extend(self.lattice());
        all
    }

    fn server(&self, actor: &ActorAddress) -> Vec<Measured> {
        let servers = &self.parts.servers;
        let Some(load) = servers.load(actor) else {
            return Vec::new();
        };
        let mut all = vec![level(&IN_HAND, load.in_hand), total(&HANDLED, load.handled)];
        let counted = servers.counters(actor).into_iter();
        all.extend(counted.map(|(name, count)| total(&COUNTED, count).with("wrt.event", name)));
        all.extend(servers.measured(actor));
        all
    }

    fn lattice(&self) -> Vec<Measured> {
        let Seat {
            membership,
            streams,
            exchange,
            path,
        } = &self.seat;
        let is_up = *self.transport.link().borrow() == LinkState::Up;
        let mut all = vec![
            level(&CONNECTED, u32::from(is_up)),
            total(&PAYLOADS_DROPPED, self.transport.dropped_payloads()),
            level(&ISOLATED, u32::from(membership.is_isolated())),
            level(&CODE_READY, self.parts.code.ready_count()),
            level(&IN_FLIGHT, exchange.in_hand()),
            level(&BODIES, streams.open_count()),
        ];
        let event = |of| move |(name, count)| total(of, count).with("wrt.event", name);
        all.extend(path.counts().by_name().map(event(&CALLS_OUT)));
        all.extend(exchange.counts().by_name().map(event(&CALLS_IN)));
        all.extend(membership.counts().by_name().map(event(&HEARTBEATS)));
        all
    }
}

fn gate(load: GateLoad, own: u32) -> [Measured; 7] {
    [
        level(&RUNNING, load.running.saturating_sub(own)),
        level(&WAITING, load.waiting),
        level(&LIMIT, load.concurrency_max.saturating_sub(own)),
        total(&ADMITTED, load.admitted.saturating_sub(own.into())),
        total(
            &REFUSED,
            load.refused.saturating_sub(load.fenced + load.denied),
        ),
        total(&FENCED, load.fenced),
        total(&DENIED, load.denied),
    ]
}

fn level(of: &'static Instrument, now: impl TryInto<u64>) -> Measured {
    Measured::new(of, MeasuredValue::Level(now.try_into().unwrap_or(u64::MAX)))
}

fn total(of: &'static Instrument, so_far: u64) -> Measured {
    Measured::new(of, MeasuredValue::Total(so_far))
}
