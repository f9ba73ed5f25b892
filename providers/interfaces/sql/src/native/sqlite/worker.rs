//! A thread with a connection.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
        mpsc::{SyncSender, sync_channel},
    },
    thread,
};

use rusqlite::Connection;
use tokio::sync::oneshot;
use wrt_protocol::{Fault, FaultKind, Hop};

use super::connection::{Place, Switches, open};
use crate::SqlError;

/// One that has not begun, and the one behind it that gives the worker back.
const JOBS_MAX: usize = 2;

/// What a worker is to do.
pub(super) type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// A thread with a connection, which does one thing after the other. It ends with its last handle.
#[derive(Clone)]
pub(super) struct Worker {
    jobs: SyncSender<Job>,
    switches: Arc<Switches>,
}

impl Worker {
    /// Starts one, and waits until it has its connection.
    pub(super) async fn start(place: Place) -> Result<Self, SqlError> {
        let (jobs, queue) = sync_channel::<Job>(JOBS_MAX);
        let switches = Arc::new(Switches::default());
        let (tell, opened) = oneshot::channel();
        let worker = Self {
            jobs,
            switches: Arc::clone(&switches),
        };
        let work = move || {
            let mut connection = match open(&place, &switches) {
                Ok(connection) => connection,
                Err(error) => {
                    let _nobody_waits = tell.send(Err(error));
                    return;
                }
            };
            let _nobody_waits = tell.send(Ok(()));
            for job in queue {
                job(&mut connection);
            }
        };
        let started = thread::Builder::new().name("sqlite".to_owned()).spawn(work);
        started.map_err(|error| broken(&format!("no thread: {error}")))?;
        match opened.await {
            Ok(opened) => opened.map(|()| worker),
            Err(_ended) => Err(broken("its thread has ended").into()),
        }
    }

    /// Whether what runs has to stop.
    pub(super) fn stop(&self) -> &AtomicBool {
        &self.switches.stop
    }

    /// Whether the statement that is prepared is the provider's own.
    pub(super) fn switches(&self) -> Arc<Switches> {
        Arc::clone(&self.switches)
    }

    /// Has it do something, behind what it does now.
    pub(super) fn submit(&self, job: Job) -> Result<(), SqlError> {
        let sent = self.jobs.try_send(job);
        sent.map_err(|_full_or_ended| broken("its thread has ended").into())
    }
}

impl Switches {
    /// Lets the connection's next work begin.
    pub(super) fn reset(&self) {
        self.stop.store(false, SeqCst);
    }
}

/// What is said when a connection is lost before anything was asked of it.
pub(super) fn broken(why: &str) -> Fault {
    let detail = format!("sqlite: {why}");
    Fault::not_executed(FaultKind::Unavailable, Hop::Backend, detail)
}
