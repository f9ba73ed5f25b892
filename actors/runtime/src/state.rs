//! What a running app has.

use std::sync::Arc;

use wrt_contract::{Callee, Caller, Interface, LocalDirectory};
use wrt_host::LinkSite;
use wrt_protocol::{ActorAddress, Name, Origin};

use crate::{Alone, Capacity, Deployments, Ownership, Reports, Siblings, capacity::OfComponent};

/// What a running app has: the ways to its components, wherever they run.
///
/// ```
/// use wrt_contract::{CallContext, interface};
/// use wrt_protocol::{Fault, Name};
/// use wrt_runtime::State;
/// # use futures::future::BoxFuture;
/// # use wrt_contract::{Answer, Caller, Invocation};
/// # use wrt_protocol::{FaultKind, Hop};
/// # use wrt_runtime::LatticeState;
///
/// /// Is told the time.
/// #[interface(name = "example:clock/listener", error = Fault)]
/// pub trait Listener {
///     /// One tick.
///     async fn tick(&self, context: &CallContext) -> Result<(), Fault>;
/// }
///
/// /// Tells each of `components` once.
/// async fn tick(state: &impl State, components: &[Name]) -> Result<(), Fault> {
///     for component in components {
///         let listener = state.component::<ListenerInterface>(component);
///         listener.tick(&CallContext::default()).await?;
///     }
///     Ok(())
/// }
///
/// # struct Nobody;
/// # impl Caller for Nobody {
/// #     fn call<'a>(
/// #         &'a self,
/// #         _: &'a CallContext,
/// #         _: Invocation,
/// #     ) -> BoxFuture<'a, Result<Answer, Fault>> {
/// #         let fault = Fault::not_executed(FaultKind::Unavailable, Hop::Route, "nobody");
/// #         Box::pin(std::future::ready(Err(fault)))
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let app = Name::new("shop")?;
/// # let state = LatticeState::new(app, Default::default(), std::sync::Arc::new(Nobody));
/// // The component is looked for when it is called.
/// let told = tick(&state, &[Name::new("cart")?]).await;
/// assert_eq!(told.unwrap_err().kind(), FaultKind::Unavailable);
/// # Ok(())
/// # }
/// ```
pub trait State: Send + Sync + 'static {
    /// The app.
    fn app(&self) -> &Name;

    /// The way to what a component offers as `I`. It leads to the replica on this node while there is
    /// one, and over the bus otherwise; that the component exists was checked at deploy.
    fn component<I: Interface>(&self, component: &Name) -> Arc<I::Object>;

    /// How much the replicas of that component can take in hand as `I`.
    fn capacity<I: Interface>(&self, component: &Name) -> Arc<dyn Capacity>;

    /// Who sees to it that one replica of this provider does a work at a time.
    fn ownership(&self) -> Arc<dyn Ownership>;

    /// Who else is a replica of this provider.
    fn siblings(&self) -> Arc<dyn Siblings>;

    /// What is deployed of the app's components.
    fn deployments(&self) -> Arc<dyn Deployments>;

    /// The way to what this provider offers as `I`, for calls that are pinned to one of its replicas; none
    /// where there is only this one.
    fn itself<I: Interface>(&self) -> Option<Arc<I::Object>>;
}

/// An app as a node of a lattice has it.
#[derive(Clone)]
pub struct LatticeState {
    app: Name,
    directory: Arc<LocalDirectory>,
    caller: Arc<dyn Caller>,
    ownership: Arc<dyn Ownership>,
    reports: Option<Arc<dyn Reports>>,
    siblings: Arc<dyn Siblings>,
    deployments: Arc<dyn Deployments>,
    provider: Option<ActorAddress>,
    origin: Origin,
}

impl LatticeState {
    /// `app` on the node whose replicas are in `directory`, and which reaches others by `caller`. Until it is
    /// said whose it is, it is an operator's.
    #[must_use]
    pub fn new(app: Name, directory: Arc<LocalDirectory>, caller: Arc<dyn Caller>) -> Self {
        Self {
            app,
            directory,
            caller,
            ownership: Arc::new(Alone),
            reports: None,
            siblings: Arc::new(Alone),
            deployments: Arc::new(Alone),
            provider: None,
            origin: Origin::Operator,
        }
    }

    /// The same, for `provider`, who makes all calls by it.
    #[must_use]
    pub fn of_provider(self, provider: ActorAddress) -> Self {
        Self {
            origin: provider.into(),
            ..self
        }
    }

    /// The same, for a replica among others.
    #[must_use]
    pub fn with_ownership(self, ownership: Arc<dyn Ownership>) -> Self {
        Self { ownership, ..self }
    }

    /// The same, where it is known what is deployed.
    #[must_use]
    pub fn with_deployments(self, deployments: Arc<dyn Deployments>) -> Self {
        Self {
            deployments,
            ..self
        }
    }

    /// The same, where other nodes say what their replicas have in hand.
    #[must_use]
    pub fn with_reports(self, reports: Arc<dyn Reports>) -> Self {
        Self {
            reports: Some(reports),
            ..self
        }
    }

    /// The same, for the replica of `provider` among these.
    #[must_use]
    pub fn with_siblings(self, provider: ActorAddress, siblings: Arc<dyn Siblings>) -> Self {
        Self {
            siblings,
            provider: Some(provider),
            ..self
        }
    }

    /// A link's two ends: here, and `target`.
    #[must_use]
    pub fn site(&self, target: impl Into<Callee>) -> LinkSite<'_> {
        LinkSite {
            directory: &self.directory,
            caller: &self.caller,
            origin: self.origin.clone(),
            target: target.into(),
        }
    }
}

impl State for LatticeState {
    fn app(&self) -> &Name {
        &self.app
    }

    fn component<I: Interface>(&self, component: &Name) -> Arc<I::Object> {
        let target = ActorAddress::component(self.app.clone(), component.clone());
        self.site(target).object::<I>()
    }

    fn capacity<I: Interface>(&self, component: &Name) -> Arc<dyn Capacity> {
        let component = ActorAddress::component(self.app.clone(), component.clone());
        Arc::new(OfComponent {
            here: self.directory.slot::<I>(&component),
            elsewhere: self.reports.clone(),
            component,
        })
    }

    fn ownership(&self) -> Arc<dyn Ownership> {
        Arc::clone(&self.ownership)
    }

    fn siblings(&self) -> Arc<dyn Siblings> {
        Arc::clone(&self.siblings)
    }

    fn deployments(&self) -> Arc<dyn Deployments> {
        Arc::clone(&self.deployments)
    }

    fn itself<I: Interface>(&self) -> Option<Arc<I::Object>> {
        let provider = self.provider.clone()?;
        Some(self.site(provider).object::<I>())
    }
}
