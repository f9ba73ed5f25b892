//! wasi:messaging over a real broker.

#![cfg(test)]

mod messaging {
    mod admission;
    mod conformance;
    mod groups;
    mod login;
    mod order;
    mod others;
    mod purge;
    mod refusals;
    mod support;
}
