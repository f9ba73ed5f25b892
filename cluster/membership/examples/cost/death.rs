//! How long it takes until a node is dead to the others, by the table that decides it.

use std::time::Duration;

use tokio::time::Instant;
use wrt_membership::{Liveness, MemberTable, Presence};
use wrt_protocol::heartbeat::{Beat, Changes, Said, ShareRevision};
use wrt_transport::LinkState;

use super::lattice::{Lattice, node};

const TICK: Duration = Duration::from_millis(50);
/// Longer than anything that was amiss at the start is remembered.
const CALM_INTERVALS: u32 = 20;
const PATIENCE: Duration = Duration::from_secs(300);

/// Of one whose process is gone, so that the bus knows nobody there, and of one that stands still.
pub fn times(lattice: &Lattice) -> [Duration; 2] {
    [Presence::Unknown, Presence::Unanswered].map(|presence| time(lattice, presence))
}

/// The others go on to beat, evenly; the last one stops right after it has beaten.
fn time(lattice: &Lattice, presence: Presence) -> Duration {
    let began = Instant::now();
    let mut table = lattice.table(&lattice.first_beats(), began);
    let (interval, others) = (lattice.interval(), lattice.nodes - 1);
    let stops_at = interval * CALM_INTERVALS;
    let mut sequences = vec![0_u64; lattice.nodes];
    let mut passed = Duration::ZERO;
    while passed < stops_at + PATIENCE {
        passed += TICK;
        let now = began + passed;
        for (at, sequence) in sequences.iter_mut().enumerate().skip(1) {
            // Each has its place within the interval.
            let offset = interval.mul_f64(at as f64 / lattice.nodes as f64);
            let due = offset + interval * u32::try_from(*sequence).expect("a short time");
            let goes_on = at < others || due <= stops_at;
            if due <= passed && goes_on {
                *sequence += 1;
                beat(&mut table, lattice, at, *sequence, now);
            }
        }
        table.observe_echo(now);
        table.tick(now, LinkState::Up);
        for question in table.questions(now) {
            table.observe_presence(&question, presence, now);
        }
        let view = table.view();
        let last = view.member(&node(others)).map(|member| member.liveness);
        if last.is_none_or(|liveness| liveness == Liveness::Dead) {
            return passed.saturating_sub(stops_at);
        }
    }
    panic!("it lives for ever");
}

fn beat(table: &mut MemberTable, lattice: &Lattice, at: usize, sequence: u64, now: Instant) {
    // As the first ones were numbered.
    let share = ShareRevision(1);
    let said = Said::Changes(Changes {
        since: share,
        revision: share,
        changes: Vec::new(),
    });
    let pulse = lattice.pulse(at, sequence);
    table.observe_beat(Beat { pulse, said }, now);
}
