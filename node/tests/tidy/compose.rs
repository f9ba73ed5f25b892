//! The services of the compose files are pinned, stay on this machine, and say whether they are well.
//!
//! No parser of YAML is among what the workspace builds. So a file keeps to a form of which each line tells
//! what it is: blocks by two spaces, `key: value`, texts in quotes, lists of them in brackets.

use std::collections::BTreeSet;

use super::tree::{File, Tree, Violation};

const FILES: [&str; 2] = ["examples/compose.yaml", "node/deploy/compose.yaml"];

pub fn services(tree: &Tree) -> Vec<Violation> {
    let of_each = FILES.iter().map(|path| services_of(tree, path));
    of_each.flatten().collect()
}

fn services_of(tree: &Tree, path: &str) -> Vec<Violation> {
    let Some(file) = tree.find(path) else {
        return vec![Violation {
            path: path.into(),
            line: 0,
            message: "is missing".into(),
        }];
    };
    let entries = match entries(file) {
        Ok(entries) => entries,
        Err(violations) => return violations,
    };
    let services: Vec<_> = entries
        .iter()
        .filter(|entry| entry.path.len() == 2 && entry.path[0] == "services")
        .collect();
    if services.is_empty() {
        return vec![file.violation(0, "has no services")];
    }
    let mut violations = Vec::new();
    for service in services {
        let name = service.path[1];
        for wrong in wrongs(&entries, name) {
            violations.push(file.violation(service.line, format!("`{name}` {wrong}")));
        }
    }
    violations
}

/// A key of the file.
struct Entry<'a> {
    line: usize,
    /// The keys that lead to it, and itself.
    path: Vec<&'a str>,
    /// Empty where other keys stand below it.
    value: &'a str,
}

/// All keys of a file; or the lines that are not of its form.
fn entries(file: &File) -> Result<Vec<Entry<'_>>, Vec<Violation>> {
    let (mut entries, mut violations) = (Vec::new(), Vec::new());
    let (mut keys, mut known): (Vec<&str>, BTreeSet<Vec<&str>>) = Default::default();
    // Whether the line before has no value, and how far that is indented which goes on as a text.
    let (mut is_open, mut text): (bool, Option<usize>) = (true, None);
    for (index, line) in file.text.lines().enumerate() {
        let content = line.trim_start_matches(' ');
        let indent = line.len() - content.len();
        if content.is_empty() || content.starts_with('#') || text.is_some_and(|it| indent > it) {
            continue;
        }
        let depth = indent / 2;
        let fits = depth < keys.len() || depth == keys.len() && is_open;
        let read = key_and_value(content).filter(|_| fits && indent.is_multiple_of(2));
        let Some((key, value)) = read else {
            violations.push(file.violation(index + 1, "this form is not known here"));
            continue;
        };
        keys.truncate(depth);
        keys.push(key);
        if !known.insert(keys.clone()) {
            violations.push(file.violation(index + 1, format!("`{key}` is there twice")));
        }
        is_open = value.is_empty();
        text = (value == "|").then_some(indent);
        entries.push(Entry {
            line: index + 1,
            path: keys.clone(),
            value,
        });
    }
    match violations.is_empty() {
        true => Ok(entries),
        false => Err(violations),
    }
}

fn key_and_value(content: &str) -> Option<(&str, &str)> {
    let (key, value) = match content.split_once(": ") {
        Some(parts) => parts,
        None => (content.strip_suffix(':')?, ""),
    };
    let is_word = |text: &str, others: &str| {
        let is_of_word = |c: char| c.is_ascii_alphanumeric() || others.contains(c);
        text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(is_of_word)
    };
    let is_value = value.is_empty()
        || value == "|"
        || is_word(value, "._-/:")
        || quoted(value).is_some()
        || list(value).is_some();
    (is_word(key, "_-") && is_value).then_some((key, value))
}

/// What is in the quotes.
fn quoted(value: &str) -> Option<&str> {
    let text = value.strip_prefix('"')?.strip_suffix('"')?;
    is_verbatim(text).then_some(text)
}

/// The texts of a list.
fn list(value: &str) -> Option<Vec<&str>> {
    let texts = value.strip_prefix("[\"")?.strip_suffix("\"]")?;
    let texts = texts.split("\", \"");
    texts
        .map(|text| is_verbatim(text).then_some(text))
        .collect()
}

/// Whether a text means what it says; `$` begins a variable.
fn is_verbatim(text: &str) -> bool {
    !text.contains(['"', '\\', '$'])
}

/// What is wrong with a service.
fn wrongs(entries: &[Entry<'_>], name: &str) -> Vec<&'static str> {
    let part = |key: &str| value(entries, &["services", name, key]);
    let is_here = |ports: &str| {
        let of_this_machine = |port: &&str| port.starts_with("127.0.0.1:");
        list(ports).is_some_and(|ports| ports.iter().all(of_this_machine))
    };
    let is_of_service = |mode: &str| quoted(mode).is_some_and(|it| it.starts_with("service:"));
    let rules = [
        (
            part("image").is_some_and(is_pinned),
            "has an image without a version, as in `redis:7.0.15`",
        ),
        (
            part("profiles").and_then(list).is_some(),
            "is in no profile: it would be started with all others",
        ),
        (
            part("ports").is_none_or(is_here),
            "has ports that do not begin with `127.0.0.1:`",
        ),
        (
            part("network_mode").is_none_or(is_of_service),
            "has a network that is no other service's, as in `\"service:redis\"`",
        ),
        (
            is_asked(entries, name),
            "has no `healthcheck`, and nobody in its network has one",
        ),
    ];
    let broken = rules.into_iter().filter(|(holds, _)| !holds);
    broken.map(|(_, wrong)| wrong).collect()
}

fn value<'a>(entries: &[Entry<'a>], path: &[&str]) -> Option<&'a str> {
    let entry = entries.iter().find(|entry| entry.path == path)?;
    Some(entry.value)
}

/// Whether an image has a whole version: three numbers, or two where its maker has no more.
fn is_pinned(image: &str) -> bool {
    let Some((name, tag)) = image.rsplit_once(':') else {
        return false;
    };
    let version = tag.split('-').next().unwrap_or(tag);
    let numbers: Vec<&str> = version.split('.').collect();
    let least = if name == "postgres" { 2 } else { 3 };
    numbers.len() >= least && numbers.iter().all(|number| number.parse::<u32>().is_ok())
}

/// Whether somebody asks a service how it is: itself, or one that shares its network.
fn is_asked(entries: &[Entry<'_>], name: &str) -> bool {
    let of_it = format!("service:{name}");
    let is_of_it = |mode: &str| quoted(mode) == Some(of_it.as_str());
    let mut checks = entries
        .iter()
        .filter_map(|entry| match entry.path.as_slice() {
            ["services", service, "healthcheck", "test"] => Some(*service),
            _ => None,
        });
    checks.any(|service| {
        let network = value(entries, &["services", service, "network_mode"]);
        service == name || network.is_some_and(is_of_it)
    })
}

mod tests {
    use super::*;

    const REDIS: &str = "\
services:
  # A store.
  redis:
    profiles: [\"redis\"]
    image: redis:7.0.15-alpine
    ports: [\"127.0.0.1:6379:6379\"]
    healthcheck:
      test: [\"CMD\", \"redis-cli\", \"ping\"]
      interval: 2s
";

    fn check(text: &str, expected: &[&str]) {
        let found = services_of(&Tree::of(&[(FILES[0], text)]), FILES[0]);
        let found: Vec<_> = found
            .iter()
            .map(|it| format!("{} {}", it.line, it.message))
            .collect();
        let is_as_expected = found.len() == expected.len()
            && found
                .iter()
                .zip(expected)
                .all(|(it, start)| it.starts_with(start));
        assert!(is_as_expected, "{found:?} for {text}");
    }

    /// The service with one line, which must be there, in place of another.
    fn changed(line: &str, instead: &str) -> String {
        assert!(REDIS.contains(line), "{line}");
        REDIS.replace(line, instead)
    }

    #[test]
    fn a_service_that_is_not_as_it_should_be_is_found() {
        check(REDIS, &[]);
        for (line, instead, expected) in [
            ("redis:7.0.15-alpine", "redis", "3 `redis` has an image"),
            (
                "redis:7.0.15-alpine",
                "redis:latest",
                "3 `redis` has an image",
            ),
            ("redis:7.0.15-alpine", "redis:7.0", "3 `redis` has an image"),
            (
                "redis:7.0.15-alpine",
                "redis:7.0.x",
                "3 `redis` has an image",
            ),
            (
                "    profiles: [\"redis\"]\n",
                "",
                "3 `redis` is in no profile",
            ),
            ("127.0.0.1:6379:", "0.0.0.0:6379:", "3 `redis` has ports"),
            (
                "127.0.0.1:6379:6379\"]",
                "127.0.0.1:1:1\", \"6379\"]",
                "3 `redis` has ports",
            ),
            (
                "    ports:",
                "    network_mode: host\n    ports:",
                "3 `redis` has a network",
            ),
            (
                "      test:",
                "      start_period:",
                "3 `redis` has no `healthcheck`",
            ),
        ] {
            check(&changed(line, instead), &[expected]);
        }
    }

    #[test]
    fn a_service_may_be_asked_by_one_in_its_network() {
        let other = "  other:\n    profiles: [\"redis\"]\n    image: postgres:15.17\n";
        let asked_by = |network: &str| changed("    ports:", &format!("{network}    ports:"));
        let alone = asked_by("") + other;
        check(&alone, &["10 `other` has no `healthcheck`"]);
        check(
            &(asked_by("    network_mode: \"service:other\"\n") + other),
            &[],
        );
    }

    #[test]
    fn what_is_not_of_the_form_is_found() {
        for (line, instead, expected) in [
            ("    image:", "     image:", "5 this form"),
            ("    image:", "      image:", "5 this form"),
            ("    image:", "\timage:", "5 this form"),
            ("    image: redis", "    image:redis", "5 this form"),
            ("6379\"]", "6379\"", "6 this form"),
            ("\"ping\"]", "\"$PING\"]", "8 this form"),
            ("interval: 2s", "test: 2s", "9 `test` is there twice"),
        ] {
            check(&changed(line, instead), &[expected]);
        }
    }

    #[test]
    fn a_text_of_several_lines_is_passed_over_to_its_end() {
        let text = |rest: &str| format!("{REDIS}configs:\n  a:\n    content: |\n{rest}");
        check(&text("      - [x\n\n        : y\n  b:\n"), &[]);
        check(&text("      - [x\n    - y\n"), &["14 this form"]);
    }

    #[test]
    fn a_file_that_is_missing_or_has_no_services_is_found() {
        assert_eq!(services(&Tree::of(&[])).len(), FILES.len());
        check("volumes:\n  redis:\n", &["0 has no services"]);
    }
}
