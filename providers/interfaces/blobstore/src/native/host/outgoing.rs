//! What a guest writes.

mod pipe;

use std::sync::Arc;

use tokio_util::task::AbortOnDropHandle;
use wasmtime_wasi::p2::DynOutputStream;
use wrt_contract::CallContext;
use wrt_protocol::{Fault, FaultKind, Hop};

use self::pipe::Pipe;
use crate::{Blobstore, BlobstoreError, ObjectId};

/// Bytes on their way into an object. Dropped before it is finished, it ends its write, of which then
/// nothing is left.
pub struct OutgoingValue {
    pipe: Arc<Pipe>,
    has_stream: bool,
    /// The provider's operation, which takes what is written.
    write: Option<Write>,
}

type Write = AbortOnDropHandle<Result<(), BlobstoreError>>;

impl Default for OutgoingValue {
    fn default() -> Self {
        Self {
            pipe: Pipe::new(),
            has_stream: false,
            write: None,
        }
    }
}

impl OutgoingValue {
    /// Where the guest writes; once.
    pub(super) fn stream(&mut self) -> Option<DynOutputStream> {
        let is_first = !std::mem::replace(&mut self.has_stream, true);
        is_first.then(|| Box::new(Pipe::output(&self.pipe)) as DynOutputStream)
    }

    /// Begins to write what the guest has written, and what it will.
    pub(super) fn write_to(
        &mut self,
        context: CallContext,
        store: Arc<dyn Blobstore>,
        object: ObjectId,
    ) -> Result<(), BlobstoreError> {
        if self.write.is_some() {
            let text = "the value is on its way into an object: take another one";
            return Err(BlobstoreError::misused(text));
        }
        let body = Pipe::body(&self.pipe);
        let pipe = Arc::clone(&self.pipe);
        let write = async move {
            let written = store.write_data(&context, &object, body).await;
            let reason = match &written {
                Ok(()) => "the object is complete".to_owned(),
                Err(error) => error.to_string(),
            };
            pipe.refuse(reason);
            written
        };
        self.write = Some(AbortOnDropHandle::new(tokio::spawn(write)));
        Ok(())
    }

    /// All is written: waits until it is stored.
    pub(super) async fn finish(mut self) -> Result<(), BlobstoreError> {
        let Some(write) = self.write.take() else {
            let text = "nothing is stored: the value was not given to `write-data`";
            return Err(BlobstoreError::misused(text));
        };
        self.pipe.finish();
        write.await.unwrap_or_else(|panic| {
            let fault = Fault::maybe_executed(FaultKind::Crashed, Hop::Caller, panic.to_string());
            Err(fault.into())
        })
    }
}

impl Drop for OutgoingValue {
    fn drop(&mut self) {
        self.pipe.give_up();
    }
}
