//! What the genuine collector has of traces, as trees.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    time::{Duration, Instant},
};

use serde_json::Value as Json;
use wrt_test_servers::OtelCollector;

/// Far more than a batch waits.
pub const SEEN_WITHIN: Duration = Duration::from_secs(30);
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// What a test needs of a span.
struct Seen {
    trace: String,
    id: String,
    parent: String,
    start: u64,
    /// Kind and name, and whose it is.
    line: String,
}

fn text(json: &Json) -> String {
    json.as_str().unwrap_or_default().to_owned()
}

pub fn list<'a>(json: &'a Json, name: &str) -> &'a [Json] {
    json[name].as_array().map_or(&[], Vec::as_slice)
}

pub fn attribute(json: &Json, key: &str) -> String {
    let mut attributes = list(json, "attributes").iter();
    let found = attributes.find(|it| it["key"] == key);
    found
        .map(|it| text(&it["value"]["stringValue"]))
        .unwrap_or_default()
}

/// The spans that the collector has so far.
fn spans(collector: &OtelCollector) -> Vec<Seen> {
    let mut seen = Vec::new();
    for line in collector.taken().unwrap() {
        let line: Json = serde_json::from_str(&line).unwrap();
        for of in list(&line, "resourceSpans") {
            let resource = &of["resource"];
            let instance = attribute(resource, "service.instance.id");
            let whose = match instance.is_empty() {
                true => attribute(resource, "service.name"),
                false => format!("node {instance}"),
            };
            let spans = list(of, "scopeSpans").iter();
            let spans = spans.flat_map(|scope| list(scope, "spans"));
            seen.extend(spans.map(|span| read(span, &whose)));
        }
    }
    seen
}

fn read(span: &Json, whose: &str) -> Seen {
    let kinds = ["", "internal", "server", "client", "producer", "consumer"];
    let kind = span["kind"]
        .as_u64()
        .and_then(|kind| kinds.get(usize::try_from(kind).ok()?));
    let failed = match span["status"]["code"].as_u64() {
        Some(2) => format!(": {}", text(&span["status"]["message"])),
        _ => String::new(),
    };
    Seen {
        trace: text(&span["traceId"]),
        id: text(&span["spanId"]),
        parent: text(&span["parentSpanId"]),
        start: text(&span["startTimeUnixNano"]).parse().unwrap(),
        line: format!(
            "{} {} [{whose}]{failed}",
            kind.unwrap(),
            text(&span["name"])
        ),
    }
}

/// The tree below a span, each line under what it is a part of.
fn tree(spans: &[&Seen], root: &str) -> String {
    let mut children: BTreeMap<&str, Vec<&Seen>> = BTreeMap::new();
    for span in spans {
        children.entry(&span.parent).or_default().push(span);
    }
    let mut text = String::new();
    write(&mut text, &children, root, 0);
    text
}

fn write(text: &mut String, children: &BTreeMap<&str, Vec<&Seen>>, of: &str, depth: usize) {
    let mut below: Vec<_> = children.get(of).into_iter().flatten().collect();
    below.sort_by_key(|span| span.start);
    for span in below {
        writeln!(text, "{:indent$}{}", "", span.line, indent = 2 * depth).unwrap();
        write(text, children, &span.id, depth + 1);
    }
}

/// Waits until the tree below `root` is `expected`, and nothing else is in the trace.
pub fn becomes(collector: &OtelCollector, trace: &str, root: &str, expected: &str) {
    let started = Instant::now();
    loop {
        let spans = spans(collector);
        let of_trace: Vec<_> = spans.iter().filter(|span| span.trace == trace).collect();
        let tree = tree(&of_trace, root);
        if tree == expected && of_trace.len() == expected.lines().count() {
            return;
        }
        assert!(
            started.elapsed() < SEEN_WITHIN,
            "{} spans:\n{tree}\nand not\n{expected}",
            of_trace.len()
        );
        wait();
    }
}

/// Waits until so many traces that begin here are `expected`, whole. None has anything else in it.
pub fn begin_here(collector: &OtelCollector, expected: &str, how_many: usize) {
    let started = Instant::now();
    let whole = expected.lines().count();
    let first = expected.lines().next().expect("a tree has a root");
    loop {
        let spans = spans(collector);
        let begun = spans.iter().filter(|span| span.parent.is_empty());
        let begun = begun.filter(|span| span.line == first);
        let traces: BTreeSet<&str> = begun.map(|span| span.trace.as_str()).collect();
        let trees = traces.iter().map(|trace| {
            let of_trace = spans.iter().filter(|span| span.trace == *trace);
            let of_trace: Vec<_> = of_trace.collect();
            (of_trace.len(), tree(&of_trace, ""))
        });
        // The others are on their way: each node sends its own.
        let (done, others): (Vec<_>, Vec<_>) = trees.partition(|(count, _)| *count >= whole);
        for (count, tree) in &done {
            assert!(
                tree == expected && *count == whole,
                "{count} spans:\n{tree}\nand not\n{expected}"
            );
        }
        if done.len() >= how_many {
            return;
        }
        assert!(
            started.elapsed() < SEEN_WITHIN,
            "{} of {how_many} traces; others are {others:#?}",
            done.len()
        );
        wait();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the pause between two looks at a level-triggered condition"
)]
pub fn wait() {
    std::thread::sleep(LOOK_INTERVAL);
}
