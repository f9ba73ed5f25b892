//! Bytes that are no component, or nearly one.

#[path = "component/guest.rs"]
mod guest;
#[path = "component/world.rs"]
mod world;

use proptest::prelude::*;
use wrt_component::inspect;

proptest! {
    #[test]
    fn any_bytes_get_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        let _answer = inspect(&bytes);
        let component = [b"\0asm\x0d\0\x01\0", bytes.as_slice()].concat();
        let _answer = inspect(&component);
        let artefact = [b"wrt-aot\0", bytes.as_slice()].concat();
        prop_assert!(inspect(&artefact).is_err());
    }

    #[test]
    fn an_altered_component_gets_an_answer(at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let mut bytes = guest::printer();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let _answer = inspect(&bytes);
        bytes.truncate(at);
        let _answer = inspect(&bytes);
    }
}

/// The compiler as well: what `inspect` lets through it either takes or refuses.
#[tokio::test]
async fn an_altered_component_compiles_or_does_not() {
    let engines = world::engines();
    let sound = guest::calculator();
    for at in (8..sound.len()).step_by(7) {
        let mut bytes = sound.clone();
        bytes[at] ^= 0x41;
        if let Err(error) = engines.compile(bytes.into()).await {
            assert_ne!(
                error.to_string(),
                "the compile job was stopped",
                "byte {at}"
            );
        }
    }
}
