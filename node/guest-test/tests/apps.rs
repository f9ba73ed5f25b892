//! Components that know nothing of this crate, in a test: what is behind them, and what is told of what is not.

use std::path::PathBuf;

use bytes::Bytes;
use http::Response;
use wrt_guest_test::{App, Error, Result, Setup};

/// A component of the examples, as `cargo xtask guests` builds it.
fn guest(name: &str) -> Result<Setup> {
    let examples = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let release = examples.join("target/wasm32-wasip2/release");
    App::of_file(release.join(name).with_extension("wasm"))
}

fn refused<T>(result: Result<T>, words: &[&str]) {
    let told = match result {
        Ok(_) => panic!("{words:?} were expected"),
        Err(error) => error.to_string(),
    };
    for word in words {
        assert!(told.contains(word), "{word}: {told}");
    }
}

#[test]
fn both_versions_of_http_answer() -> Result {
    for name in ["hello_http", "hello_http_p3"] {
        let app = guest(name)?.start()?;
        let answer = app.send("GET", "/", "")?;
        let found = (answer.status, answer.text());
        assert_eq!(found, (200, "Hello from WRT\n".to_owned()), "{name}");
    }
    Ok(())
}

#[test]
fn a_component_sees_its_environment_and_its_configuration() -> Result {
    let probe = guest("probe")?.environment("WHO", "me").start()?;
    assert_eq!(probe.send("GET", "/env", "")?.text(), "WHO=me\n");
    let settings = guest("settings")?.config("greeting", "hello").start()?;
    assert_eq!(settings.send("GET", "/greeting", "")?.text(), "hello");
    assert_eq!(settings.send("GET", "/never", "")?.status, 404);
    Ok(())
}

#[test]
fn each_app_has_a_store_of_its_own() -> Result {
    let (one, other) = (guest("counter")?.start()?, guest("counter")?.start()?);
    one.set_value("default", "visits", "41")?;
    assert_eq!(one.send("POST", "/visits", "")?.text(), "42");
    assert_eq!(
        one.value("default", "visits")?,
        Some(Bytes::from_static(b"42"))
    );
    assert_eq!(other.send("GET", "/visits", "")?.text(), "0");
    Ok(())
}

#[test]
fn objects_are_there_for_both_sides() -> Result {
    let app = guest("blobstore")?.start()?;
    app.set_object("box", "a", "abc")?;
    assert_eq!(app.send("GET", "/box/a", "")?.text(), "abc");
    assert_eq!(app.send("PUT", "/box/b", "from the guest")?.status, 200);
    let object = app.object("box", "b")?;
    assert_eq!(object, Some(Bytes::from_static(b"from the guest")));
    assert_eq!(
        (app.object("box", "c")?, app.object("bag", "a")?),
        (None, None)
    );
    Ok(())
}

#[test]
fn the_test_answers_for_other_servers() -> Result {
    let app = guest("fetch")?
        .environment("UPSTREAM", "http://shop.example")
        .start()?;
    let denied = app.send("POST", "/orders", "")?;
    assert!(
        denied.text().contains("HttpRequestDenied"),
        "{}",
        denied.text()
    );
    app.outside(|request| {
        let text = format!("{} {}: ", request.method(), request.uri());
        let body = [text.as_bytes(), request.body()].concat();
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = http::StatusCode::CREATED;
        response
    });
    let answer = app.send("POST", "/orders?x=1", "tea")?;
    let found = (answer.status, answer.text());
    let expected = (201, "POST http://shop.example/orders?x=1: tea".to_owned());
    assert_eq!(found, expected);
    Ok(())
}

#[test]
fn what_is_not_there_is_told_with_what_to_do() -> Result {
    refused(
        guest("never_built"),
        &["never_built.wasm", "build it first"],
    );
    refused(
        App::of_file(file!()).and_then(Setup::start),
        &["is no component"],
    );
    let served = guest("identity").and_then(Setup::start);
    refused(served, &["wrt:identity", "`wrt-node run` and a manifest"]);
    let app = guest("hello_http")?.start()?;
    let not_imported = "the component does not import wasi:keyvalue";
    refused(app.value("default", "a"), &[not_imported]);
    let no_handler = [
        "exports no wasi:messaging/incoming-handler",
        "topics::export!",
    ];
    refused(app.deliver("orders.placed", "x"), &no_handler);
    refused(app.deliver("orders..placed", "x"), &no_handler);
    refused(app.answers("a..b", |_| None), &["no topics are named so"]);
    refused(app.send("GET", "no path", ""), &["this is no request"]);
    refused(app.span("never"), &["no span \"never\" has come"]);
    Ok(())
}

#[test]
fn a_trap_is_an_error_and_not_the_end() -> Result {
    let app = guest("probe")?.start()?;
    refused(app.send("GET", "/trap", ""), &["GET /trap has no answer"]);
    assert_eq!(app.send("GET", "/hello", "")?.status, 200);
    Ok(())
}

#[test]
fn an_error_is_printed_as_it_reads() {
    let error: Error = App::of_file("never.wasm").expect_err("it is not there");
    assert_eq!(format!("{error:?}"), error.to_string());
}
