//! Code that nobody names any more, after something was deployed or removed.

use std::collections::BTreeSet;

use wrt_deployment::{Digest, Store};

use super::output::Output;

/// Removes it, and tells what became of it. The deployment is done: what fails here is done by the next
/// one.
pub async fn collect(store: &Store, released: &BTreeSet<Digest>, output: Output) {
    match store.collect(released).await {
        Ok(collected) => {
            let bytes = collected.bytes;
            match collected.components {
                0 => {}
                1 => output.progress(&format!(
                    "removed a component that no app names, {bytes} bytes"
                )),
                more => output.progress(&format!(
                    "removed {more} components that no app names, {bytes} bytes"
                )),
            }
            if !collected.unreadable.is_empty() {
                output.progress(&format!(
                    "no code is removed: any might be that of apps which this build cannot read: {}",
                    collected.unreadable.join(", ")
                ));
            }
        }
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "code that nobody names is not removed");
        }
    }
}
