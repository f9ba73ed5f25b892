//! The glue as a guest meets it, without a guest.

use wasmtime::Engine;
use wrt_protocol::FaultKind;
use wrt_test_kit::{linked_instance, unreachable};

use super::*;
use crate::{ConfigDefault, ConfigDefaultOptions, conformance};

fn instance(links: &[(&str, &Arc<dyn ConfigStore>)]) -> InstanceState {
    linked_instance::<ConfigStoreInterface>(links)
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
    let store: Arc<dyn ConfigStore> = Arc::new(store);
    let mut state = instance(&[(LINK, &store)]);
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
    let store = unreachable::<ConfigStoreInterface>(FaultKind::Unavailable);
    let mut state = instance(&[(LINK, &store)]);
    let error = rc1::store::Host::get(&mut state, "greeting".to_owned()).await;
    let error = error.expect_err("nobody is there");
    match rc1::store::Host::convert_error(&mut state, error).expect("no trap") {
        rc1::store::Error::Io(text) => assert!(text.contains("nobody is there"), "{text}"),
        rc1::store::Error::Upstream(text) => panic!("{text}"),
    }
}

#[tokio::test]
async fn without_a_link_the_guest_is_told_so() {
    let mut state = instance(&[]);
    let error = draft::runtime::Host::get_all(&mut state).await;
    let error = error.expect_err("nothing is linked");
    match draft::runtime::Host::convert_config_error(&mut state, error).expect("no trap") {
        draft::runtime::ConfigError::Upstream(text) => assert!(text.contains("linked"), "{text}"),
        draft::runtime::ConfigError::Io(text) => panic!("{text}"),
    }
}
