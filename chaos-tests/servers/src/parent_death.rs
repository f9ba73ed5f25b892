//! The kernel kills a child when its parent is gone.

use std::{io, os::unix::process::CommandExt, process::Command};

use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};

/// Makes the kernel send SIGKILL to the child when the thread that starts it ends.
///
/// *Thread*, not process: only [`crate::spawner`], whose thread lasts as long as the process, may
/// start such a command.
#[allow(unsafe_code, reason = "pre_exec is unsafe; the proof is at the block")]
pub(crate) fn die_with_parent(command: &mut Command) {
    let parent = getpid();
    // SAFETY: between fork and exec a child may only do what is safe in a signal handler, because
    // another thread may have held any lock at the fork. The closure makes two system calls
    // (prctl, getppid) and compares two integers: it takes no lock and does not allocate; an error
    // is made from a bare error number, which does not allocate either. It owns all it captures.
    unsafe {
        command.pre_exec(move || {
            set_parent_process_death_signal(Some(Signal::KILL))?;
            // The parent may have died before the call above, and then no signal ever comes.
            if getppid() != Some(parent) {
                return Err(io::Error::from(rustix::io::Errno::SRCH));
            }
            Ok(())
        });
    }
}
