//! What an order leaves behind.

use wrt_guest_test::{App, Result, SpanStatus};

#[test]
fn a_function_has_a_span_within_the_one_that_is_open() -> Result {
    let app = App::of_this_crate()?.start()?;
    let answer = app.send("POST", "/lamp", "")?;
    assert_eq!(answer.status, 200);
    let (order, reserve) = (app.span("order")?, app.span("reserve")?);
    assert_eq!(answer.text(), format!("{:032x}", order.context.trace_id));
    assert_eq!(reserve.context.trace_id, order.context.trace_id);
    assert_eq!(
        (order.parent, reserve.parent),
        (None, Some(order.context.span_id))
    );
    assert_eq!(reserve.status, SpanStatus::Unset);
    let said = reserve.attributes.iter();
    let said: Vec<_> = said
        .map(|it| (it.key.as_str(), it.value.0.as_str()))
        .collect();
    assert_eq!(said, [("order.item", "\"lamp\"")]);
    Ok(())
}

#[test]
fn a_function_that_fails_says_so() -> Result {
    let app = App::of_this_crate()?.start()?;
    app.set_value("stock", "lamp", "3")?;
    let answer = app.send("POST", "/lamp", "")?;
    assert!(
        answer.status == 409 && answer.text().ends_with(" sold out"),
        "{}",
        answer.text()
    );
    assert_eq!(
        app.span("reserve")?.status,
        SpanStatus::Error("sold out".to_owned())
    );
    assert_eq!(
        app.span("order")?.status,
        SpanStatus::Error("sold out".to_owned())
    );
    Ok(())
}
