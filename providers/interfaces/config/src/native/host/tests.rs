//! The glue as a guest meets it, without a guest.

use wasmtime::{Engine, StoreLimitsBuilder};
use wasmtime_wasi::WasiCtx;
use wrt_contract::{Links, async_trait};
use wrt_host::{InstanceStateParts, Leash};
use wrt_protocol::{Fault, FaultKind, Hop, Name};

use super::*;
use crate::{ConfigDefault, ConfigDefaultOptions, conformance};

fn instance(store: Option<Arc<dyn ConfigStore>>) -> InstanceState {
    let mut links = Links::default();
    if let Some(store) = store {
        links.insert::<ConfigStoreInterface>(Name::new(LINK).expect("a legal name"), store);
    }
    let context = CallContext::default();
    let parts = InstanceStateParts {
        leash: Arc::new(Leash::until(context.deadline())),
        context,
        links: Arc::new(links),
        limits: StoreLimitsBuilder::new().build(),
    };
    InstanceState::new(WasiCtx::builder().build(), parts)
}

/// A provider that no call reaches.
struct Unreachable;

impl Unreachable {
    fn fault() -> ConfigError {
        Fault::not_executed(FaultKind::Unavailable, Hop::Route, "nobody is there").into()
    }
}

#[async_trait]
impl ConfigStore for Unreachable {
    async fn get(&self, _: &CallContext, _: &str) -> Result<Option<String>, ConfigError> {
        Err(Self::fault())
    }

    async fn get_all(&self, _: &CallContext) -> Result<Vec<(String, String)>, ConfigError> {
        Err(Self::fault())
    }
}

#[test]
fn all_versions_fit_into_one_linker() {
    let mut linker = Linker::<InstanceState>::new(&Engine::default());
    WasiConfig::add_to_linker(&mut linker).expect("no collision");
}

#[tokio::test]
async fn every_version_reads_the_same_values() {
    let options = ConfigDefaultOptions {
        values: conformance::values(),
    };
    let store = ConfigDefault::new(options).expect("within the limits");
    let mut state = instance(Some(Arc::new(store)));
    let expected: Vec<_> = conformance::values().into_iter().collect();
    macro_rules! check {
        ($($interface:path),*) => {$({
            use $interface as interface;
            let key = "greeting".to_owned();
            let value = interface::Host::get(&mut state, key).await.expect("get");
            assert_eq!(value.as_deref(), Some("hello"));
            let all = interface::Host::get_all(&mut state).await.expect("get all");
            assert!(all == expected);
        })*};
    }
    check!(
        rc1::store,
        draft_2024_09_27::store,
        draft::store,
        draft::runtime
    );
}

#[tokio::test]
async fn a_fault_is_the_guests_error_and_no_trap() {
    let mut state = instance(Some(Arc::new(Unreachable)));
    let error = rc1::store::Host::get(&mut state, "greeting".to_owned()).await;
    let error = error.expect_err("nobody is there");
    match rc1::store::Host::convert_error(&mut state, error).expect("no trap") {
        rc1::store::Error::Io(text) => assert!(text.contains("nobody is there"), "{text}"),
        rc1::store::Error::Upstream(text) => panic!("{text}"),
    }
}

#[tokio::test]
async fn without_a_link_the_guest_is_told_so() {
    let mut state = instance(None);
    let error = draft::runtime::Host::get_all(&mut state).await;
    let error = error.expect_err("nothing is linked");
    match draft::runtime::Host::convert_config_error(&mut state, error).expect("no trap") {
        draft::runtime::ConfigError::Upstream(text) => assert!(text.contains("linked"), "{text}"),
        draft::runtime::ConfigError::Io(text) => panic!("{text}"),
    }
}
