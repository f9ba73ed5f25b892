//! Which instances take requests, and how many each has.

use tokio::sync::mpsc::{self, Receiver, Sender};
use wrt_host::{Allowance, Sharing};

use super::job::{InstanceId, Job};

/// Those that take requests. Whoever is closed takes none; it has those that it had.
pub(super) struct Open {
    sharing: Sharing,
    next: u64,
    instances: Vec<Instance>,
}

struct Instance {
    id: InstanceId,
    jobs: Sender<Box<Job>>,
    in_hand: u32,
    begun: u32,
}

/// Who has taken a job.
pub(super) enum Taken {
    ByOneThatIsOpen,
    /// An instance is to be made for it.
    ByNobodyYet {
        id: InstanceId,
        jobs: Receiver<Box<Job>>,
        first: Box<Allowance>,
    },
}

impl Open {
    pub(super) fn new(sharing: Sharing) -> Self {
        Self {
            sharing,
            next: 0,
            instances: Vec::new(),
        }
    }

    /// Gives a job to the first instance that has room, so that others may become idle.
    pub(super) fn take(&mut self, mut job: Box<Job>) -> Taken {
        let at_once_max = self.sharing.at_once_max;
        let has_room = |it: &Instance| it.in_hand < at_once_max;
        while let Some(at) = self.instances.iter().position(has_room) {
            match self.send(at, job) {
                Ok(()) => return Taken::ByOneThatIsOpen,
                Err(refused) => job = refused,
            }
        }
        let (sender, jobs) = mpsc::channel(at_once_max as usize);
        let (id, first) = (InstanceId(self.next), Box::new(job.allowance().clone()));
        self.next += 1;
        self.instances.push(Instance {
            id,
            jobs: sender,
            in_hand: 0,
            begun: 0,
        });
        let sent = self.send(self.instances.len() - 1, job);
        debug_assert!(sent.is_ok(), "the receiver is here, and has room");
        Taken::ByNobodyYet { id, jobs, first }
    }

    /// The job comes back from an instance whose worker has ended, which is closed then.
    fn send(&mut self, at: usize, mut job: Box<Job>) -> Result<(), Box<Job>> {
        let instance = &mut self.instances[at];
        job.sit_in(Some(instance.id));
        instance.in_hand += 1;
        instance.begun += 1;
        let is_its_last = instance.begun >= self.sharing.invocations_max;
        let sent = instance.jobs.try_send(job);
        if is_its_last || sent.is_err() {
            self.instances.remove(at);
        }
        sent.map_err(|error| {
            let mut job = error.into_inner();
            job.sit_in(None);
            job
        })
    }

    /// A job of `id` is over.
    pub(super) fn left(&mut self, id: InstanceId) {
        let Some(at) = self.instances.iter().position(|it| it.id == id) else {
            return;
        };
        self.instances[at].in_hand -= 1;
        let idle = self.instances.iter().filter(|it| it.in_hand == 0).count();
        if self.instances[at].in_hand == 0 && idle > self.sharing.idle_instances_max {
            self.instances.remove(at);
        }
    }

    /// Takes no more jobs for `id`.
    pub(super) fn close(&mut self, id: InstanceId) {
        self.instances.retain(|it| it.id != id);
    }

    /// The same, unless it has some; whether it is closed now.
    pub(super) fn close_if_idle(&mut self, id: InstanceId) -> bool {
        let is_at_work = |it: &Instance| it.id == id && it.in_hand > 0;
        if self.instances.iter().any(is_at_work) {
            return false;
        }
        self.close(id);
        true
    }
}
