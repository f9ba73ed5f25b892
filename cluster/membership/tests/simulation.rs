//! Whole nodes on a loopback bus, under paused time.

mod simulation {
    mod changes;
    mod heartbeats;
    mod joining;
    mod silence;
    mod world;
}
