//! Whose turn it is in an instance that serves several invocations at once.

use std::{collections::HashMap, mem, sync::Arc};

use tokio::time::{Duration, Instant};
use wasmtime::component::GuestTaskId;
use wrt_contract::CallContext;

use crate::{Leash, extensions::Extensions};

/// Longer than any node runs.
const FOR_EVER: Duration = Duration::from_secs(u32::MAX as u64);

/// How many invocations are remembered before those whose time is over are looked for.
const REMEMBERED: usize = 64;

/// What is an invocation's own, in the state of its instance.
pub(crate) struct Own {
    pub(crate) context: CallContext,
    pub(crate) leash: Arc<Leash>,
    pub(crate) extensions: Extensions,
    /// Which one of the instance it is, to its log.
    pub(crate) number: u64,
}

impl Own {
    /// What the next invocation has.
    pub(crate) fn new(context: CallContext, leash: Arc<Leash>) -> Self {
        Self {
            context,
            leash,
            extensions: Extensions::default(),
            number: 0,
        }
    }

    /// What there is when no invocation has the turn: no time to call anybody, and no end.
    fn of_nobody() -> Self {
        let leash = Leash::until(Instant::now() + FOR_EVER);
        Self::new(CallContext::with_budget(Duration::ZERO), Arc::new(leash))
    }
}

/// The invocations of an instance, but for the one whose turn it is: what is its own is in the state.
///
/// Each is known by the task that the guest has for it. A task may go on after its invocation has been
/// answered, and nobody is told when it ends; so that an invocation is remembered until a later one has
/// the same number of a task, or until its time is over. What a task does after that is nobody's, and
/// calls nobody.
#[derive(Default)]
pub(crate) struct Turns {
    /// None while it is nobody's.
    current: Option<GuestTaskId>,
    others: HashMap<GuestTaskId, Own>,
    /// What is nobody's, while it is somebody's turn.
    nobody: Option<Own>,
    begun: u64,
}

impl Turns {
    /// Whose turn it is.
    pub(crate) fn current(&self) -> Option<GuestTaskId> {
        self.current
    }

    /// Gives the turn to `task`, or to nobody where it is not known.
    pub(crate) fn turn_to(&mut self, task: Option<GuestTaskId>, state: &mut Own) -> bool {
        if task == self.current {
            return false;
        }
        let next = task.and_then(|task| self.others.remove(&task));
        let task = task.filter(|_| next.is_some());
        if task == self.current {
            return false;
        }
        let next = next
            .or_else(|| self.nobody.take())
            .unwrap_or_else(Own::of_nobody);
        let last = mem::replace(state, next);
        match mem::replace(&mut self.current, task) {
            Some(known) => drop(self.others.insert(known, last)),
            None => self.nobody = Some(last),
        }
        true
    }

    /// Begins an invocation, whose turn it is then.
    pub(crate) fn begin(
        &mut self,
        task: GuestTaskId,
        context: CallContext,
        leash: Arc<Leash>,
        state: &mut Own,
    ) {
        if self.others.len() >= REMEMBERED {
            self.others.retain(|_, own| !own.leash.is_over());
        }
        self.begun += 1;
        let mut own = Own::new(context, leash);
        own.number = self.begun;
        self.turn_to(None, state);
        self.others.insert(task, own);
        self.turn_to(Some(task), state);
    }

    /// What was made for the first invocation belongs to nobody from now on.
    pub(crate) fn rest(&mut self, state: &mut Own) {
        if self.current.is_none() {
            *state = Own::of_nobody();
        } else {
            self.nobody = None;
        }
    }
}
