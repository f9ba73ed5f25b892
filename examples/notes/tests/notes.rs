//! What the component does, without a server.

use wrt_guest_test::{App, Result, SpanStatus};

fn app() -> Result<App> {
    App::of_this_crate()?.start()
}

#[test]
fn a_note_is_kept_and_given_back() -> Result {
    let app = app()?;
    let note = r#"{"text":"two bottles","tags":["shop"]}"#;
    for (method, target, body, status, expected) in [
        ("PUT", "/notes/milk", note, 201, note),
        ("PUT", "/notes/milk", note, 200, note),
        ("GET", "/notes/milk", "", 200, note),
        (
            "PUT",
            "/notes/a%2Fb",
            r#"{"text":"x"}"#,
            201,
            r#"{"text":"x","tags":[]}"#,
        ),
        ("GET", "/notes", "", 200, r#"["a/b","milk"]"#),
        ("DELETE", "/notes/milk", "", 204, ""),
        ("HEAD", "/notes", "", 200, ""),
    ] {
        let answer = app.send(method, target, body)?;
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (status, expected),
            "{method} {target}"
        );
    }
    assert_eq!(
        app.value("notes", "a/b")?.as_deref(),
        Some(&br#"{"text":"x","tags":[]}"#[..])
    );
    assert_eq!(app.value("notes", "milk")?, None);
    Ok(())
}

#[test]
fn what_is_no_note_is_refused() -> Result {
    let app = app()?;
    let long = format!(r#"{{"text":"{}"}}"#, "x".repeat(64 * 1024));
    for (method, target, body, status, words) in [
        ("GET", "/notes/never", "", 404, "there is no note"),
        ("GET", "/never", "", 404, "nothing is here"),
        ("POST", "/notes/milk", "", 405, "DELETE, GET, HEAD, PUT"),
        ("PUT", "/notes/milk", "", 415, "send JSON"),
        ("PUT", "/notes/milk", "milk", 415, "send JSON"),
        ("PUT", "/notes/milk", "{}", 400, "missing field `text`"),
        (
            "PUT",
            "/notes/milk",
            r#"{"text":""}"#,
            400,
            "a note says something",
        ),
        ("PUT", "/notes/milk", &long, 413, "65536 bytes"),
    ] {
        let answer = app.send(method, target, body.to_owned())?;
        let text = answer.text();
        assert!(
            answer.status == status && text.contains(words),
            "{target}: {} {text}",
            answer.status
        );
        assert_eq!(answer.headers["content-type"], "application/problem+json");
    }
    Ok(())
}

#[test]
fn all_are_counted_once_a_minute() -> Result {
    let app = app()?;
    for (name, text) in [("a", "one two"), ("b", "three")] {
        app.set_value("notes", name, format!(r#"{{"text":"{text}"}}"#))?;
    }
    let size = |expected: &str| -> Result {
        assert_eq!(app.send("GET", "/size", "")?.text(), expected);
        Ok(())
    };
    size(r#"{"notes":2,"words":3}"#)?;
    app.set_value("notes", "c", r#"{"text":"four"}"#)?;
    size(r#"{"notes":2,"words":3}"#)?;
    assert_eq!(app.span("count")?.status, SpanStatus::Unset);
    assert_eq!(app.spans().len(), 1, "{:?}", app.spans());

    // An entry whose time is over is computed anew, and what is no entry of a cache is left alone.
    app.set_value("sizes", "all", "wrt-cache 1 0\n{\"notes\":9,\"words\":9}")?;
    size(r#"{"notes":3,"words":4}"#)?;
    app.set_value("sizes", "all", "mine")?;
    app.send("DELETE", "/notes/c", "")?;
    size(r#"{"notes":2,"words":3}"#)?;
    assert_eq!(app.value("sizes", "all")?.as_deref(), Some(&b"mine"[..]));
    Ok(())
}

#[test]
fn a_span_says_how_its_function_has_ended() -> Result {
    let app = app()?;
    app.send("PUT", "/notes/milk", "[]")?;
    let span = app.span("write")?;
    let SpanStatus::Error(why) = &span.status else {
        panic!("{span:?}");
    };
    assert!(
        why.starts_with("400 Bad Request: the body is not what is needed"),
        "{why}"
    );
    assert_eq!(span.attributes[0].key, "note.bytes");
    assert_eq!(span.attributes[0].value.0, "2");
    Ok(())
}

/// Damaged data is nobody's business outside.
#[test]
fn a_note_that_cannot_be_read_is_told_to_the_log_alone() -> Result {
    let app = app()?;
    app.set_value("notes", "milk", "no JSON")?;
    let answer = app.send("GET", "/notes/milk", "")?;
    assert_eq!(answer.status, 500);
    assert!(
        answer.text().contains("its log says why"),
        "{}",
        answer.text()
    );
    Ok(())
}
