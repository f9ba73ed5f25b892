//! One attempt: one envelope to one place, until it is answered or given up.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio_util::sync::CancellationToken;
use wrt_contract::CallContext;
use wrt_protocol::{
    CallId, DecodeError, Execution, Fault, FaultKind, Hop, NodeId,
    envelope::{Cancel, Reply},
    limits::BUDGET_GRACE,
    subject::Subjects,
};
use wrt_transport::{Lane, Transport, TransportError};

use crate::streams::Sending;

/// How long after the deadline a caller still listens: the callee's own fault says more than a
/// silence does. Half of what a call may take beyond its budget; the rest is for getting it home.
const LISTEN_GRACE: Duration = BUDGET_GRACE.checked_div(2).expect("two is not zero");

/// How long a caller still listens when the callee is lost. A call that was sent a moment before, to
/// a process that is gone, is about to hear from the bus that nobody has it: *not executed* says
/// more than *maybe executed*, and may be tried again.
const LAST_WORD: Duration = Duration::from_millis(50);

/// Where an attempt goes.
pub(crate) struct Destination {
    pub(crate) node: NodeId,
    /// Cancelled when waiting for it makes no sense any longer.
    pub(crate) lost: CancellationToken,
}

/// An attempt ready to go.
pub(crate) struct Attempt<'a> {
    pub(crate) transport: &'a Arc<dyn Transport>,
    pub(crate) subjects: &'a Subjects,
    pub(crate) caller: &'a NodeId,
    pub(crate) call: CallId,
    pub(crate) subject: String,
    pub(crate) envelope: Bytes,
    pub(crate) destination: Destination,
}

impl Attempt<'_> {
    /// What to send, and to which subject; once.
    pub(crate) fn take_message(&mut self) -> (String, Bytes) {
        let envelope = std::mem::take(&mut self.envelope);
        (std::mem::take(&mut self.subject), envelope)
    }

    /// The same, with a body that starts to flow when the callee asks for it.
    pub(crate) async fn run_with_body(
        &mut self,
        context: &CallContext,
        sending: &mut Option<Sending>,
    ) -> Result<Reply, Fault> {
        let asked_for = sending.as_ref().map(Sending::asked_for);
        let start = async {
            if let Some(asked_for) = asked_for {
                asked_for.await;
            }
        };
        let run = self.run(context);
        tokio::pin!(run, start);
        tokio::select! {
            biased;
            () = &mut start => {}
            reply = &mut run => return reply,
        }
        if let Some(sending) = sending.take() {
            sending.start();
        }
        run.await
    }

    /// Sends it and waits for the reply, for the destination's loss, or for the deadline.
    ///
    /// # Cancel safety
    /// Dropping it takes the call back at the callee.
    pub(crate) async fn run(&mut self, context: &CallContext) -> Result<Reply, Fault> {
        let end = context.deadline() + LISTEN_GRACE;
        let (subject, envelope) = self.take_message();
        let mut take_back = TakeBack {
            transport: self.transport,
            subjects: self.subjects,
            caller: self.caller,
            call: self.call,
            callee: Some(&self.destination.node),
        };
        let request = self.transport.request(subject, envelope);
        let lost = async {
            self.destination.lost.cancelled().await;
            // In a box: each call carries the room for this, and few get here.
            Box::pin(tokio::time::sleep(LAST_WORD)).await;
        };
        let answer = tokio::select! {
            biased;
            answer = request => answer,
            () = lost => {
                let detail = "the node stopped beating while it had the call in hand";
                return Err(Fault::maybe_executed(FaultKind::NodeLost, Hop::Bus, detail));
            }
            () = tokio::time::sleep_until(end) => {
                let detail = "no reply within the budget";
                return Err(Fault::maybe_executed(FaultKind::DeadlineExceeded, Hop::Bus, detail));
            }
        };
        take_back.callee = None;
        let bytes = answer.map_err(transport_fault)?;
        let reply = Reply::decode(&bytes).map_err(unreadable)?;
        match &reply.head.outcome {
            // The callee could not read whose call it was.
            Err(fault) if reply.head.call == CallId(0) => return Err(fault.clone()),
            _ if reply.head.call != self.call => {
                let detail = "the reply belongs to another call";
                return Err(Fault::maybe_executed(
                    FaultKind::Malformed,
                    Hop::Bus,
                    detail,
                ));
            }
            _ => {}
        }
        Ok(reply)
    }
}

/// What a reply says that cannot be read. A peer of another version could not read the call either.
pub(crate) fn unreadable(error: DecodeError) -> Fault {
    let (kind, execution) = match error {
        DecodeError::Version { .. } => (FaultKind::VersionMismatch, Execution::NotExecuted),
        _ => (FaultKind::Malformed, Execution::MaybeExecuted),
    };
    Fault::new(kind, execution, Hop::Bus, format!("reply: {error}"))
}

/// What a transport's error says of a call.
pub(crate) fn transport_fault(error: TransportError) -> Fault {
    let (kind, execution) = match &error {
        TransportError::NoResponders { .. } => (FaultKind::Unavailable, Execution::NotExecuted),
        TransportError::Disconnected { sent: false } => {
            (FaultKind::Disconnected, Execution::NotExecuted)
        }
        TransportError::Disconnected { sent: true } => {
            (FaultKind::Disconnected, Execution::MaybeExecuted)
        }
        TransportError::TooLarge { .. } => (FaultKind::TooLarge, Execution::NotExecuted),
        TransportError::Closed => (FaultKind::Draining, Execution::NotExecuted),
        TransportError::Refused { .. }
        | TransportError::NotPermitted { .. }
        | TransportError::NotLetIn { .. }
        | TransportError::NotTrusted { .. } => (FaultKind::Denied, Execution::NotExecuted),
    };
    Fault::new(kind, execution, Hop::Bus, error.to_string())
}

/// Takes a call back when its caller gives up before a reply came: by a drop, at the deadline, or
/// because the callee seems lost. A callee that is only slow then stops working for nobody.
///
/// Nothing of the cancellation is made before it is needed: nearly every call ends without.
struct TakeBack<'a> {
    transport: &'a Arc<dyn Transport>,
    subjects: &'a Subjects,
    caller: &'a NodeId,
    call: CallId,
    /// Who has the call in hand; none when it ended.
    callee: Option<&'a NodeId>,
}

impl Drop for TakeBack<'_> {
    fn drop(&mut self) {
        let Some(callee) = self.callee else {
            return;
        };
        // Outside a runtime nobody is left who could send it; the callee's own deadline ends the call.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let transport = Arc::clone(self.transport);
        let subject = self.subjects.cancel(callee);
        let cancel = Cancel {
            call: self.call,
            caller: self.caller.clone(),
        };
        runtime.spawn(async move {
            let Ok(bytes) = cancel.encode() else { return };
            if let Err(error) = transport.publish(Lane::Calls, subject, bytes).await {
                tracing::debug!(%error, "a cancellation was not sent");
            }
        });
    }
}
