//! The interface on the lattice. Written by hand, because its one operation carries bodies.

use std::sync::Arc;

use wrt_contract::{Caller, Dispatch, Gate, Interface, LocalSlot, Operation, Target};
use wrt_protocol::{InterfaceName, OperationName};

use crate::{
    HttpHandler, dispatcher::HttpDispatcher, guard::HttpGuarded, link::HttpLink, remote::HttpRemote,
};

/// [`HttpHandler`] on the lattice, as `wasi:http`.
#[derive(Debug, Clone, Copy)]
pub struct HttpInterface;

/// The one operation. The table says that it is not idempotent; each call says it for its method.
pub(crate) const HANDLE: OperationName = OperationName::from_static("handle");

impl Interface for HttpInterface {
    type Object = dyn HttpHandler;

    const NAME: InterfaceName = InterfaceName::from_static("wasi:http");

    const OPERATIONS: &'static [Operation] = &[Operation {
        name: HANDLE,
        idempotent: false,
        keyed: false,
        one_way: false,
    }];

    fn remote(caller: Arc<dyn Caller>, target: Target) -> Arc<dyn HttpHandler> {
        Arc::new(HttpRemote::new(caller, target.address))
    }

    fn guarded(inner: Arc<dyn HttpHandler>, gate: Arc<Gate>) -> Arc<dyn HttpHandler> {
        Arc::new(HttpGuarded::new(inner, gate))
    }

    fn linked(
        local: LocalSlot<dyn HttpHandler>,
        remote: Arc<dyn HttpHandler>,
    ) -> Arc<dyn HttpHandler> {
        Arc::new(HttpLink::new(local, remote))
    }

    fn dispatcher(inner: Arc<dyn HttpHandler>) -> Arc<dyn Dispatch> {
        Arc::new(HttpDispatcher::new(inner))
    }
}
