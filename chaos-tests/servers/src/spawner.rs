//! The thread that starts every child.

use std::{
    io,
    process::{Child, Command},
    sync::{
        LazyLock,
        mpsc::{SyncSender, sync_channel},
    },
    thread,
};

use crate::parent_death::die_with_parent;

type Job = (Command, SyncSender<io::Result<Child>>);

/// Lasts as long as the process. A child dies with the *thread* that started it, and the thread of
/// a test ends with the test, even when the server that it started is shared with other tests.
static SPAWNER: LazyLock<SyncSender<Job>> = LazyLock::new(|| {
    let (sender, jobs) = sync_channel::<Job>(0);
    thread::Builder::new()
        .name("test-servers".to_owned())
        .spawn(move || {
            for (mut command, reply) in jobs {
                die_with_parent(&mut command);
                // The one who asked holds the receiver until the answer is there.
                let _ = reply.send(command.spawn());
            }
        })
        .expect("a process that can start servers can start a thread");
    sender
});

/// Starts a child that the kernel kills when this process is gone.
pub(crate) fn spawn(command: Command) -> io::Result<Child> {
    let (reply, answer) = sync_channel(1);
    SPAWNER
        .send((command, reply))
        .expect("the thread never ends");
    answer.recv().expect("the thread answers every job")
}
