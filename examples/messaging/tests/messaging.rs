//! What the component sends, and what it makes of what comes.

use wrt_guest_test::{App, Message, Result};

#[test]
fn an_order_is_sent_to_all_who_want_to_know() -> Result {
    let app = App::of_this_crate()?.start()?;
    let answer = app.send("POST", "/orders/ada-1", "")?;
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (200, "placed ada-1")
    );
    let sent = app.sent();
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert_eq!(
        (sent[0].topic.as_str(), sent[0].text().as_str()),
        ("orders.placed", "ada-1")
    );
    let beside = [("placed-by", "shop"), ("customer", "ada")];
    let beside = beside.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(sent[0].metadata, beside);
    Ok(())
}

#[test]
fn an_order_that_comes_is_remembered_and_told() -> Result {
    let app = App::of_this_crate()?
        .environment("NAME", "mail")
        .environment("TELLS", "mails.wanted")
        .start()?;
    app.deliver("orders.placed", "ada-1")?;
    app.deliver("orders.placed", "ada-1")?;
    assert_eq!(
        app.value("mail", "ada-1")?.as_deref(),
        Some(&b"handled"[..])
    );
    assert_eq!(app.send("GET", "/handled/mail", "")?.text(), "ada-1");
    let topics: Vec<_> = app.sent().into_iter().map(|it| it.topic).collect();
    assert_eq!(topics, ["mails.wanted", "mails.wanted"]);
    Ok(())
}

#[test]
fn a_question_gets_its_reply() -> Result {
    let app = App::of_this_crate()?.start()?;
    let replies = app.ask("prices.ask", "apple")?;
    let texts: Vec<_> = replies.iter().map(Message::text).collect();
    assert_eq!(texts, ["apple: 50 cents"]);

    let unanswered = app.send("GET", "/prices/apple", "")?;
    assert_eq!(unanswered.status, 503, "{}", unanswered.text());
    app.answers("prices.*", |question| {
        (question.text() == "apple").then(|| "50 cents".into())
    })?;
    let answer = app.send("GET", "/prices/apple", "")?;
    assert_eq!((answer.status, answer.text().as_str()), (200, "50 cents"));
    let late = app.send("GET", "/prices/pear", "")?;
    assert_eq!(late.status, 504, "{}", late.text());
    Ok(())
}

#[test]
fn what_cannot_be_handled_comes_again() -> Result {
    let app = App::of_this_crate()?.start()?;
    for (topic, data, words) in [
        (
            "mails.wanted",
            b"x".to_vec(),
            "nobody handles \"mails.wanted\" here",
        ),
        ("orders.placed", vec![0xff], "invalid utf-8"),
    ] {
        let refused = app.deliver(topic, data).expect_err(topic).to_string();
        assert!(refused.contains(words), "{refused}");
    }
    Ok(())
}
