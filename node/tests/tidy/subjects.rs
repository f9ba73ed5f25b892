//! Exactly one file spells the subjects of the lattice.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::tree::{File, Tree, Violation};

const ALLOWED: &str = "cluster/protocol/src/subject.rs";

/// The beginning of our own subjects and of those of NATS's service protocol. Put together, so that
/// this file does not break its own rule.
const PREFIXES: [&str; 2] = [concat!("wrt", ".v"), concat!("$", "SRV")];

pub fn spelled_elsewhere(tree: &Tree) -> Vec<Violation> {
    let others = tree.rust_files().filter(|file| file.path != ALLOWED);
    others.flat_map(violations).collect()
}

fn violations(file: &File) -> Vec<Violation> {
    // A file that does not parse is reported by the rule on functions.
    let Ok(tokens) = file.text.parse::<TokenStream>() else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    literals_with_prefix(tokens, &mut lines);
    let violation = |line| file.violation(line, format!("only {ALLOWED} spells a subject"));
    lines.into_iter().map(violation).collect()
}

/// Walks tokens and not the syntax tree, so that the arguments of macros count.
fn literals_with_prefix(tokens: TokenStream, lines: &mut Vec<usize>) {
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Group(group) => literals_with_prefix(group.stream(), lines),
            TokenTree::Literal(literal) => {
                let text = literal.to_string();
                if PREFIXES.iter().any(|prefix| text.contains(prefix)) {
                    lines.push(literal.span().start().line);
                }
            }
            TokenTree::Punct(punct) if punct.as_char() == '#' => {
                tokens.next_if(
                    |next| matches!(next, TokenTree::Punct(bang) if bang.as_char() == '!'),
                );
                // Prose may name a subject.
                tokens.next_if(is_doc);
            }
            TokenTree::Punct(_) | TokenTree::Ident(_) => {}
        }
    }
}

fn is_doc(token: &TokenTree) -> bool {
    let TokenTree::Group(group) = token else {
        return false;
    };
    let first = group.stream().into_iter().next();
    group.delimiter() == Delimiter::Bracket
        && matches!(first, Some(TokenTree::Ident(ident)) if ident == "doc")
}

mod tests {
    use super::*;

    #[test]
    fn a_literal_with_the_prefix_is_found_in_code_and_in_macros() {
        let subject = concat!("wrt", ".v1.call");
        let check = |path: &str, text: &str, expected: &[usize]| {
            let found = spelled_elsewhere(&Tree::of(&[(path, text)]));
            let lines: Vec<_> = found.iter().map(|violation| violation.line).collect();
            assert_eq!(lines, expected, "{text}");
        };
        let own = format!("const A: &str = \"{subject}\";");
        check("a.rs", &own, &[1]);
        check(ALLOWED, &own, &[]);
        check(
            "a.rs",
            &format!("\nfn f() {{ g(format!(\"{subject}.{{x}}\")); }}"),
            &[2],
        );
        check(
            "a.rs",
            &format!("#[attribute(\"{subject}\")] fn f() {{}}"),
            &[1],
        );
        check(
            "a.rs",
            &format!("const A: &[u8] = br#\"{subject}\"#;"),
            &[1],
        );
        check("a.rs", concat!("const A: &str = \"$", "SRV.PING\";"), &[1]);
        check(
            "a.rs",
            &format!("//! {subject}\n/// {subject}\n// {subject}\nfn f() {{}}"),
            &[],
        );
        check("a.rs", "const A: &str = \"wrt.toml\";", &[]);
    }
}
