//! Notes over HTTP, as JSON, in whatever store the manifest links to.
//!
//! Routes, bodies and refusals are the crate's; what is here is what a note is, and where it is kept.
#![cfg(any(target_family = "wasm", wrt_guest))]

use std::time::Duration;

use serde::{Deserialize, Serialize};
use wrt_guest::{
    cache::Cache,
    instrument,
    keyvalue::{self, Bucket},
    web::{Json, Problem, Request, Router, StatusCode},
};

wrt_guest::web::export!(routes);

/// A note.
#[derive(Serialize, Deserialize)]
struct Note {
    text: String,
    #[serde(default)]
    tags: Vec<String>,
}

/// How much there is.
#[derive(Serialize, Deserialize)]
struct Size {
    notes: usize,
    words: usize,
}

/// To count all notes reads all of them: an answer is good for so long.
const COUNTED_FOR: Duration = Duration::from_secs(60);

fn routes() -> Router {
    Router::new()
        .get("/notes", list)
        .get("/notes/{name}", read)
        .put("/notes/{name}", write)
        .delete("/notes/{name}", remove)
        .get("/size", size)
        .body_bytes_max(64 * 1024)
}

fn notes() -> Result<Bucket, keyvalue::Error> {
    keyvalue::open("notes")
}

fn list(_: &Request) -> Result<Json<Vec<String>>, Problem> {
    let mut names = notes()?.keys().collect::<Result<Vec<_>, _>>()?;
    names.sort_unstable();
    Ok(Json(names))
}

fn read(request: &Request) -> Result<Json<Note>, Problem> {
    let name: String = request.param("name")?;
    note(&notes()?, &name)?
        .map(Json)
        .ok_or_else(|| Problem::not_found(format!("there is no note {name:?}")))
}

#[instrument(note.bytes = request.body().len() as i64)]
fn write(request: &Request) -> Result<(StatusCode, Json<Note>), Problem> {
    let name: String = request.param("name")?;
    let note: Note = request.json()?;
    if note.text.is_empty() {
        return Err(Problem::bad_request("a note says something"));
    }
    let (notes, bytes) = (notes()?, bytes(&note)?);
    let status = match notes.exists(&name)? {
        true => StatusCode::OK,
        false => StatusCode::CREATED,
    };
    notes.set(&name, &bytes)?;
    Ok((status, Json(note)))
}

fn remove(request: &Request) -> Result<(), Problem> {
    let name: String = request.param("name")?;
    Ok(notes()?.delete(&name)?)
}

fn size(_: &Request) -> Result<Json<Size>, Problem> {
    Cache::open("sizes", COUNTED_FOR)?
        .get_or_compute("all", count)
        .map(Json)
}

#[instrument]
fn count() -> Result<Size, Problem> {
    let bucket = notes()?;
    let mut size = Size { notes: 0, words: 0 };
    for name in bucket.keys() {
        if let Some(note) = note(&bucket, &name?)? {
            size.notes += 1;
            size.words += note.text.split_whitespace().count();
        }
    }
    Ok(size)
}

fn note(notes: &Bucket, name: &str) -> Result<Option<Note>, Problem> {
    let Some(bytes) = notes.get(name)? else {
        return Ok(None);
    };
    let note = serde_json::from_slice(&bytes);
    note.map(Some).map_err(Problem::internal)
}

fn bytes(note: &Note) -> Result<Vec<u8>, Problem> {
    serde_json::to_vec(note).map_err(Problem::internal)
}
