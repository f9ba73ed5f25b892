//! What the program says of its backends, and the READMEs beside it.

use std::{fmt::Write as _, fs};

use serde_json::Value;
use tempfile::TempDir;

use super::running::{output, repository, wrt_node};

/// What a README says besides.
const HEADINGS: [&str; 2] = ["\n## What it does not do\n", "\n## Tested against\n"];

fn told(arguments: &[&str]) -> (Option<i32>, String, String) {
    let folder = TempDir::new().unwrap();
    let told = output(wrt_node(folder.path()).args(arguments));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (told.status.code(), text(&told.stdout), text(&told.stderr))
}

/// What the program says of all of them.
pub fn all() -> Vec<Value> {
    let (code, json, _) = told(&["backends", "--output", "json"]);
    assert_eq!(code, Some(0), "{json}");
    serde_json::from_str(&json).unwrap()
}

pub fn text<'a>(value: &'a Value, field: &str) -> Option<&'a str> {
    value[field].as_str()
}

/// A row for each setting, from its own documentation.
fn table(backend: &Value) -> String {
    let mut table = "| setting | variable | by default | |\n|---|---|---|---|\n".to_owned();
    for setting in backend["settings"].as_array().unwrap() {
        let variable = text(setting, "variable").map(|it| format!("`{it}`"));
        let default = match text(setting, "default") {
            Some(default) => format!("`{default}`"),
            None if setting["required"] == true => "must be given".to_owned(),
            None => String::new(),
        };
        writeln!(
            table,
            "| `{}` | {} | {default} | {} |",
            text(setting, "name").unwrap(),
            variable.unwrap_or_default(),
            text(setting, "description").unwrap().replace('|', "\\|")
        )
        .unwrap();
    }
    table
}

/// A default lives with its interface, and says there what it is.
#[test]
fn each_backends_folder_has_a_readme_with_its_settings() {
    let mut seen = 0;
    let mut missing = String::new();
    for backend in all() {
        let name = text(&backend, "backend").unwrap();
        let folder = repository(&format!("providers/backends/{name}"));
        if !folder.is_dir() {
            continue;
        }
        seen += 1;
        let path = folder.join("README.md");
        let readme = fs::read_to_string(&path).unwrap_or_default();
        let table = match backend["settings"].as_array().unwrap().is_empty() {
            true => String::new(),
            false => table(&backend),
        };
        if !readme.contains(&table) {
            let _ = writeln!(missing, "{}: its settings are\n\n{table}", path.display());
        }
        for heading in HEADINGS.iter().filter(|it| !readme.contains(**it)) {
            let _ = writeln!(missing, "{}: nothing under{heading}", path.display());
        }
    }
    assert!(missing.is_empty(), "\n{missing}");
    assert!(seen >= 8, "{seen} backends have a folder");
}

#[test]
fn each_setting_says_what_it_is_for() {
    for backend in all() {
        for setting in backend["settings"].as_array().unwrap() {
            let description = text(setting, "description").unwrap();
            assert!(description.len() > 10, "{backend}: {setting}");
        }
    }
}

#[test]
fn one_backend_is_shown_to_people_and_an_unknown_one_is_told() {
    let (code, redis, _) = told(&["backends", "redis"]);
    assert_eq!(code, Some(0));
    assert!(
        redis.starts_with("redis\n  offers wasi:keyvalue"),
        "{redis}"
    );
    assert!(redis.contains("\n  url (REDIS_URL) = "), "{redis}");
    let (code, _, error) = told(&["backends", "rediss"]);
    assert_eq!(code, Some(1));
    assert!(
        error.contains("no backend `rediss`; it has ") && error.contains("redis"),
        "{error}"
    );
    let (_, all, _) = told(&["backends"]);
    assert!(all.lines().any(|line| line.starts_with("kafka ")), "{all}");
}
