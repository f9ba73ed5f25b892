//! The glue as a guest meets it, without a guest; and what the log shows.

use std::{collections::BTreeSet, io, path::Path, sync::Arc};

use parking_lot::Mutex;
use tracing_subscriber::fmt::MakeWriter;
use wasmtime::Engine;
use wit_parser::Resolve;
use wrt_contract::{CallContext, Links};
use wrt_host::{GUEST_CONTEXT_BYTES_MAX, GUEST_MESSAGE_BYTES_MAX};
use wrt_protocol::{ActorAddress, TraceContext};
use wrt_test_kit::{instance_in, name};

use super::*;

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn instance() -> InstanceState {
    let trace = TraceContext::parse(TRACE, None);
    assert!(trace.is_some());
    let context = CallContext::default().with_trace(trace);
    instance_in(context, Links::default())
        .of_actor(ActorAddress::component(name("shop"), name("cart")))
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn logged(messages: &[(draft::logging::Level, &str, &str)]) -> String {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .with_ansi(false)
        .without_time()
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        let mut state = instance();
        for (level, context, message) in messages {
            let (context, message) = ((*context).to_owned(), (*message).to_owned());
            draft::logging::Host::log(&mut state, *level, context, message);
        }
    });
    let bytes = log.0.lock().clone();
    String::from_utf8(bytes).expect("a log is text")
}

#[test]
fn a_message_says_who_speaks_and_in_which_span() {
    use draft::logging::Level;

    let text = logged(&[
        (Level::Trace, "", "one"),
        (Level::Debug, "db", "two"),
        (Level::Info, "", "three"),
        (Level::Warn, "", "four"),
        (Level::Error, "", "five"),
        (Level::Critical, "", "six"),
    ]);
    let of = |level: &str, message: &str, context: &str, end: &str| {
        format!(
            "{level:>5} wrt::guest: {message} app=shop component=cart{context} \
             trace=4bf92f3577b34da6a3ce929d0e0e4736 span=00f067aa0ba902b7{end}\n"
        )
    };
    let expected = [
        of("TRACE", "one", "", ""),
        of("DEBUG", "two", " context=db", ""),
        of("INFO", "three", "", ""),
        of("WARN", "four", "", ""),
        of("ERROR", "five", "", ""),
        of("ERROR", "six", "", " critical=true"),
    ];
    assert_eq!(text, expected.concat());
}

/// Words of a guest's must not look like the node's.
#[test]
fn a_message_is_one_line_without_escape_sequences_and_not_too_long() {
    use draft::logging::Level;

    let forged = "\u{1b}[2Jhello\r\n2026-01-01T00:00:00Z  WARN wrt_node: the node is on fire";
    let long = "\u{e9}".repeat(GUEST_MESSAGE_BYTES_MAX);
    let text = logged(&[
        (Level::Info, "a\nb\u{1b}", forged),
        (Level::Info, &long, &long),
    ]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(!text.contains(['\u{1b}', '\r']), "{text}");
    assert!(lines[0].contains(r"\u{1b}[2Jhello\r\n2026"), "{text}");
    assert!(lines[0].contains(r"context=a\nb\u{1b}"), "{text}");
    assert!(
        lines[1].contains("\u{e9} (cut) app=shop"),
        "it says that there was more"
    );
    assert!(lines[1].len() < GUEST_MESSAGE_BYTES_MAX + GUEST_CONTEXT_BYTES_MAX + 200);
}

#[test]
fn both_versions_fit_into_one_linker_and_log_alike() {
    let mut linker = Linker::<InstanceState>::new(&Engine::default());
    WasiLogging::add_to_linker(&mut linker).expect("no collision");
    let mut state = instance();
    let level = unversioned::logging::Level::Info;
    unversioned::logging::Host::log(&mut state, level, String::new(), "heard".to_owned());
}

/// What bindgen compiled is what the published packages have: one function, and nothing beside it.
#[test]
fn the_host_lists_what_the_packages_have() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../wit/deps");
    let mut interfaces = BTreeSet::new();
    for (package, version) in [
        ("logging-0.1.0-draft", "@0.1.0-draft"),
        ("logging-unversioned", ""),
    ] {
        let mut resolve = Resolve::default();
        let (id, _) = resolve.push_dir(folder.join(package)).expect("WIT");
        for (name, interface) in &resolve.packages[id].interfaces {
            interfaces.insert(format!("wasi:logging/{name}{version}"));
            let functions: Vec<_> = resolve.interfaces[*interface].functions.keys().collect();
            assert_eq!(functions, ["log"]);
        }
    }
    let listed: BTreeSet<_> = Package::of::<WasiLogging>()
        .wit()
        .map(str::to_owned)
        .collect();
    assert_eq!(listed, interfaces);
}
