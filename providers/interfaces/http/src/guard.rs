//! Admission before a request, the deadline around the head of its response.

use std::sync::Arc;

use wrt_contract::{Body, CallContext, Gate, async_trait};
use wrt_protocol::{Fault, Hop};

use crate::{
    HttpHandler,
    admission::{Admission, hold},
};

/// `inner` behind `gate`.
pub(crate) struct HttpGuarded {
    inner: Arc<dyn HttpHandler>,
    gate: Arc<Gate>,
}

impl HttpGuarded {
    pub(crate) fn new(inner: Arc<dyn HttpHandler>, gate: Arc<Gate>) -> Self {
        Self { inner, gate }
    }
}

#[async_trait]
impl HttpHandler for HttpGuarded {
    async fn handle(
        &self,
        context: &CallContext,
        mut request: http::Request<Body>,
    ) -> Result<http::Response<Body>, Fault> {
        let admission = Admission::new(self.gate.admit(context).await?);
        request.extensions_mut().insert(admission.clone());
        let work = self.inner.handle(context, request);
        let response = context.bound(Hop::Actor, work).await??;
        Ok(match admission.take() {
            Some(permit) => response.map(|body| hold(permit, body)),
            None => response,
        })
    }
}
