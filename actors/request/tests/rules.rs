//! The rules of a call, over whole nodes: each rule has tests that fail when it is broken, and each
//! test says which change of the code makes it fail.
//!
//! Most run on the loopback under paused time, so a budget of seconds takes none. What depends on
//! connections runs over a real NATS server too. A test that loses messages prints its seed.

#![cfg(test)]

mod rules {
    mod answers;
    mod arrivals;
    mod blocked;
    mod bodies;
    mod co_located;
    mod fenced;
    mod lattice;
    mod links;
    mod messages;
    mod over_nats;
    mod pinned;
    mod routing;
    mod rule_1_every_call_ends;
    mod rule_2_retry;
    mod rule_3_errors;
    mod rule_4_admission;
    mod rule_5_co_located;
    mod rule_6_bounds;
    mod rule_7_lanes;
}
