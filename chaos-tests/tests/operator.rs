//! An operator's bad days, with real processes: NATS is lost, edited, restarted, without JetStream or
//! set up tightly; clocks go back; what is deployed cannot run. Each case says what keeps running, what
//! is told, and where.

#![cfg(test)]

mod operator {
    mod clocks;
    mod edited;
    mod hopeless;
    mod kept;
    mod restarted;
    mod site;
    mod tight;
    mod unreadable;
    mod wiped;
    mod without_jetstream;
}
