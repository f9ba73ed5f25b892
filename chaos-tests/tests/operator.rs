//! An operator's bad days, with real processes: NATS is lost, edited, restarted, full, slow, without
//! JetStream, set up tightly, or asks for passwords; disks are full; clocks go back;
//! what is deployed cannot run. Each case says what keeps running, what is told, and where.

#![cfg(test)]

mod operator {
    mod clocks;
    mod clustered;
    mod code;
    mod disk;
    mod edited;
    mod full;
    mod hopeless;
    mod kept;
    mod late;
    mod passwords;
    mod restarted;
    mod site;
    mod slow;
    mod tight;
    mod unreadable;
    mod wiped;
    mod without_jetstream;
}
