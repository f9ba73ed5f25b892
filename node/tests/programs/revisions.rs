//! An app changes only when somebody has said so, and can be what it was before.

use serde_json::Value;

use super::{
    lattice::{Lattice, address},
    running::{guest, request, write_manifest},
};

fn manifest(address: &str, component: &str, more: &str) -> String {
    format!(
        r#"
[app]
name = "site"

[provider.web]
backend = "http-server"
config = {{ address = "{address}" }}
calls = [{{ component = "page" }}]

[component.page]
source = "{}"
{more}
"#,
        guest(component).display()
    )
}

/// What the counter has besides.
const STORE: &str = r#"
links = { "wasi:keyvalue" = "store" }

[provider.store]
backend = "memory"
"#;

fn revisions(lattice: &Lattice) -> Vec<Value> {
    let told = lattice.wrt_ok(&["history", "site", "--output", "json"]);
    let told: Value = serde_json::from_str(&told).expect("JSON");
    told["revisions"].as_array().expect("a list").clone()
}

/// Without `WRT_YES`, which all other tests have, and without a terminal.
fn unasked(lattice: &Lattice, arguments: &[&str]) -> (Option<i32>, String) {
    let output = lattice.wrt_with(arguments, |command| {
        command.env_remove("WRT_YES");
    });
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), said)
}

#[test]
fn what_is_deployed_changes_when_it_is_said_and_goes_back() {
    let lattice = Lattice::start(&["a"]);
    let at = address();
    let page = || request(&at, "GET", "/", "");
    let path = write_manifest(lattice.folder(), &manifest(&at, "hello_http", ""));
    let path = path.to_str().unwrap();

    // What is new needs no word, and the same again changes nothing.
    let (code, said) = unasked(&lattice, &["up", path]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("+ component/site/page"), "{said}");
    let first = page();
    assert_eq!(first.0, 200);
    let (code, said) = unasked(&lattice, &["up", path]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("nothing changes"), "{said}");

    write_manifest(lattice.folder(), &manifest(&at, "counter", STORE));
    let (code, said) = unasked(&lattice, &["up", path]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("~ component/site/page: code "), "{said}");
    assert!(said.contains("--yes"), "{said}");
    assert_eq!(page(), first, "nothing has changed");
    assert_eq!(revisions(&lattice).len(), 1);

    let (code, said) = unasked(&lattice, &["up", path, "--yes"]);
    assert_eq!(code, Some(0), "{said}");
    let second = page();
    assert_ne!(second, first);
    let kept = revisions(&lattice);
    assert_eq!(kept.len(), 2, "{kept:?}");
    let is_deployed = |it: &Value| it["deployed"] == true;
    assert_eq!(
        kept.iter().map(is_deployed).collect::<Vec<_>>(),
        [false, true]
    );
    let changes = kept[1]["changes"].to_string();
    assert!(changes.contains("component/site/page: code "), "{changes}");

    // Its code is kept, though nothing that is deployed names it.
    let (code, said) = unasked(&lattice, &["rollback", "site"]);
    assert_eq!(code, Some(2), "{said}");
    let back = lattice.wrt_ok(&["rollback", "site", "--yes"]);
    assert!(back.contains("site is what it was in revision"), "{back}");
    assert_eq!(page(), first);
    let to = kept[1]["revision"].to_string();
    lattice.wrt_ok(&["rollback", "site", "--yes", "--to", &to]);
    assert_eq!(page(), second);
    assert_eq!(revisions(&lattice).len(), 4);

    let gone = lattice.wrt(&["rollback", "site", "--yes", "--to", "999"]);
    assert_eq!(gone.status.code(), Some(1));
    let said = String::from_utf8_lossy(&gone.stderr);
    assert!(
        said.contains("revision 999 of site is not kept; kept are: "),
        "{said}"
    );

    // A removal ends it.
    lattice.wrt_ok(&["down", "site"]);
    for command in ["history", "rollback"] {
        let ended = lattice.wrt(&[command, "site"]);
        assert_eq!(ended.status.code(), Some(1), "{command}");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(said.contains("no app site is deployed"), "{said}");
    }
}
