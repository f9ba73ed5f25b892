//! More clients than the process may have files open.

use std::{
    io::{self, Read as _},
    net::TcpStream,
    time::Duration,
};

use super::running::{Running, guest, request, wrt_node_by_shell};

const IDLE: usize = 300;
const LIMIT: Duration = Duration::from_secs(10);

/// Runs the probe with these limits, the soft one and the hard one.
fn limited(soft: u32, hard: u32) -> Running {
    let probe = guest("probe");
    let probe = probe.to_str().expect("a path of text");
    let arguments = ["run", probe, "--address", "127.0.0.1:0"];
    let script = format!("ulimit -Sn {soft} && ulimit -Hn {hard} && exec \"$0\" \"$@\"");
    let running = Running::launch_by(|folder| wrt_node_by_shell(folder, &script), &arguments);
    running.wait_for("is ready");
    running
}

fn idle(address: &str) -> Vec<TcpStream> {
    let connect = |_| TcpStream::connect(address).expect("the kernel takes it");
    (0..IDLE).map(connect).collect()
}

#[test]
fn a_soft_limit_is_raised() {
    let running = limited(128, 4096);
    let address = running.address("http-server");
    let idle = idle(&address);
    assert_eq!(request(&address, "GET", "/hello", "").0, 200);
    drop(idle);
    running.stop();
}

#[test]
fn idle_clients_leave_descriptors_for_what_else_the_process_needs() {
    let running = limited(128, 128);
    let address = running.address("http-server");
    let mut idle = idle(&address);
    // One that came too late: closed at once, by its end or by a reset.
    let mut last = idle.pop().expect("there are many");
    last.set_read_timeout(Some(LIMIT))
        .expect("a socket has one");
    let closed = last.read(&mut [0]);
    let in_time = |error: &io::Error| error.kind() != io::ErrorKind::WouldBlock;
    assert!(
        closed.as_ref().map_or_else(in_time, |read| *read == 0),
        "{closed:?}"
    );
    let open = running.descriptors();
    assert!(open <= 120, "{open} of 128 are open");
    drop(idle);
    running.stop();
}
