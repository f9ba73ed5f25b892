//! A mistake in `runtime!` is told at its token.
//!
//! Not by trybuild: it builds in a folder of its own, wasmtime included, which takes minutes. These
//! programs find everything built.

use std::{fs, path::Path};

use serde_json::Value;
use tempfile::TempDir;

use super::{built, cargo};
use crate::programs::running::{output, repository};

/// What stands in `runtime!`, the token at which the compiler points, and what it says of it.
const MISTAKES: [(&str, &str, &str); 5] = [
    (
        "WasiHttp HttpDefault",
        "HttpDefault",
        "no rules expected `HttpDefault`",
    ),
    (
        "WasiHttp: HttpDefault ExampleGreeting: Polite",
        "ExampleGreeting",
        "no rules expected `ExampleGreeting`",
    ),
    (
        "WasiHttps: HttpDefault",
        "WasiHttps",
        "cannot find type `WasiHttps`",
    ),
    (
        "ExampleGreeting: Politer",
        "Politer",
        "cannot find type `Politer`",
    ),
    (
        "ExampleGreeting: Polite, WasiHttp: Polite",
        "Polite",
        "`Polite` does nothing for the package `WasiHttp`",
    ),
];

/// A package of the example's workspace, as far as cargo can tell: so the folder's lock and profile
/// hold, and what is built is the same.
fn write_package(folder: &Path, entries: &str) {
    let example = fs::canonicalize(repository("examples/custom-node")).unwrap();
    let mut manifest = fs::read_to_string(example.join("Cargo.toml")).unwrap();
    let place = format!("path = \"{}/", example.display());
    manifest = manifest.replace("path = \"", &place);
    let list = manifest.find("members = ").unwrap()..manifest.find("[workspace.package]").unwrap();
    manifest.replace_range(list, "\n");
    manifest += "\n[package]\nname = \"mistaken\"\nedition = \"2024\"\n\n[[bin]]\n\
                 name = \"mistaken\"\npath = \"main.rs\"\n\n[dependencies]\n";
    for dependency in [
        "greeting",
        "polite",
        "wrt-node",
        "wrt-http",
        "wrt-http-default",
    ] {
        manifest += &format!("{dependency}.workspace = true\n");
    }
    let program = format!(
        "#![allow(unused_imports)]\nuse greeting::ExampleGreeting;\nuse polite::Polite;\n\
         use wrt_http::WasiHttp;\nuse wrt_http_default::HttpDefault;\n\
         wrt_node::runtime!({{ {entries} }});\n"
    );
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    fs::write(folder.join("main.rs"), program).unwrap();
    fs::copy(example.join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
}

/// The errors of a build: each with the texts at which it points.
fn errors(folder: &Path) -> Vec<(String, Vec<String>)> {
    let manifest = folder.join("Cargo.toml").display().to_string();
    let build = [
        "build",
        "--offline",
        "--message-format=json",
        "--manifest-path",
    ];
    let build = output(cargo(&build).arg(manifest));
    let messages = String::from_utf8(build.stdout).unwrap();
    let messages = messages
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let errors = messages.filter(|it: &Value| it["message"]["level"] == "error");
    let errors: Vec<_> = errors
        .map(|error| {
            let message = &error["message"];
            let spans = message["spans"].as_array().unwrap().iter();
            let primary = spans.filter(|span| span["is_primary"] == true);
            (text(&message["message"]), primary.map(pointed_at).collect())
        })
        .collect();
    let told = String::from_utf8_lossy(&build.stderr);
    assert!(!errors.is_empty(), "it was built: {}\n{told}", build.status);
    errors
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The piece of source that a span means.
fn pointed_at(span: &Value) -> String {
    let line = &span["text"][0];
    let column = |which: &str| line[which].as_u64().unwrap() as usize - 1;
    text(&line["text"])[column("highlight_start")..column("highlight_end")].to_owned()
}

#[test]
fn each_mistake_is_told_at_its_token() {
    built();
    for (entries, token, expected) in MISTAKES {
        let folder = TempDir::new().unwrap();
        write_package(folder.path(), entries);
        let errors = errors(folder.path());
        let is_told = errors
            .iter()
            .any(|(message, at)| message.contains(expected) && at.iter().any(|at| at == token));
        assert!(is_told, "{entries}: {errors:#?}");
    }
}
