//! What the component does of wasi:http 0.3.

use wrt_guest_test::{App, Result, SpanStatus};

#[test]
fn a_sum_is_answered_and_added_to_the_total() -> Result {
    let app = App::of_this_crate()?.start()?;
    let answer = app.send("POST", "/sums?x=1", "[1,2,3]")?;
    assert_eq!((answer.status, answer.json::<i64>()?), (200, 6));
    // It ends when the total is written, within it.
    let (outer, inner) = (app.span("add_to_total")?, app.span("write")?);
    assert_eq!(
        (&outer.status, inner.parent),
        (&SpanStatus::Unset, Some(outer.context.span_id))
    );
    assert_eq!(app.value("sums", "total")?.as_deref(), Some(&b"6"[..]));
    Ok(())
}

#[test]
fn work_that_fails_later_says_so_in_its_span() -> Result {
    let app = App::of_this_crate()?.start()?;
    app.set_value("sums", "total", "no number")?;
    assert_eq!(app.send("POST", "/sums", "[1]")?.status, 200);
    let span = app.span("add_to_total")?;
    assert!(matches!(span.status, SpanStatus::Error(_)), "{span:?}");
    Ok(())
}

#[test]
fn what_is_no_list_is_refused() -> Result {
    let app = App::of_this_crate()?.start()?;
    let long = format!("[{}1]", "1,".repeat(600));
    for (method, target, body, status) in [
        ("POST", "/sums", "[1", 415),
        ("POST", "/sums", "{}", 400),
        ("POST", "/sums", "[9223372036854775807,1]", 400),
        ("POST", "/sums", &long, 413),
        ("GET", "/sums", "", 405),
        ("POST", "/", "[1]", 404),
        ("HEAD", "/sums", "", 405),
    ] {
        let answer = app.send(method, target, body.to_owned())?;
        assert_eq!(
            answer.status,
            status,
            "{method} {target}: {}",
            answer.text()
        );
    }
    Ok(())
}
