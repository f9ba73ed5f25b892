//! What a router answers, without a host.

use http::{HeaderValue, header::CONTENT_TYPE};
use serde::{Deserialize, Serialize};

use super::*;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    item: String,
    count: u8,
}

fn routes() -> Router {
    Router::new()
        .get("/", |_: &Request| "home")
        .get("/orders/{id}", |request: &Request| {
            request.param::<u32>("id").map(|id| format!("order {id}"))
        })
        .put("/orders/{id}", |request: &Request| {
            let order: Order = request.json()?;
            Ok::<_, Problem>((StatusCode::CREATED, Json(order)))
        })
        .get("/orders/new", |_: &Request| "a form")
        .get("/files/{*path}", |request: &Request| {
            request.param::<String>("path")
        })
        .get("/search", |request: &Request| {
            let page: Option<u32> = request.query("page")?;
            let words: Option<String> = request.query("q")?;
            Ok::<_, Problem>(format!("{words:?} {page:?}"))
        })
        .get("/wrong", |request: &Request| {
            request.param::<String>("never")
        })
        .get("/keys", |_: &Request| {
            Json([((1, 2), 3)].into_iter().collect::<Pairs>())
        })
        .delete("/orders/{id}", |_: &Request| ())
        .body_bytes_max(32)
}

type Pairs = std::collections::BTreeMap<(u8, u8), u8>;

fn ask(method: &str, target: &str) -> (u16, String) {
    let answer = routes().answer(Request::new(method, target).unwrap());
    let body = String::from_utf8(answer.body().to_vec()).unwrap();
    (answer.status().as_u16(), body)
}

#[test]
fn a_request_takes_the_route_of_its_path_and_method() {
    for (method, target, expected) in [
        ("GET", "/", (200, "home")),
        ("GET", "/?x=1", (200, "home")),
        ("GET", "/orders/7", (200, "order 7")),
        ("GET", "/orders/new", (200, "a form")),
        ("DELETE", "/orders/7", (204, "")),
        ("GET", "/files/a/b%20c%2Fd", (200, "a/b c/d")),
        (
            "GET",
            "/search?q=a+b%26c&page=2",
            (200, "Some(\"a b&c\") Some(2)"),
        ),
        ("GET", "/search", (200, "None None")),
        ("HEAD", "/orders/7", (200, "")),
    ] {
        let (status, body) = ask(method, target);
        assert_eq!((status, body.as_str()), expected, "{method} {target}");
    }
}

#[test]
fn what_is_wrong_with_a_request_is_said() {
    for (method, target, status, words) in [
        ("GET", "/never", 404, "nothing is here"),
        ("GET", "//", 404, "nothing is here"),
        ("GET", "/orders/x", 400, "id in the path is no u32"),
        ("GET", "/orders/%FF", 400, "invalid utf-8"),
        ("GET", "/search?page=-1", 400, "page in the query is no u32"),
        (
            "PATCH",
            "/orders/7",
            405,
            "this path takes DELETE, GET, HEAD, PUT",
        ),
        ("GET", "/wrong", 500, "its log says why"),
        ("GET", "/keys", 500, "its log says why"),
    ] {
        let (found, body) = ask(method, target);
        assert!(
            found == status && body.contains(words),
            "{target}: {found} {body}"
        );
    }
    let refused = routes().answer(Request::new("POST", "/").unwrap());
    assert_eq!(refused.headers()["allow"], "GET, HEAD");
    assert_eq!(
        refused.headers()["content-type"],
        "application/problem+json"
    );
}

#[test]
fn json_is_taken_where_it_is_said_and_right() {
    let right = r#"{"item":"tea","count":2}"#;
    for (content_type, body, status, words) in [
        ("application/json", right, 201, "tea"),
        ("application/json; charset=utf-8", right, 201, "tea"),
        ("Application/Vnd.Shop+JSON", right, 201, "tea"),
        ("", right, 415, "content-type: application/json"),
        ("text/json", right, 415, "content-type: application/json"),
        (
            "application/json",
            "{\"item\":\"tea\"",
            400,
            "line 1 column",
        ),
        (
            "application/json",
            r#"{"item":"tea"}"#,
            400,
            "missing field `count`",
        ),
        ("application/json", &" ".repeat(33), 413, "32 bytes"),
    ] {
        let mut request = Request::new("PUT", "/orders/7").unwrap().with_body(body);
        if !content_type.is_empty() {
            let value = HeaderValue::try_from(content_type).unwrap();
            request = request.with_header(CONTENT_TYPE, value);
        }
        let answer = routes().answer(request);
        let told = String::from_utf8_lossy(answer.body()).into_owned();
        let found = answer.status().as_u16();
        assert!(
            found == status && told.contains(words),
            "{content_type} {body}: {found} {told}"
        );
    }
}

#[test]
fn a_body_is_as_long_as_is_said_and_none_where_there_can_be_none() {
    for (method, target, is_told) in [
        ("GET", "/", true),
        ("HEAD", "/", false),
        ("DELETE", "/orders/7", false),
        ("GET", "/never", true),
    ] {
        let answer = routes().answer(Request::new(method, target).unwrap());
        let told = answer.headers().get("content-length");
        let told: Option<usize> = told.map(|length| length.to_str().unwrap().parse().unwrap());
        let length = answer.body().len();
        assert_eq!(told, is_told.then_some(length), "{method} {target}");
        assert_eq!(length > 0, is_told, "{method} {target}");
    }
}

#[test]
fn a_status_goes_with_what_has_succeeded() {
    let created = (StatusCode::CREATED, "x").into_response();
    assert_eq!(created.status(), 201);
    let failed: Result<&str, Problem> = Err(Problem::conflict("taken"));
    assert_eq!((StatusCode::CREATED, failed).into_response().status(), 409);
}

#[test]
#[should_panic(expected = "has two handlers")]
fn a_method_of_a_path_has_one_handler() {
    let _ = Router::new()
        .get("/a", |_: &Request| "")
        .get("/a", |_: &Request| "");
}

#[test]
#[should_panic(expected = "cannot be")]
fn a_path_has_one_name_for_a_parameter() {
    let _ = Router::new()
        .get("/{a}", |_: &Request| "")
        .get("/{b}", |_: &Request| "");
}
