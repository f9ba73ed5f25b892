//! Export glue: a component that exports `wasi:http` as a handler; and the glue of its imports.

mod body;
mod body_error;
mod error_code;
mod exchange;
mod handler_import;
mod idle;
mod instance;
mod outgoing;
mod p2;
mod p3;
mod progress;
mod response;
mod shared;

use std::sync::Arc;

use http::{
    Uri, header,
    uri::{Authority, PathAndQuery},
};
use wasmtime::{
    Store,
    component::{Instance, InstancePre, Linker, types::Component},
};
use wasmtime_wasi_http::{p2::bindings::ProxyIndices, p3::bindings::ServiceIndices};
use wrt_contract::{Admission, Body, CallContext, Offer, async_trait};
use wrt_host::{Host, InstanceState, Instances, Lent, Package};
use wrt_protocol::{Fault, FaultKind, Hop};

use crate::{
    HandlerAsClient, HttpClientInterface, HttpHandler, HttpHandlerInterface, RequestHead,
    ResponseHead,
};
use exchange::{GuestExchange, HeadSender};
use progress::Progress;
use shared::Shared;

/// `wasi:http`: the requests that a component sends and those that it answers.
///
/// A component that answers requests offers `wasi:http/handler`, and `wasi:http` as well: so it can
/// stand behind another one that sends some.
#[derive(Debug, Clone, Copy, Default)]
pub struct WasiHttp;

/// How the names of exports begin by which a component handles requests.
const HANDLERS: &[&str] = &["wasi:http/incoming-handler@0.2.", "wasi:http/handler@0.3."];

impl Host for WasiHttp {
    fn describe(package: &mut Package) {
        package.answers(&[instance::TYPES_0_2]);
        package.may_import::<HttpClientInterface>(&[instance::OUTGOING_HANDLER_0_2]);
        package
            .answers(&[instance::TYPES_0_3])
            .apart(instance::add_types_0_3);
        package
            .may_import::<HttpClientInterface>(&[instance::CLIENT_0_3])
            .apart(instance::add_client_0_3);
        package
            .imports::<HttpHandlerInterface>(&[handler_import::INTERFACE])
            .apart(handler_import::add_to_linker);
        package.exports::<HttpHandlerInterface>(HANDLERS, |instances, gate| {
            let component = HttpComponent::new(instances)?;
            Ok(component.map(|it| Offer::new::<HttpHandlerInterface>(Arc::new(it), gate)))
        });
        package.exports::<HttpClientInterface>(HANDLERS, |instances, gate| {
            let component = HttpComponent::new(instances)?;
            let client = component.map(|it| HandlerAsClient::new(Arc::new(it)));
            Ok(client.map(|it| Offer::new::<HttpClientInterface>(Arc::new(it), gate)))
        });
    }

    fn add_to_linker(linker: &mut Linker<InstanceState>) -> wasmtime::Result<()> {
        instance::add_0_2(linker)
    }

    fn prepare(instance: &mut InstanceState) {
        instance::prepare(instance);
    }
}

/// A component as a handler: an instance for each request, which may have served another one before; or,
/// where the manifest says so, for several requests at once.
///
/// Until the head of its response, a guest runs on the task of its caller; what is left of it after
/// that runs on a task that ends with the response's body. So a 0.2 guest that is done in one go costs
/// no task, and dropping whichever of the two stops the guest.
pub struct HttpComponent {
    instances: Arc<dyn Instances>,
    export: Arc<Export>,
    shared: Option<Arc<Shared>>,
}

/// What a component exports of `wasi:http`.
struct Export {
    pre: InstancePre<InstanceState>,
    version: Version,
}

/// Which one.
enum Version {
    P2(ProxyIndices),
    P3(ServiceIndices),
}

impl HttpComponent {
    /// The component behind `instances`; `None` if it handles no HTTP. Of one that exports both
    /// versions, the newer is called.
    ///
    /// # Errors
    /// An export with the right name and other types.
    pub fn new(instances: Arc<dyn Instances>) -> wasmtime::Result<Option<Self>> {
        let pre = instances.instance_pre().clone();
        let component = pre.component().component_type();
        let engine = pre.engine();
        let version = if exports(&component, engine, "wasi:http/handler@0.3.") {
            Version::P3(ServiceIndices::new(&pre)?)
        } else if exports(&component, engine, "wasi:http/incoming-handler@0.2.") {
            Version::P2(ProxyIndices::new(&pre)?)
        } else {
            return Ok(None);
        };
        let is_p3 = matches!(version, Version::P3(_));
        let export = Arc::new(Export { pre, version });
        let shared = Shared::new(&instances, &export);
        wasmtime::ensure!(
            is_p3 || shared.is_none(),
            "it handles HTTP as WASI 0.2 has it, one request at a time: take \
             `invocations_at_once_max` out of its limits"
        );
        Ok(Some(Self {
            instances,
            export,
            shared,
        }))
    }
}

fn exports(component: &Component, engine: &wasmtime::Engine, prefix: &str) -> bool {
    component
        .exports(engine)
        .any(|(name, _)| name.starts_with(prefix))
}

#[async_trait]
impl HttpHandler for HttpComponent {
    async fn handle(
        &self,
        context: &CallContext,
        request: RequestHead,
        body: Body,
    ) -> Result<(ResponseHead, Body), Fault> {
        let request = with_authority(request)?.with_body(body);
        let permit = context.admission().and_then(Admission::take);
        if let Some(shared) = &self.shared {
            let response = shared.handle(context, request, permit).await?;
            return Ok(ResponseHead::split(response));
        }
        let prepared = self.instances.prepare(context);
        let exchange = GuestExchange::new(&self.instances, prepared.leash(), &request);
        let export = Arc::clone(&self.export);
        let start =
            |exchange: GuestExchange, asked| exchange.start(export, prepared, asked, permit);
        let response = exchange.run(request, start).await?;
        Ok(ResponseHead::split(response))
    }
}

/// The request with the authority in its URI, where both versions of the guest's interface find it.
/// Bytes from the bus may name none, or name it only in `host`.
fn with_authority(mut request: RequestHead) -> Result<RequestHead, Fault> {
    if request.uri.authority().is_some() {
        return Ok(request);
    }
    let host = request.headers.get(header::HOST);
    let authority = host.and_then(|host| Authority::try_from(host.as_bytes()).ok());
    let path = request.uri.path_and_query().cloned();
    let uri = authority.and_then(|authority| {
        let path = path.unwrap_or_else(|| PathAndQuery::from_static("/"));
        let uri = Uri::builder().scheme("http").authority(authority);
        uri.path_and_query(path).build().ok()
    });
    request.uri = uri.ok_or_else(|| {
        let detail = "the request names no host";
        Fault::not_executed(FaultKind::Malformed, Hop::Actor, detail)
    })?;
    Ok(request)
}

impl Export {
    /// Calls the guest, and answers when nothing of it is left to run: whether its instance may serve
    /// another request.
    async fn call(
        &self,
        lent: &mut Lent,
        request: response::GuestRequest,
        head: HeadSender,
        progress: &Progress,
    ) -> wasmtime::Result<bool> {
        match &self.version {
            Version::P2(indices) => {
                let load =
                    |store: &mut Store<_>, instance: &Instance| indices.load(store, instance);
                let proxy = lent.exports(&self.pre, load).await?;
                p2::call(&proxy, lent, request, head).await?;
                // What it has left open would be taken for the next one's.
                Ok(p2::has_finished_body(lent))
            }
            Version::P3(indices) => {
                let load =
                    |store: &mut Store<_>, instance: &Instance| indices.load(store, instance);
                let service = lent.exports(&self.pre, load).await?;
                p3::call(&service, lent, request, head, progress).await
            }
        }
    }

    /// Ends what bodies the guest, which has returned or failed, has left open, with an error. Answers
    /// whether it is sure that a body which ends without one was finished.
    fn end_bodies(&self, store: &mut Store<InstanceState>, has_returned: bool) -> bool {
        match &self.version {
            Version::P2(_) => {
                p2::abort_bodies(store);
                true
            }
            // The call waits for the end of a 0.3 body. Of one that failed the body itself must be asked.
            Version::P3(_) => has_returned,
        }
    }
}
