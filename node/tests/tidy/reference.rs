//! The reference and the limits in the sources agree: each constant is told where its file is named, and each number
//! that is told there is one of them.

use std::{collections::BTreeMap, time::Duration};

use syn::{BinOp, Expr, ImplItem, Item, Lit, Visibility};

use super::{
    spelling::{any, bytes, is_in, plain, time},
    tree::{File, Tree, Violation},
};

const PAGE: &str = "node/REFERENCE.md";
/// Limits of an interface, in rows of their own below the one that names the file.
const OF_INTERFACES: &str = "### Of interfaces";
/// Files whose constants are told in the words of whole chapters.
const CHAPTERS: [(&str, &[&str]); 3] = [
    (
        "cluster/protocol/src/actor_limits.rs",
        &["### Of a component or a provider"],
    ),
    (
        "cluster/protocol/src/limits.rs",
        &["### Of a call", "### Of a lattice and an app"],
    ),
    (
        "cluster/deployment/src/limits.rs",
        &["### Of a lattice and an app"],
    ),
];
/// The same for each interface, which is said once.
const SAID_ONCE: &str = "ERROR_TEXT_BYTES_MAX";

/// What a constant is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value {
    Number(u128),
    Time(Duration),
    Range(u128, u128),
}

/// Constants by name.
type Constants = BTreeMap<String, Expr>;

pub fn limits(tree: &Tree) -> Vec<Violation> {
    let Some(page) = tree.find(PAGE) else {
        return vec![Violation {
            path: PAGE.into(),
            line: 0,
            message: "is missing".into(),
        }];
    };
    let mut violations = Vec::new();
    for (path, chapters) in CHAPTERS {
        let text: String = chapters.iter().map(|it| chapter(&page.text, it)).collect();
        let Some(file) = tree.find(path) else {
            violations.push(page.violation(0, format!("{path} is missing")));
            continue;
        };
        violations.extend(untold(tree, page, file, &text));
    }
    let interfaces = chapter(&page.text, OF_INTERFACES);
    let files = tree.rust_files();
    let files = files.filter(|it| {
        it.path.starts_with("providers/interfaces/") && it.path.ends_with("src/native/limits.rs")
    });
    for file in files {
        let rows = rows(interfaces, &file.path);
        let told: Vec<_> = rows.iter().map(|row| row.limit).collect();
        violations.extend(untold(tree, page, file, &told.join("\n")));
        violations.extend(unknown(tree, page, file, &rows));
    }
    violations
}

/// Constants of a file that `text` does not tell.
fn untold(tree: &Tree, page: &File, file: &File, text: &str) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (name, spelled) in spelled(tree, file) {
        if spelled.is_empty() {
            let message = format!("what {name} is cannot be worked out");
            violations.push(file.violation(0, message));
        } else if name != SAID_ONCE && !spelled.iter().any(|it| is_in(it, text)) {
            let message = format!(
                "{name} of {} is not told: {}",
                file.path,
                spelled.join(", ")
            );
            violations.push(page.violation(0, message));
        }
    }
    violations
}

/// What is told of a file and is none of its constants. A row that names a setting tells that one's range.
fn unknown(tree: &Tree, page: &File, file: &File, rows: &[Row<'_>]) -> Vec<Violation> {
    let known: Vec<_> = spelled(tree, file)
        .into_iter()
        .flat_map(|it| it.1)
        .collect();
    let rows = rows.iter().filter(|row| !row.what.contains('`'));
    let told = rows.flat_map(|row| row.limit.split("; ").map(move |limit| (row.what, limit)));
    let has_number = |limit: &str| limit.contains(|c: char| c.is_ascii_digit());
    let unknown = told.filter(|(_, limit)| {
        // Further words may stand behind a number.
        let is_known = known.iter().any(|it| {
            let rest = limit.strip_prefix(it.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', ',']))
        });
        has_number(limit) && !is_known
    });
    unknown
        .map(|(what, limit)| {
            let message = format!("{what}: {limit} is no limit of {}", file.path);
            page.violation(0, message)
        })
        .collect()
}

/// A row of a table: what is limited, and to what.
struct Row<'a> {
    what: &'a str,
    limit: &'a str,
}

/// From a heading to the next one.
fn chapter<'a>(page: &'a str, heading: &str) -> &'a str {
    let Some(at) = page.find(heading) else {
        return "";
    };
    let chapter = &page[at + heading.len()..];
    let end = chapter.find("\n#").unwrap_or(chapter.len());
    &chapter[..end]
}

/// The row that names a file, and those below it that name none.
fn rows<'a>(chapter: &'a str, path: &str) -> Vec<Row<'a>> {
    let link = format!("(../{path})");
    let lines = chapter.lines().skip_while(|line| !line.contains(&link));
    let lines = lines.enumerate();
    let lines = lines.take_while(|(at, line)| *at == 0 || line.starts_with("| |"));
    lines
        .filter_map(|(_, line)| {
            let mut cells = line.split('|').map(str::trim).skip(2);
            Some(Row {
                what: cells.next()?,
                limit: cells.next()?,
            })
        })
        .collect()
}

/// The public constants of a file, each in every way that it may be spelled; in none where its value is not known.
fn spelled(tree: &Tree, file: &File) -> Vec<(String, Vec<String>)> {
    let parsed = syn::parse_file(&file.text).expect("sources are Rust");
    let constants = parsed.items.iter().filter_map(|item| match item {
        Item::Const(item) if matches!(item.vis, Visibility::Public(_)) => Some(item),
        _ => None,
    });
    let known = Known {
        tree,
        here: constants_of(&file.text),
    };
    constants
        .map(|constant| {
            let name = constant.ident.to_string();
            let spelled = match known.value(&constant.expr) {
                Some(Value::Time(value)) => time(value),
                Some(Value::Number(number)) if name.contains("BYTES") => {
                    vec![bytes(number), plain(number)]
                }
                Some(Value::Number(number)) if name.contains("_MS") => any(number),
                Some(Value::Number(number)) => vec![plain(number)],
                Some(Value::Range(from, to)) => {
                    let to = any(to);
                    let both = any(from).into_iter();
                    both.flat_map(|from| to.iter().map(move |to| format!("[{from}, {to}]")))
                        .collect()
                }
                None => Vec::new(),
            };
            (name, spelled)
        })
        .collect()
}

/// What constants may refer to: others of their file, and those of any other.
struct Known<'a> {
    tree: &'a Tree,
    here: Constants,
}

impl Known<'_> {
    fn value(&self, expr: &Expr) -> Option<Value> {
        match expr {
            Expr::Lit(lit) => match &lit.lit {
                Lit::Int(number) => Some(Value::Number(number.base10_parse().ok()?)),
                _ => None,
            },
            Expr::Paren(inner) => self.value(&inner.expr),
            Expr::Cast(cast) => self.value(&cast.expr),
            Expr::Binary(both) => {
                let (left, right) = (self.number(&both.left)?, self.number(&both.right)?);
                Some(Value::Number(match both.op {
                    BinOp::Mul(_) => left.checked_mul(right)?,
                    BinOp::Shl(_) => left.checked_shl(u32::try_from(right).ok()?)?,
                    _ => return None,
                }))
            }
            Expr::Range(range) => {
                let from = self.number(range.start.as_deref()?)?;
                Some(Value::Range(from, self.number(range.end.as_deref()?)?))
            }
            Expr::Path(path) => self.named(&path.path.segments.last()?.ident.to_string()),
            Expr::Call(call) => self.time(call),
            Expr::MethodCall(call) => match (call.method.to_string().as_str(), &call.args) {
                ("as_millis", _) => match self.value(&call.receiver)? {
                    Value::Time(time) => Some(Value::Number(time.as_millis())),
                    _ => None,
                },
                ("saturating_add", args) => {
                    let both = (self.value(&call.receiver)?, self.value(args.first()?)?);
                    match both {
                        (Value::Time(one), Value::Time(other)) => Some(Value::Time(one + other)),
                        _ => None,
                    }
                }
                _ => None,
            },
            _ => None,
        }
    }

    fn number(&self, expr: &Expr) -> Option<u128> {
        match self.value(expr)? {
            Value::Number(number) => Some(number),
            _ => None,
        }
    }

    /// `Duration::from_secs(1)`.
    fn time(&self, call: &syn::ExprCall) -> Option<Value> {
        let Expr::Path(path) = &*call.func else {
            return None;
        };
        let number = u64::try_from(self.number(call.args.first()?)?).ok()?;
        let unit = path.path.segments.last()?.ident.to_string();
        Some(Value::Time(match unit.as_str() {
            "from_secs" => Duration::from_secs(number),
            "from_millis" => Duration::from_millis(number),
            _ => return None,
        }))
    }

    fn named(&self, name: &str) -> Option<Value> {
        if let Some(expr) = self.here.get(name) {
            return self.value(expr);
        }
        let definition = format!("const {name}:");
        let mut files = self.tree.rust_files();
        let file = files.find(|file| file.text.contains(&definition))?;
        let there = Known {
            tree: self.tree,
            here: constants_of(&file.text),
        };
        there.value(there.here.get(name)?)
    }
}

/// Those of a source, also of its types.
fn constants_of(text: &str) -> Constants {
    let parsed = syn::parse_file(text).expect("sources are Rust");
    let mut constants = Constants::new();
    for item in parsed.items {
        match item {
            Item::Const(item) => drop(constants.insert(item.ident.to_string(), *item.expr)),
            Item::Impl(of_type) => {
                for item in of_type.items {
                    if let ImplItem::Const(item) = item {
                        constants.insert(item.ident.to_string(), item.expr);
                    }
                }
            }
            _ => {}
        }
    }
    constants
}

mod tests {
    use super::*;

    const LIMITS: &str = "providers/interfaces/a/src/native/limits.rs";
    const SOURCE: &str = "pub const KEY_BYTES_MAX: usize = 2 * CHUNK;\nconst CHUNK: usize = 1024;\n\
        pub const WAITS: Duration = BUDGET.saturating_add(Late::LATE_MAX);\n\
        pub const KEYS: RangeInclusive<u64> = 1..=BUDGET.as_millis() as u64;\n\
        pub const ERROR_TEXT_BYTES_MAX: usize = 7;";

    fn check(rows: &str, expected: &[&str]) {
        let row = "| what | limit | beyond it |\n|---|---|---|\n| concurrency | 1 | x |\n";
        let page = format!(
            "### Of a component or a provider\n{row}### Of a call\n{row}\
             ### Of a lattice and an app\n{row}{OF_INTERFACES}\n{rows}\n## Next\n| | x | 9 | |"
        );
        let other = "pub const ONE: usize = 1;";
        let tree = Tree::of(&[
            (PAGE, &page),
            (CHAPTERS[0].0, other),
            (CHAPTERS[1].0, other),
            (CHAPTERS[2].0, other),
            (LIMITS, SOURCE),
            (
                "b/src/lib.rs",
                "const BUDGET: Duration = Duration::from_secs(10);\n\
                 impl Late { pub const LATE_MAX: Duration = Duration::from_millis(1000); }",
            ),
        ]);
        let found = limits(&tree);
        let messages: Vec<_> = found.iter().map(|it| it.message.as_str()).collect();
        assert_eq!(messages, expected, "{rows}");
    }

    fn with(first: &str) -> String {
        format!("| a ([`limits.rs`](../{LIMITS})) | a key; its time | {first} | refused |")
    }

    #[test]
    fn what_is_told_and_what_is_there_must_agree() {
        let keys = "\n| | `keys_max` | 3 [1, 10 s] | |";
        check(&format!("{}{keys}", with("2 KiB; 11 s")), &[]);
        check(&format!("{}{keys}", with("2 KiB, at most; 11 s")), &[]);
        check(
            &with("2 KiB; 11 s"),
            &[&format!(
                "KEYS of {LIMITS} is not told: {}",
                "[1, 10,000], [1, 10,000 bytes], [1, 10 s], [1 bytes, 10,000], [1 bytes, 10,000 bytes], \
                 [1 bytes, 10 s], [1 ms, 10,000], [1 ms, 10,000 bytes], [1 ms, 10 s]"
            )],
        );
        check(
            &format!("{}{keys}", with("4 KiB; 11 s")),
            &[
                &format!("KEY_BYTES_MAX of {LIMITS} is not told: 2 KiB, 2048"),
                &format!("a key; its time: 4 KiB is no limit of {LIMITS}"),
            ],
        );
        check(
            &format!("{}{keys}\n| | peers | 12 | |", with("2 KiB; 11 s")),
            &[&format!("peers: 12 is no limit of {LIMITS}")],
        );
    }

    #[test]
    fn a_page_that_is_missing_is_found() {
        assert_eq!(limits(&Tree::of(&[])).len(), 1);
    }
}
