//! Files over HTTP, in containers of wasi:blobstore: `PUT`, `GET` (also of a range), `DELETE`, `COPY` and `MOVE`
//! of `/<container>/<object>`, and `GET /<container>` for what there is.
//!
//! Bytes go from one stream to the other within the host, and never come into the guest: so it takes no more
//! memory for a large file than for a small one.

mod range;
mod stream;

use wrt_guest::{
    blobstore::{
        Container, ObjectId, copy_object, create_container, delete_container, get_container,
        move_object,
    },
    http::respond,
    wasip2::{
        self,
        http::types::{IncomingRequest, Method, ResponseOutparam},
    },
};

struct Files;

wasip2::http::proxy::export!(Files);

const USAGE: &str = "PUT, GET, DELETE /<container>/<object>\n\
                     COPY, MOVE /<container>/<object>, with the header destination: /<container>/<object>\n\
                     PUT, GET, DELETE /<container>\n";

/// Names that are asked for at once.
const NAMES_AT_ONCE: u64 = 1000;

impl wasip2::exports::http::incoming_handler::Guest for Files {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let path = request.path_with_query().unwrap_or_default();
        let method = request.method();
        let (container, object) = names_of(&path);
        if let (Method::Get, Some(container), Some(object)) = (&method, container, object) {
            return stream::send(&request, container, object, out);
        }
        let done = match (&method, container, object) {
            (Method::Put, Some(container), Some(object)) => {
                stream::store(&request, container, object)
            }
            (Method::Delete, Some(container), Some(object)) => get_container(container)
                .and_then(|it| it.delete_object(object))
                .map(|()| String::new()),
            (Method::Other(other), Some(container), Some(object)) => {
                transfer(&request, other, container, object)
            }
            (Method::Put, Some(container), None) => {
                create_container(container).map(|_| String::new())
            }
            (Method::Get, Some(container), None) => {
                get_container(container).and_then(|container| list(&container))
            }
            (Method::Delete, Some(container), None) => {
                delete_container(container).map(|()| String::new())
            }
            _ => return respond(out, 404, USAGE),
        };
        match done {
            Ok(text) => respond(out, 200, &text),
            Err(error) => respond(out, stream::status_of(&error), &error),
        }
    }
}

/// All behind the second slash is the object's name, as it was sent.
fn names_of<'a>(path: &'a str) -> (Option<&'a str>, Option<&'a str>) {
    let path = path.strip_prefix('/').unwrap_or(path);
    let (container, object) = path.split_once('/').unwrap_or((path, ""));
    let given = |name: &'a str| Some(name).filter(|name: &&str| !name.is_empty());
    (given(container), given(object))
}

fn list(container: &Container) -> Result<String, String> {
    let listing = container.list_objects()?;
    let mut text = String::new();
    loop {
        let (names, is_end) = listing.read_stream_object_names(NAMES_AT_ONCE)?;
        for name in names {
            text.push_str(&name);
            text.push('\n');
        }
        if is_end {
            return Ok(text);
        }
    }
}

fn transfer(
    request: &IncomingRequest,
    method: &str,
    container: &str,
    object: &str,
) -> Result<String, String> {
    let destination = stream::header(request, "destination").unwrap_or_default();
    let (Some(to), Some(name)) = names_of(&destination) else {
        return Err("say where to, by the header destination: /<container>/<object>".to_owned());
    };
    let id = |container: &str, object: &str| ObjectId {
        container: container.to_owned(),
        object: object.to_owned(),
    };
    let (source, target) = (id(container, object), id(to, name));
    match method {
        "COPY" => copy_object(&source, &target)?,
        "MOVE" => move_object(&source, &target)?,
        other => return Err(format!("there is no {other}\n{USAGE}")),
    }
    Ok(String::new())
}
