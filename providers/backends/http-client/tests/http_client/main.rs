//! A client and real servers.

#[test]
fn nothing() {}
