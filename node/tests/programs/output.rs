//! What commands print for programs, and the page that says so.

use std::{collections::BTreeSet, fs, process::Stdio, time::Duration};

use serde_json::Value;
use wrt_test_servers::Process;

use super::{
    lattice::{Lattice, address},
    running::{
        Running, guest, output, program, repository, request, write_manifest, wrt, wrt_node,
    },
};

const JOIN_LIMIT: Duration = Duration::from_secs(30);

/// Sections whose commands are run elsewhere: with the dead letters of an app.
const ELSEWHERE: [&str; 4] = ["list", "show", "replay", "drop"];

/// Fails unless what a command has printed is what the page says: each field is told, and each that is told
/// is there, but for those that are not always, and for what lies below a list without entries or below `null`.
pub fn agrees(section: &str, printed: &str) {
    let told = told(section);
    assert!(!told.is_empty(), "node/OUTPUT.md has no section {section}");
    let mut there = BTreeSet::new();
    let mut empty = BTreeSet::new();
    let values = printed.lines().filter(|line| !line.trim().is_empty());
    for line in values {
        let value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        paths(&value, "", &told, &mut there, &mut empty);
    }
    let is_told = |path: &&String| told.contains(*path) || told.contains(&format!("{path}?"));
    let untold: Vec<_> = there.iter().filter(|path| !is_told(path)).collect();
    assert!(
        untold.is_empty(),
        "{section}: not in node/OUTPUT.md: {untold:?}\n{printed}"
    );
    let is_below = |path: &str| {
        let below = |end: &String| {
            let rest = path.strip_prefix(end.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[', '{']))
        };
        empty.iter().any(below)
    };
    let missing = told.iter().filter(|path| !path.ends_with('?'));
    let missing: Vec<_> = missing
        .filter(|path| !there.contains(*path) && !is_below(path))
        .collect();
    assert!(
        missing.is_empty(),
        "{section}: only in node/OUTPUT.md: {missing:?}\n{printed}"
    );
}

/// The paths that a section of the page tells.
fn told(section: &str) -> BTreeSet<String> {
    let page = fs::read_to_string(repository("node/OUTPUT.md")).unwrap();
    let heading = format!("\n## {section}\n");
    let (_, chapter) = page.split_once(&heading).expect("there is such a section");
    let chapter = chapter.split("\n## ").next().unwrap_or_default();
    let rows = chapter.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.filter_map(|row| row.split('|').nth(1));
    let names = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    names.map(str::to_owned).collect()
}

fn sections() -> Vec<String> {
    let page = fs::read_to_string(repository("node/OUTPUT.md")).unwrap();
    let headings = page.lines().filter_map(|line| line.strip_prefix("## "));
    headings.map(str::to_owned).collect()
}

/// The paths to what has no fields of its own; and those to lists and objects without any, and to `null`.
fn paths(
    value: &Value,
    at: &str,
    told: &BTreeSet<String>,
    there: &mut BTreeSet<String>,
    empty: &mut BTreeSet<String>,
) {
    let names = format!("{at}{{}}");
    match value {
        // Its keys are names, whatever they are.
        Value::Object(_) if told.contains(&names) => {
            there.insert(names);
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                let at = if at.is_empty() {
                    name.clone()
                } else {
                    format!("{at}.{name}")
                };
                paths(value, &at, told, there, empty);
            }
        }
        Value::Array(values) if values.is_empty() => {
            empty.insert(at.to_owned());
        }
        Value::Array(values) => {
            for value in values {
                paths(value, &format!("{at}[]"), told, there, empty);
            }
        }
        Value::Null if !told.contains(at) && !told.contains(&format!("{at}?")) => {
            empty.insert(at.to_owned());
        }
        _ => {
            there.insert(at.to_owned());
        }
    }
}

#[test]
fn a_field_that_is_not_told_and_one_that_is_told_alone_are_found() {
    let all = told("`wrt up`");
    let expected = ["app", "ready", "revision"].map(str::to_owned);
    assert_eq!(all, BTreeSet::from(expected));
    agrees("`wrt up`", r#"{"app":"a","revision":1,"ready":true}"#);
    agrees(
        "`wrt node uncordon`",
        r#"{"node":"a","cordoned":false,"changed":true,"there":true,"unaware":[]}"#,
    );
    for wrong in [
        r#"{"app":"a","revision":1}"#,
        r#"{"app":"a","revision":1,"ready":true,"more":1}"#,
    ] {
        let refused = std::panic::catch_unwind(|| agrees("`wrt up`", wrong));
        assert!(refused.is_err(), "{wrong}");
    }
}

/// A section whose command no test runs would be held by nothing.
#[test]
fn every_section_is_of_a_command_that_is_run() {
    let here = fs::read_to_string(repository("node/tests/programs/output.rs")).unwrap();
    for section in sections() {
        let elsewhere = ELSEWHERE.map(|deed| format!("`wrt letters {deed}`"));
        let is_run = elsewhere.contains(&section) || here.contains(&format!("{section:?},"));
        assert!(is_run, "{section}");
    }
}

#[test]
fn what_needs_no_lattice_prints_what_the_page_says() {
    let folder = tempfile::tempdir().unwrap();
    let run = |command: &mut std::process::Command| {
        let run = output(command.args(["--output", "json"]));
        assert!(run.status.success(), "{run:?}");
        String::from_utf8(run.stdout).unwrap()
    };
    let wrt = || wrt(folder.path());
    agrees("`wrt new`", &run(wrt().args(["new", "shop"])));
    agrees("`wrt new --list`", &run(wrt().args(["new", "--list"])));
    agrees(
        "`wrt completions`",
        &run(wrt().args(["completions", "bash"])),
    );
    let of = repository("examples/messaging/nats.toml");
    let mut permissions = wrt();
    permissions.arg("permissions").arg(of).args(["--node", "a"]);
    agrees("`wrt permissions`", &run(&mut permissions));
    let node = || wrt_node(folder.path());
    agrees("`wrt-node backends`", &run(node().arg("backends")));
    let out = folder.path().join("hello.cwasm");
    let compile = run(node()
        .arg("compile")
        .arg(guest("hello_http"))
        .arg("-o")
        .arg(out));
    agrees("`wrt-node compile`", &compile);

    write_manifest(folder.path(), "[app]\nname = 1\n");
    let failed = output(wrt().args(["up", "app.toml", "--output", "json"]));
    assert!(!failed.status.success(), "{failed:?}");
    let told = String::from_utf8(failed.stderr).unwrap();
    agrees("An error", told.lines().last().unwrap());

    let source = guest("hello_http").display().to_string();
    let running = Running::launch(&[
        "run",
        &source,
        "--address",
        "127.0.0.1:0",
        "--output",
        "json",
    ]);
    running.wait_for("\"ready\"");
    let log = running.log();
    let lines: Vec<_> = log.lines().filter(|line| line.starts_with('{')).collect();
    agrees("`wrt-node run`", &lines.join("\n"));
    running.stop();
}

/// A job and a page, by the hand of the one and with the words of the other.
fn work(web: &str, more: &str) -> String {
    format!(
        r#"
[app]
name = "work"

[component.job]
source = {job:?}
links = {{ "wasi:keyvalue" = "store" }}
environment = {{ MODE = "quiet" }}
{more}

[component.counter]
source = {counter:?}
links = {{ "wasi:keyvalue" = "store" }}

[provider.store]
backend = "redis"
config = {{ url = {{ env = "REDIS_URL_OF_TEST" }} }}

[provider.jobs]
backend = "schedule"
calls = [{{ component = "job", run = "call" }}]

[provider.web]
backend = "http-server"
nodes = ["a"]
config = {{ address = "{web}" }}
calls = [{{ component = "counter" }}]
"#,
        job = guest("job"),
        counter = guest("counter"),
    )
}

#[test]
fn what_is_done_on_a_lattice_prints_what_the_page_says() {
    let lattice = Lattice::start(&["a", "b"]);
    let json = |arguments: &[&str]| {
        let at = arguments
            .iter()
            .position(|it| *it == "--")
            .unwrap_or(arguments.len());
        let (own, rest) = arguments.split_at(at);
        lattice.wrt_ok(&[own, &["--output", "json"], rest].concat())
    };
    let web = address();
    let manifest = write_manifest(lattice.folder(), &work(&web, ""));
    let manifest = manifest.display().to_string();
    agrees("`wrt up`", &json(&["up", &manifest]));
    write_manifest(lattice.folder(), &work(&web, "limits = { queue_max = 7 }"));
    json(&["up", &manifest]);
    agrees("`wrt history`", &json(&["history", "work"]));
    assert_eq!(request(&web, "POST", "/visits", "").0, 200);
    agrees(
        "`wrt call`",
        &json(&["call", "work", "job", "--", "add", "calls"]),
    );
    agrees("`wrt ps`", &json(&["ps"]));
    agrees("`wrt top`", &json(&["top", "--count", "1"]));
    agrees("`wrt describe APP`", &json(&["describe", "work"]));
    agrees("`wrt describe APP/NAME`", &json(&["describe", "work/job"]));
    agrees("`wrt describe NODE`", &json(&["describe", "a"]));
    let described: Value = serde_json::from_str(&json(&["describe", "work/store"])).unwrap();
    assert_eq!(described["config"]["url"], "env REDIS_URL_OF_TEST");
    let text = lattice.wrt_ok(&["describe", "work/counter"]);
    assert!(text.contains("linked from provider/work/web"), "{text}");

    agrees("`wrt node cordon`", &json(&["node", "cordon", "b"]));
    agrees("`wrt explain`", &json(&["explain", "work/web"]));
    agrees("`wrt node uncordon`", &json(&["node", "uncordon", "b"]));
    let drain = lattice.wrt(&["node", "drain", "a", "--output", "json"]);
    assert_eq!(drain.status.code(), Some(1), "the web names it: {drain:?}");
    agrees(
        "`wrt node drain`",
        &String::from_utf8(drain.stdout).unwrap(),
    );
    agrees("`wrt rollback`", &json(&["rollback", "work"]));

    let events = json(&["events"]);
    agrees("`wrt events`", &events);
    for kind in ["deployed", "placed", "started", "cordoned", "uncordoned"] {
        assert!(
            events.contains(&format!(r#""kind":"{kind}""#)),
            "{kind} is not in\n{events}"
        );
    }
    let deployed = events
        .lines()
        .filter(|line| line.contains(r#""kind":"deployed""#));
    assert_eq!(
        deployed.count(),
        3,
        "once each, though both nodes say so:\n{events}"
    );
    agrees("`wrt logs`", &json(&["logs"]));
    agrees("`wrt down`", &json(&["down", "work"]));

    let mut late = wrt_node(lattice.folder());
    late.args([
        "join",
        "--lattice",
        &lattice.nats_url(),
        "--name",
        "late",
        "--output",
        "json",
    ]);
    let late = Process::spawn("late", late, lattice.folder().join("late.log")).unwrap();
    late.wait_for_log("\"joined\"", JOIN_LIMIT).unwrap();
    let log = late.log().unwrap();
    let joined: Vec<_> = log.lines().filter(|line| line.starts_with('{')).collect();
    agrees("`wrt-node join`", &joined.join("\n"));
}

/// Whoever is asked sees for what, although a program is to read the result.
#[test]
fn one_who_is_asked_sees_what_would_change() {
    let lattice = Lattice::start(&["a"]);
    let web = address();
    let page = |guest_name: &str| {
        format!(
            "[app]\nname = \"page\"\n[component.page]\nsource = {:?}\n[provider.web]\nbackend = \
             \"http-server\"\nconfig = {{ address = \"{web}\" }}\ncalls = [{{ component = \"page\" }}]\n",
            guest(guest_name)
        )
    };
    let manifest = write_manifest(lattice.folder(), &page("hello_http"));
    let manifest = manifest.display().to_string();
    lattice.wrt_ok(&["up", &manifest]);
    write_manifest(lattice.folder(), &page("probe"));
    let wrt = env!("CARGO_BIN_EXE_wrt");
    let line = format!(
        "{wrt} --lattice {} up {manifest} --output json",
        lattice.nats_url()
    );
    let mut terminal = program("script", lattice.folder());
    terminal
        .env_remove("WRT_YES")
        .args(["-qec", &line, "/dev/null"]);
    terminal.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut terminal = terminal.spawn().expect("script, of Debian's bsdutils");
    let mut keyboard = terminal.stdin.take().unwrap();
    std::io::Write::write_all(&mut keyboard, b"n\n").unwrap();
    let shown = terminal.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(text.contains("~ component/page/page: code "), "{text}");
    assert!(text.contains("Deploy this? [y/N]"), "{text}");
    assert!(text.contains("nothing was changed"), "{text}");
}
