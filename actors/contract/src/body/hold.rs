//! What a body keeps others out by, and for how long it may do so without going on.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use tokio::time::{Instant, Sleep, sleep};
use wrt_protocol::{Fault, FaultKind, Hop, limits::STREAM_IDLE_MAX};

use crate::Permit;

/// A body's permit; given back when dropped.
pub(super) struct Hold {
    _permit: Permit,
    /// Since the body was first found empty, and kept: one that flows steadily is found so often.
    end: Option<Pin<Box<Sleep>>>,
    is_waiting: bool,
}

impl Hold {
    pub(super) fn new(permit: Permit) -> Self {
        Self {
            _permit: permit,
            end: None,
            is_waiting: false,
        }
    }

    /// Takes note of whether the body has a frame; the fault when it has had none for too long. The
    /// time in which nobody asks does not count.
    pub(super) fn poll(&mut self, is_pending: bool, cx: &mut Context<'_>) -> Option<Fault> {
        let begins = is_pending && !self.is_waiting;
        self.is_waiting = is_pending;
        if !is_pending {
            return None;
        }
        let end = match &mut self.end {
            Some(end) if begins => {
                end.as_mut().reset(Instant::now() + STREAM_IDLE_MAX);
                end
            }
            Some(end) => end,
            None => self.end.insert(Box::pin(sleep(STREAM_IDLE_MAX))),
        };
        (end.as_mut().poll(cx) == Poll::Ready(())).then(|| {
            let detail = "the body made no progress within the idle limit";
            let kind = FaultKind::DeadlineExceeded;
            Fault::maybe_executed(kind, Hop::Stream, detail)
        })
    }
}
