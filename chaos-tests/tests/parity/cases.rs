//! The behaviours. A new one is added here, once.

use http::Method;

use crate::{
    case::Case,
    lattice::BODY_BYTES_MAX,
    paths::Guest::{P2, P3},
};

/// More than travels inside a message between nodes.
const LARGE: usize = 200_000;

pub fn all() -> Vec<Case> {
    [
        heads(),
        lengths(),
        empty(),
        requests(),
        trailers(),
        broken(),
        refused(),
    ]
    .concat()
}

/// The head alone.
fn heads() -> Vec<Case> {
    vec![
        Case::new("a status", "/status:201/head/finish").gets(201),
        Case::new("a status that nobody knows", "/status:299/head/finish").gets(299),
        Case::new(
            "fields",
            "/field:x-a:1/field:x-a:2/field:x-b:/head/write:3/finish",
        )
        .gets_field("x-a", "1")
        .gets_field("x-a", "2")
        .gets_field("x-b", "")
        .gets_letters(3),
        Case::new("the head as the guest sees it", "/head/seen/finish")
            .field("x-a", "1")
            .field("te", "trailers")
            .gets_text("method::get a.test {target}\nte: trailers\nx-a: 1\n"),
        Case::new("a head", "/length:9/head/write:9/finish")
            .method(Method::HEAD)
            .gets_field("content-length", "9"),
        Case::new("a head without a length", "/head/write:9/finish").method(Method::HEAD),
        Case::new("a method that nobody knows", "/head/write:3/finish")
            .method(Method::from_bytes(b"PURGE").expect("a method"))
            .gets_letters(3),
    ]
}

/// Bodies that are announced, or not.
fn lengths() -> Vec<Case> {
    let announced = |bytes: usize, script| {
        Case::new("a body of a length", script)
            .gets_field("content-length", &bytes.to_string())
            .gets_letters(bytes)
    };
    vec![
        announced(1, "/length:1/head/write:1/finish"),
        announced(5000, "/length:5000/head/write:5000/finish"),
        announced(LARGE, "/length:200000/head/write:200000/finish"),
        Case::new("a small body", "/head/write:5/finish").gets_letters(5),
        Case::new("a body in pieces", "/head/write:5/pause:5/write:5/finish")
            .gets_text("abcdeabcde"),
        Case::new("a large body", "/head/write:200000/finish").gets_letters(LARGE),
        Case::new("the last byte ends it", "/length:3/head/write:3/forget")
            .only(P2)
            .gets_field("content-length", "3")
            .gets_letters(3),
    ]
}

/// No body, for every reason that there may be.
fn empty() -> Vec<Case> {
    vec![
        Case::new("nothing written", "/head/finish"),
        Case::new("nothing announced", "/length:0/head/finish").gets_field("content-length", "0"),
        Case::new("a body that is not taken", "/bare"),
        Case::new("no content", "/status:204/head/finish")
            .gets(204)
            .gets_head_alone(),
        Case::new(
            "no content, of a length",
            "/status:204/length:5/head/write:5/finish",
        )
        .gets(204)
        .gets_head_alone(),
        Case::new(
            "no content, of length 0",
            "/status:204/length:0/head/finish",
        )
        .gets(204)
        .gets_head_alone(),
        Case::new(
            "not modified, of a length",
            "/status:304/length:5/head/finish",
        )
        .gets(304)
        .gets_head_alone(),
        Case::new("reset content", "/status:205/head/finish").gets(205),
        Case::new(
            "an answer of gRPC without a message",
            "/field:content-type:application.grpc/field:grpc-status:12/head/finish",
        )
        .posts(5)
        .field("te", "trailers")
        .gets_field("content-type", "application.grpc")
        .gets_field("grpc-status", "12")
        .gets_head_alone(),
    ]
}

/// Bodies of requests.
fn requests() -> Vec<Case> {
    vec![
        Case::new("an echo", "/head/echo/finish")
            .posts(10)
            .gets_letters(10),
        Case::new("a large echo", "/head/echo/finish")
            .posts(LARGE)
            .gets_letters(LARGE),
        Case::new("an echo of no length", "/head/echo/finish")
            .posts_unannounced(LARGE)
            .gets_letters(LARGE),
        Case::new("an echo of nothing", "/head/echo/finish").posts(0),
        Case::new("read before the head", "/read/head/tell/finish")
            .posts(1000)
            .gets_text("1000 bytes"),
        Case::new("read behind the head", "/head/read/tell/finish")
            .posts_unannounced(LARGE)
            .gets_text("200000 bytes"),
        Case::new("there is none to read", "/read/head/tell/finish").gets_text("0 bytes"),
        Case::new("a body that is not read", "/length:2/head/write:2/finish")
            .posts(1000)
            .gets_field("content-length", "2")
            .gets_letters(2),
        Case::new(
            "a large body that is not read",
            "/status:403/head/write:2/finish",
        )
        .posts(3 << 20)
        .gets(403)
        .gets_letters(2),
        Case::new("a body over the limit", "/read/head/tell/finish")
            .posts(BODY_BYTES_MAX + 1)
            .gets_told(413, "body too large\n"),
    ]
}

/// What comes behind a body.
fn trailers() -> Vec<Case> {
    vec![
        Case::new(
            "trailers",
            "/field:trailer:x-sum/head/write:5/trailer:x-sum:7/finish",
        )
        .field("te", "trailers")
        .gets_field("trailer", "x-sum")
        .gets_letters(5)
        .gets_trailer("x-sum", "7"),
        Case::new(
            "trailers of a large body",
            "/field:trailer:x-sum/head/write:200000/trailer:x-sum:7/finish",
        )
        .field("te", "trailers")
        .gets_field("trailer", "x-sum")
        .gets_letters(LARGE)
        .gets_trailer("x-sum", "7"),
        Case::new(
            "trailers of no body",
            "/field:trailer:grpc-status/head/trailer:grpc-status:5/finish",
        )
        .field("te", "trailers")
        .gets_field("trailer", "grpc-status")
        .gets_trailer("grpc-status", "5"),
        Case::new("trailers of a request", "/read/head/tell/finish")
            .posts_unannounced(5)
            .field("trailer", "x-sum")
            .trailer("x-sum", "7")
            .gets_text("5 bytes, x-sum: 7"),
        Case::new("trailers of a large request", "/read/head/tell/finish")
            .posts_unannounced(LARGE)
            .field("trailer", "x-sum")
            .trailer("x-sum", "7")
            .gets_text("200000 bytes, x-sum: 7"),
        Case::new(
            "trailers there and back",
            "/field:trailer:x-sum/head/echo/finish",
        )
        .posts_unannounced(5)
        .field("te", "trailers")
        .field("trailer", "x-sum")
        .trailer("x-sum", "7")
        .gets_field("trailer", "x-sum")
        .gets_letters(5)
        .gets_trailer("x-sum", "7"),
    ]
}

/// Answers that break off, and must not look whole.
fn broken() -> Vec<Case> {
    let shorter = |script| {
        Case::new("shorter than announced", script)
            .gets_field("content-length", "5")
            .gets_letters(3)
            .breaks()
    };
    vec![
        shorter("/length:5/head/write:3/finish"),
        shorter("/length:5/head/write:3/drop"),
        shorter("/length:5/head/write:3/forget"),
        shorter("/length:5/head/write:3/trap"),
        shorter("/length:5/head/write:3/exit:0"),
        Case::new("announced and never taken", "/length:5/bare")
            .gets_field("content-length", "5")
            .breaks(),
        Case::new("let go", "/head/write:3/drop")
            .only(P2)
            .gets_letters(3)
            .breaks(),
        // In 0.3 that is how a body ends.
        Case::new("let go", "/head/write:3/drop")
            .only(P3)
            .gets_letters(3),
        Case::new("forgotten", "/head/write:3/forget")
            .gets_letters(3)
            .breaks(),
        Case::new("forgotten at once", "/head/forget").breaks(),
        Case::new("nothing left to run behind the head", "/head/write:3/stall")
            .only(P3)
            .gets_letters(3)
            .breaks(),
        Case::new(
            "nothing left to run, and a length",
            "/length:5/head/write:3/stall",
        )
        .only(P3)
        .gets_field("content-length", "5")
        .gets_letters(3)
        .breaks(),
        Case::new(
            "nothing left to run behind the body",
            "/head/write:3/finish/stall",
        )
        .only(P3)
        .gets_letters(3),
        Case::new(
            "nothing to do for a while",
            "/pause:500/head/pause:500/write:3/pause:500/finish",
        )
        .gets_letters(3),
        Case::new("a trap behind the head", "/head/write:3/trap")
            .gets_letters(3)
            .breaks(),
        Case::new("a trap in a large body", "/head/write:200000/trap")
            .gets_letters(LARGE)
            .breaks(),
        Case::new("an exit behind the head", "/head/write:3/exit:0")
            .gets_letters(3)
            .breaks(),
        Case::new("an exit behind the body", "/head/write:3/finish/exit:0")
            .only(P2)
            .gets_letters(3),
    ]
}

/// Answers of the node's own.
fn refused() -> Vec<Case> {
    vec![
        Case::new("a trap before the head", "/trap").gets_told(500, "crashed\n"),
        Case::new("nothing left to run", "/stall")
            .only(P3)
            .gets_told(500, "crashed\n"),
        Case::new("nothing left to run behind the request", "/read/stall")
            .only(P3)
            .posts(5)
            .gets_told(500, "crashed\n"),
        Case::new("an exit before the head", "/exit:0").gets_told(500, "crashed\n"),
        Case::new("an error of the guest's own", "/error")
            .gets(500)
            .gets_field("content-length", "22")
            .gets_text("Internal Server Error\n"),
        Case::new("no answer at all", "/nothing")
            .only(P2)
            .gets_told(500, "crashed\n"),
        Case::new(
            "an interim status for a final one",
            "/status:103/head/finish",
        )
        .gets_told(502, "the component answered with an interim status\n"),
    ]
}
