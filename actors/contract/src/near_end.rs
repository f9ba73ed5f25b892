//! Who calls by a link, and whether the link is there.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use wrt_protocol::{InterfaceName, Origin};

/// The end of a link at which it is called: whose it is. Made once, with the link; each call carries it to the
/// gate, which remembers there that it has let the link in.
///
/// A link carries one interface to one actor, so what one gate has found out holds for all of the link's calls.
pub struct NearEnd {
    /// None for a call from a node of the build before, which does not say.
    origin: Option<Origin>,
    /// The [state](Authority::state) of links in which it was let in last; 0 for none.
    let_in: AtomicU64,
}

/// Who knows which links there are. That is what is deployed, as the callee's node knows it.
pub trait Authority: Send + Sync + 'static {
    /// Another number, and never 0, as soon as any answer may be another one. Each call asks for it.
    fn state(&self) -> u64;

    /// Whether `origin` may call the actor by `interface`.
    ///
    /// # Errors
    /// Why it may not, and what to write in the manifest so that it may.
    fn check(&self, origin: &Origin, interface: &InterfaceName) -> Result<(), String>;
}

impl NearEnd {
    /// That of `origin`.
    #[must_use]
    pub fn of(origin: Origin) -> Arc<Self> {
        Arc::new(Self::new(Some(origin)))
    }

    /// That of whoever calls from a node of the build before.
    #[must_use]
    pub fn of_earlier_build() -> Arc<Self> {
        static EARLIER: OnceLock<Arc<NearEnd>> = OnceLock::new();
        Arc::clone(EARLIER.get_or_init(|| Arc::new(Self::new(None))))
    }

    fn new(origin: Option<Origin>) -> Self {
        Self {
            origin,
            let_in: AtomicU64::new(0),
        }
    }

    /// Whose it is, if that is known.
    #[must_use]
    pub fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    /// As [`Authority::check`], which is asked once in each state of the links. Who does not say whose it is is
    /// let in: that is a node of the build before.
    pub(crate) fn check(
        &self,
        authority: &dyn Authority,
        interface: &InterfaceName,
    ) -> Result<(), String> {
        let state = authority.state();
        if self.let_in.load(Relaxed) == state {
            return Ok(());
        }
        let Some(origin) = &self.origin else {
            return Ok(());
        };
        authority.check(origin, interface)?;
        self.let_in.store(state, Relaxed);
        Ok(())
    }
}

impl fmt::Debug for NearEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Some(origin) => write!(f, "NearEnd({origin})"),
            None => f.write_str("NearEnd(earlier build)"),
        }
    }
}
