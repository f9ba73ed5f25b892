//! A backend: code for one vendor's service.

use std::{convert::Infallible, error::Error};

use wrt_contract::CallContext;

use crate::{FromEnv, NoSettings, ServicePermissions, SettingsError, Usage};

/// The setting that [`Backend::address`] is read from.
pub const ADDRESS_SETTING: &str = "address";

/// The setting that [`Backend::deduplicates_for_ms`] is read from.
pub const DEDUPLICATION_SETTING: &str = "deduplicate_for_ms";

/// Connects to one vendor's service, and is the provider once connected.
///
/// What it does for a WIT package is in [`Serves`](crate::Serves), one line for each.
///
/// ```
/// use wrt_runtime::{Backend, FromEnv};
///
/// /// A greeter that lives in this process.
/// struct Greeter { greeting: String }
///
/// /// How it greets.
/// #[derive(confique::Config)]
/// struct GreeterOptions {
///     /// What it says.
///     #[config(env = "GREETING", default = "hello")]
///     greeting: String,
/// }
///
/// impl Backend for Greeter {
///     const NAME: &'static str = "greeter";
///     type ConnectOptions = GreeterOptions;
///     type ConnectError = std::convert::Infallible;
///
///     async fn connect_with(options: GreeterOptions) -> Result<Self, Self::ConnectError> {
///         Ok(Self { greeting: options.greeting })
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let greeter = Greeter::connect_with(GreeterOptions::from_env()?).await?;
/// assert_eq!(greeter.greeting, "hello");
/// # Ok(())
/// # }
/// ```
pub trait Backend: Sized + Send + Sync + 'static {
    /// Its name in manifests. Backends of one name are the parts of one provider, as the in-memory
    /// ones of all interfaces are.
    const NAME: &'static str;

    /// Those of its settings that are paths of files on the node. A manifest gives them by reference
    /// only, `{ env = "NAME" }`, to a variable that the node's operator lets through; a list of files
    /// comes from its own variable alone.
    const NODE_FILES: &'static [&'static str] = &[];

    /// Its settings.
    type ConnectOptions: FromEnv;

    /// Why it is not connected. Its text, and those below it, MUST hold no secret.
    type ConnectError: Error + Send + Sync + 'static;

    /// Connects. Called again, with growing pauses, for as long as it fails.
    ///
    /// # Errors
    /// Why there is no connection; [`Backend::is_for_good`] says whether another attempt makes sense.
    ///
    /// # Cancel safety
    /// Dropping the future MUST leave nothing behind: that is how an attempt is given up.
    fn connect_with(
        options: Self::ConnectOptions,
    ) -> impl Future<Output = Result<Self, Self::ConnectError>> + Send;

    /// Whether another attempt is not expected to help: a URL that is none, and not a server that is
    /// away. Attempts go on all the same, rarely.
    #[must_use]
    fn is_for_good(_error: &Self::ConnectError) -> bool {
        false
    }

    /// Looks at settings that are complete: what their types cannot say.
    ///
    /// # Errors
    /// The first one that makes no sense.
    fn check(_options: &Self::ConnectOptions) -> Result<(), SettingsError> {
        Ok(())
    }

    /// Whether the service answers; asked every few seconds. By default it is taken to.
    ///
    /// # Errors
    /// Why not, for the log. A provider that does not answer is connected anew.
    fn probe(
        &self,
        _context: &CallContext,
    ) -> impl Future<Output = Result<(), Box<dyn Error + Send + Sync>>> + Send {
        async { Ok(()) }
    }

    /// Sends what it still holds for its service: called once, when nothing calls it any more. By default there is
    /// nothing. It is given what is left of the time in which the node lets calls end, at least half a second and at
    /// most five; what is not sent by then is lost, as it is where a node dies. So nothing that was acknowledged MUST
    /// wait for this.
    ///
    /// # Cancel safety
    /// Dropping the future is how it is given up.
    fn close(&self) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// Where it listens, if it does: an address that one provider of a node has at a time.
    ///
    /// The setting that says so MUST be called `address` ([`ADDRESS_SETTING`]): `--address` of the
    /// command line sets that one, and a reference there (`address = { env = "HTTP_ADDR" }`) is known
    /// to be an address. Others must know it; so a variable of a single node, which the manifest does
    /// not refer to, does not fill it.
    #[must_use]
    fn address(_options: &Self::ConnectOptions) -> Option<String> {
        None
    }

    /// For how long, in milliseconds, a call that arrives again under its idempotency key gets its
    /// first answer, so that callers may try it again.
    ///
    /// The setting that says so MUST be called `deduplicate_for_ms` ([`DEDUPLICATION_SETTING`]). Every
    /// caller must know it: so it is no reference, and a variable of a single node does not fill it.
    #[must_use]
    fn deduplicates_for_ms(_options: &Self::ConnectOptions) -> Option<u64> {
        None
    }

    /// The least that its service must permit it for what an app does by it, where that service permits users
    /// subjects to publish and to subscribe to. Settings that are references have a text of no meaning here.
    #[must_use]
    fn permissions(
        _options: &Self::ConnectOptions,
        _usage: &Usage<'_>,
    ) -> Option<ServicePermissions> {
        None
    }
}

/// A [`Backend`] that needs no service and no settings: it lives in the node's process, and is made
/// instead of connected.
///
/// ```
/// use wrt_runtime::{Backend, InProcess};
///
/// #[derive(Default)]
/// struct Greeter;
///
/// impl InProcess for Greeter {
///     const NAME: &'static str = "greeter";
/// }
///
/// assert_eq!(<Greeter as Backend>::NAME, "greeter");
/// ```
pub trait InProcess: Default + Send + Sync + 'static {
    /// [`Backend::NAME`].
    const NAME: &'static str;
}

impl<B: InProcess> Backend for B {
    const NAME: &'static str = <B as InProcess>::NAME;

    type ConnectOptions = NoSettings;
    type ConnectError = Infallible;

    async fn connect_with(_: NoSettings) -> Result<Self, Infallible> {
        Ok(Self::default())
    }
}
