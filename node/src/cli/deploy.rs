//! What `wrt up` and `wrt rollback` have in common: an app takes the place of what is deployed under its
//! name.

pub mod progress;
mod wait;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use bytes::Bytes;
use wrt_deployment::{Cordons, DesiredApp, Digest, Revision, Store, StoreError, differences};

use super::{
    collect::collect,
    consent::{Consent, ask},
    exit::Failure,
    output::Output,
};
use crate::lattice::Lattice;
use wait::Waiting;

/// How often somebody else may get in between reading an app and changing it.
const PUT_ATTEMPTS_MAX: usize = 5;

/// An app that is to be deployed.
pub struct Deployment<'a> {
    pub lattice: &'a Lattice,
    pub store: &'a Store,
    pub app: &'a DesiredApp,
    /// All that is deployed: they take places, too.
    pub others: &'a [&'a DesiredApp],
    /// The nodes that take nothing new.
    pub cordons: &'a Cordons,
    pub consent: Consent,
    /// How long to wait until every replica is ready, in seconds; 0 does not wait.
    pub timeout: u64,
    pub output: Output,
}

/// Shows what changes, asks if need be, stores it and waits for it; answers the revision that the nodes run.
/// `components` is its code, where that is not in the store for sure.
pub async fn deploy(
    deployment: &Deployment<'_>,
    components: Option<BTreeMap<Digest, Bytes>>,
) -> Result<Revision, Failure> {
    let Deployment {
        lattice,
        store,
        app,
        others,
        cordons,
        timeout,
        output,
        ..
    } = *deployment;
    let (revision, released) = deployment.put(components.as_ref()).await?;
    match components {
        Some(components) => store.claim(app, revision, &components).await?,
        None => store.claim_stored(app, revision).await?,
    }
    output.progress(&format!(
        "{} is deployed in revision {}",
        app.app, revision.0
    ));
    collect(store, &released, output).await;
    if timeout == 0 {
        return Ok(revision);
    }
    let waiting = Waiting {
        lattice,
        store,
        app,
        others,
        cordons,
        revision,
        output,
    };
    waiting.wait(Duration::from_secs(timeout)).await
}

impl Deployment<'_> {
    /// Stores the app in place of whatever is there; the last of two that deploy at once wins, as a
    /// whole, and whoever was asked is asked again where somebody else came in between. Answers its
    /// revision, and the code that what was there has named.
    async fn put(
        &self,
        components: Option<&BTreeMap<Digest, Bytes>>,
    ) -> Result<(Revision, BTreeSet<Digest>), Failure> {
        let (mut attempt, mut agreed) = (1, None);
        loop {
            let (expected, stored) = self.stored().await?;
            if let (Some(revision), Some(stored)) = (expected, &stored)
                && stored == self.app
            {
                self.output.progress("nothing changes");
                // The store may have lost it.
                self.push(components).await?;
                return Ok((revision, BTreeSet::new()));
            }
            let differences = differences(stored.as_ref(), self.app);
            if agreed.as_ref() != Some(&differences) {
                let cannot_read = expected.is_some() && stored.is_none();
                ask(&differences, cannot_read, self.consent, self.output).await?;
                agreed = Some(differences);
                self.push(components).await?;
            }
            match self.store.put(self.app, expected).await {
                Err(StoreError::Conflict { .. }) if attempt < PUT_ATTEMPTS_MAX => attempt += 1,
                put => {
                    let released = stored.iter().flat_map(DesiredApp::code).collect();
                    return Ok((put?, released));
                }
            }
        }
    }

    async fn stored(&self) -> Result<(Option<Revision>, Option<DesiredApp>), Failure> {
        match self.store.app(&self.app.app).await {
            Ok(Some(stored)) => Ok((Some(stored.revision), Some(stored.app))),
            Ok(None) => Ok((None, None)),
            Err(StoreError::Unreadable { app, revision, .. }) => {
                tracing::warn!(%app, "another version of WRT has stored it");
                Ok((Some(revision), None))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Once it is agreed, and before anything names it that does not yet.
    async fn push(&self, components: Option<&BTreeMap<Digest, Bytes>>) -> Result<(), Failure> {
        for bytes in components.into_iter().flat_map(BTreeMap::values) {
            let (digest, pushed) = self.store.push(&self.app.app, bytes).await?;
            if pushed == wrt_deployment::Pushed::New {
                let text = format!("pushed {digest}, {} bytes", bytes.len());
                self.output.progress(&text);
            }
        }
        Ok(())
    }
}
