//! Bytes from HTTP into an object, and back.

use std::io;

use wrt_guest::{
    blobstore::{Container, Incoming, copy, get_container, read_range, write},
    http::respond,
    wasip2::http::types::{
        Fields, IncomingBody, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
    },
};

use crate::range::{Part, part_of};

/// The status that an error of the store stands for: it knows errors by their words alone.
pub fn status_of(error: &str) -> u16 {
    match error {
        error if error.starts_with("there is no ") => 404,
        error if error.starts_with("full: ") => 507,
        error if error.contains("executed; hop ") => 503,
        _ => 400,
    }
}

pub fn header(request: &IncomingRequest, name: &str) -> Option<String> {
    let values = request.headers().get(name);
    String::from_utf8(values.into_iter().next()?).ok()
}

/// Stores the request's body, while it arrives.
pub fn store(request: &IncomingRequest, container: &str, object: &str) -> Result<String, String> {
    let container = get_container(container)?;
    let body = request.consume().expect("nobody has taken the body yet");
    let mut bytes = 0;
    write(&container, object, |output| {
        let input = body.stream().expect("nobody has taken the stream yet");
        bytes = copy(&input, output)?;
        drop(input);
        // Only what comes after the last byte tells a whole body from one that was cut off.
        let trailers = IncomingBody::finish(body);
        trailers.subscribe().block();
        match trailers.get() {
            Some(Ok(Err(error))) => Err(io::Error::other(error)),
            _ => Ok(()),
        }
    })?;
    Ok(format!("{bytes} bytes\n"))
}

/// Answers with an object, or a part of it.
pub fn send(request: &IncomingRequest, container: &str, object: &str, out: ResponseOutparam) {
    let found = get_container(container).and_then(|container| {
        let size = container.object_info(object)?.size;
        Ok((container, size))
    });
    let (container, size) = match found {
        Ok(found) => found,
        Err(error) => return respond(out, status_of(&error), &error),
    };
    let part = match header(request, "range").map(|header| part_of(&header, size)) {
        None => None,
        Some(Ok(part)) => part,
        Some(Err(error)) => return respond(out, 416, &error),
    };
    send_part(&container, object, part, size, out);
}

fn send_part(
    container: &Container,
    object: &str,
    part: Option<Part>,
    size: u64,
    out: ResponseOutparam,
) {
    let Part { start, end } = part.unwrap_or(Part {
        start: 0,
        end: u64::MAX,
    });
    match read_range(container, object, start, end) {
        Ok(incoming) => {
            let content_range =
                part.map(|part| format!("bytes {}-{}/{size}", part.start, part.end));
            answer(out, content_range, incoming);
        }
        Err(error) => respond(out, status_of(&error), &error),
    }
}

/// A body that does not come to its end is not finished: whoever asked sees that it is not whole.
fn answer(out: ResponseOutparam, content_range: Option<String>, incoming: Incoming) {
    let Incoming { size_bytes, stream } = incoming;
    let mut headers = vec![
        ("content-type", "application/octet-stream".to_owned()),
        ("accept-ranges", "bytes".to_owned()),
        ("content-length", size_bytes.to_string()),
    ];
    let status = if content_range.is_some() { 206 } else { 200 };
    headers.extend(content_range.map(|range| ("content-range", range)));
    let headers: Vec<_> = headers
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.into_bytes()))
        .collect();
    let headers = Fields::from_list(&headers).expect("each header is valid");
    let response = OutgoingResponse::new(headers);
    let set = response.set_status_code(status);
    set.expect("a status has three digits");
    let body = response.body().expect("nobody has taken the body yet");
    ResponseOutparam::set(out, Ok(response));
    let output = body.write().expect("nobody has taken the stream yet");
    let copied = copy(&stream, &output);
    let is_whole = copied.is_ok_and(|bytes| bytes == size_bytes) && output.blocking_flush().is_ok();
    drop(output);
    if is_whole {
        let _ = OutgoingBody::finish(body, None);
    }
}
