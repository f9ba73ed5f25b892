//! A backend that calls components.

use std::{net::SocketAddr, time::Duration};

use futures::future::BoxFuture;
use serde::de::DeserializeOwned;
use toml::Table;
use wrt_contract::{Interface, Measured};
use wrt_protocol::{InterfaceName, Name};

use crate::{Backend, State};

/// What a server is to call: a component, and the part of the events that it gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target<S> {
    /// The component.
    pub component: Name,
    /// Its events, in the backend's own words: a host and a path, topics.
    pub selection: S,
}

/// A mistake in one of several selections.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SelectionError {
    /// Which of them, from 0.
    pub at: usize,
    /// The field, if it is about one.
    pub field: Option<&'static str>,
    /// What is wrong.
    pub message: String,
}

/// A backend that listens or subscribes, and calls components with what comes.
///
/// ```
/// use std::{sync::Arc, time::Duration};
///
/// use futures::future::BoxFuture;
/// use wrt_contract::{CallContext, interface};
/// use wrt_protocol::Fault;
/// use wrt_runtime::{Backend, NoSettings, Server, ServerLoad, Serving, State, Target};
///
/// /// Is told the time.
/// #[interface(name = "example:clock/listener", error = Fault)]
/// pub trait Listener {
///     /// One tick.
///     async fn tick(&self, context: &CallContext) -> Result<(), Fault>;
/// }
///
/// /// Ticks once.
/// struct Clock;
///
/// impl Backend for Clock {
///     const NAME: &'static str = "clock";
///     type ConnectOptions = NoSettings;
///     type ConnectError = Fault;
///
///     async fn connect_with(_: NoSettings) -> Result<Self, Fault> {
///         Ok(Self)
///     }
/// }
///
/// /// No component gets another tick than the next.
/// #[derive(serde::Deserialize)]
/// struct EveryTick {}
///
/// impl Server for Clock {
///     type Calls = ListenerInterface;
///     type Selection = EveryTick;
///
///     async fn serve<S: State>(
///         self: Arc<Self>,
///         state: &S,
///         targets: Vec<Target<EveryTick>>,
///     ) -> Result<Box<dyn Serving>, Fault> {
///         for target in targets {
///             let listener = state.component::<ListenerInterface>(&target.component);
///             listener.tick(&CallContext::default()).await?;
///         }
///         Ok(Box::new(Ticked))
///     }
/// }
///
/// struct Ticked;
///
/// impl Serving for Ticked {
///     fn load(&self) -> ServerLoad {
///         ServerLoad { in_hand: 0, handled: 1 }
///     }
///
///     fn drain(&self, _patience: Duration) -> BoxFuture<'_, bool> {
///         Box::pin(async { true })
///     }
/// }
/// ```
pub trait Server: Backend {
    /// What a component must offer to be called, where [`Server::called_for`] does not say otherwise.
    type Calls: Interface;

    /// What says which events a component gets. Unknown fields should be refused.
    type Selection: DeserializeOwned + Send + 'static;

    /// Looks at all selections of a provider together.
    ///
    /// # Errors
    /// The first one that makes no sense, or that takes away what another one selects.
    fn check_selections(_selections: &[Self::Selection]) -> Result<(), SelectionError> {
        Ok(())
    }

    /// What the component of a selection must offer: [`Server::Calls`], or an interface that
    /// [`Entry::calls_also`](crate::Entry::calls_also) names.
    #[must_use]
    fn called_for(_selection: &Self::Selection) -> InterfaceName {
        Self::Calls::NAME
    }

    /// The selection of a component that runs without a manifest and offers `interface`. By default it
    /// is empty.
    #[must_use]
    fn selection_for(_interface: &InterfaceName) -> Table {
        Table::new()
    }

    /// Starts to serve. Returns when it listens or has subscribed.
    ///
    /// An earlier server of the same provider and address has closed by then, and is not opened again
    /// when this fails: what can be found wrong without the address belongs to
    /// [`Backend::check`], [`Backend::connect_with`] and [`Server::check_selections`].
    ///
    /// # Errors
    /// As [`Backend::connect_with`].
    ///
    /// # Cancel safety
    /// Dropping the future MUST leave nothing behind.
    fn serve<S: State>(
        self: std::sync::Arc<Self>,
        state: &S,
        targets: Vec<Target<Self::Selection>>,
    ) -> impl Future<Output = Result<Box<dyn Serving>, Self::ConnectError>> + Send;
}

/// What a server has in hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ServerLoad {
    /// Events in hand now.
    pub in_hand: u32,
    /// Events taken since it began.
    pub handled: u64,
}

/// A server that serves. Dropping it stops it at once.
pub trait Serving: Send + Sync {
    /// Where it can be reached in fact, if it listens: port 0 has become another one.
    fn address(&self) -> Option<SocketAddr> {
        None
    }

    /// The scheme of its address as a URL, if it has one: for whoever is told where it listens.
    fn scheme(&self) -> Option<&'static str> {
        None
    }

    /// What it has in hand.
    fn load(&self) -> ServerLoad;

    /// What it counts beside that, by names in its own words (`dead_lettered`), for whoever looks after
    /// it. By default nothing.
    fn counters(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }

    /// What it measures beside that. By default nothing. Attributes are few, and none of them is `wrt.actor`: that
    /// is for who asks.
    fn measured(&self) -> Vec<Measured> {
        Vec::new()
    }

    /// Takes nothing new, and returns when nothing is in hand or the patience is over: whether it came
    /// so far. One that takes longer is dropped.
    fn drain(&self, patience: Duration) -> BoxFuture<'_, bool>;
}
