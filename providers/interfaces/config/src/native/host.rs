//! Host glue: every published version over the one trait.
//!
//! They all have the same two functions; what differs is the name of the interface (`runtime` at
//! first, then `store`) and of its error.

mod bindings;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use wasmtime::component::{HasSelf, Linker};
use wrt_contract::CallContext;
use wrt_host::{Host, InstanceState, Package};

use crate::{ConfigError, ConfigStore, ConfigStoreInterface};
use bindings::{draft, draft_2024_09_27, rc1};

/// The link that serves the interface: it knows no names.
const LINK: &str = "default";

/// `wasi:config`, in every version that components are built with.
#[derive(Debug, Clone, Copy, Default)]
pub struct WasiConfig;

impl Host for WasiConfig {
    fn describe(package: &mut Package) {
        package.imports::<ConfigStoreInterface>(&[
            "wasi:config/store@0.2.0-rc.1",
            "wasi:config/store@0.2.0-draft-2024-09-27",
            "wasi:config/store@0.2.0-draft",
            "wasi:config/runtime@0.2.0-draft",
        ]);
    }

    fn add_to_linker(linker: &mut Linker<InstanceState>) -> wasmtime::Result<()> {
        rc1::store::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
        draft_2024_09_27::store::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
        draft::store::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
        draft::runtime::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
    }
}

/// Who serves the instance's link, and the call that it is in.
fn linked(state: &InstanceState) -> Result<(Arc<dyn ConfigStore>, CallContext), ConfigError> {
    let store = state.link::<ConfigStoreInterface>(LINK);
    Ok((
        store.ok_or(ConfigError::NotLinked)?,
        state.context().clone(),
    ))
}

/// The one place where an error, a fault among them, becomes words for a guest.
macro_rules! glue {
    ($interface:path, $error:ident, $convert:ident) => {
        const _: () = {
            use $interface as interface;

            impl interface::Host for InstanceState {
                async fn get(&mut self, key: String) -> Result<Option<String>, ConfigError> {
                    let (store, context) = linked(self)?;
                    store.get(&context, &key).await
                }

                async fn get_all(&mut self) -> Result<Vec<(String, String)>, ConfigError> {
                    let (store, context) = linked(self)?;
                    store.get_all(&context).await
                }

                fn $convert(&mut self, error: ConfigError) -> wasmtime::Result<interface::$error> {
                    let text = error.to_string();
                    Ok(match error {
                        ConfigError::Fault(fault) => {
                            tracing::debug!(%fault, "a setting could not be read");
                            <interface::$error>::Io(text)
                        }
                        _ => <interface::$error>::Upstream(text),
                    })
                }
            }
        };
    };
}

glue!(rc1::store, Error, convert_error);
glue!(draft_2024_09_27::store, Error, convert_error);
glue!(draft::store, Error, convert_error);
glue!(draft::runtime, ConfigError, convert_config_error);
