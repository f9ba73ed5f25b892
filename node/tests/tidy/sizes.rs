//! Files and functions have a cap.

use syn::{
    Block, ImplItemFn, ItemFn, Signature, TraitItemFn,
    spanned::Spanned,
    visit::{self, Visit},
};

use super::tree::{File, Tree, Violation};

const FILE_LINES_MAX: usize = 500;
const TEST_FILE_LINES_MAX: usize = 800;

/// A screen. Counted from the signature to the closing brace.
const FUNCTION_LINES_MAX: usize = 80;

pub fn files(tree: &Tree) -> Vec<Violation> {
    let check = |file: &File| {
        let (lines, cap) = (file.text.lines().count(), cap(&file.path));
        (lines > cap).then(|| file.violation(0, format!("{lines} lines, and the cap is {cap}")))
    };
    tree.rust_files().filter_map(check).collect()
}

pub fn functions(tree: &Tree) -> Vec<Violation> {
    tree.rust_files().flat_map(long_functions).collect()
}

fn cap(path: &str) -> usize {
    let is_test = path
        .split('/')
        .any(|part| part == "tests" || part == "tests.rs");
    if is_test {
        TEST_FILE_LINES_MAX
    } else {
        FILE_LINES_MAX
    }
}

fn long_functions(file: &File) -> Vec<Violation> {
    let parsed = match syn::parse_file(&file.text) {
        Ok(parsed) => parsed,
        Err(error) => {
            return vec![file.violation(error.span().start().line, format!("no Rust: {error}"))];
        }
    };
    let mut functions = Functions {
        file,
        violations: Vec::new(),
    };
    functions.visit_file(&parsed);
    functions.violations
}

struct Functions<'a> {
    file: &'a File,
    violations: Vec<Violation>,
}

impl Functions<'_> {
    fn look(&mut self, signature: &Signature, block: &Block) {
        let start = signature.span().start().line;
        let lines = block.span().end().line - start + 1;
        if lines > FUNCTION_LINES_MAX {
            let name = &signature.ident;
            let message = format!("`{name}` has {lines} lines, and a screen {FUNCTION_LINES_MAX}");
            self.violations.push(self.file.violation(start, message));
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.look(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.look(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast TraitItemFn) {
        if let Some(block) = &function.default {
            self.look(&function.sig, block);
        }
        visit::visit_trait_item_fn(self, function);
    }
}

mod tests {
    use super::*;

    #[test]
    fn a_file_over_its_cap_is_found_and_tests_may_be_longer() {
        let check = |path: &str, lines: usize, expected: usize| {
            let found = files(&Tree::of(&[(path, &"//\n".repeat(lines))]));
            assert_eq!(found.len(), expected, "{path} {lines}");
        };
        check("a/src/b.rs", 500, 0);
        check("a/src/b.rs", 501, 1);
        check("a/tests/b.rs", 800, 0);
        check("a/src/b/tests.rs", 501, 0);
        check("a/tests/b.rs", 801, 1);
        check("a/README.md", 900, 0);
    }

    #[test]
    fn a_long_function_is_found_wherever_it_is() {
        let body = |lines: usize| format!("{{\n{}}}", "x();\n".repeat(lines));
        for (before, after) in [
            ("fn long()", ""),
            ("#[doc = \"y\"]\nimpl A { fn long()", "}"),
            ("trait A { fn long()", "}"),
            ("mod m { fn long()", "}"),
        ] {
            let check = |lines: usize| {
                let text = format!("{before} {}{after}", body(lines));
                functions(&Tree::of(&[("a.rs", &text)]))
            };
            assert_eq!(check(78), [], "{before}");
            let found = check(79);
            assert_eq!(found.len(), 1, "{before}");
            assert!(
                found[0].message.starts_with("`long` has 81 lines"),
                "{}",
                found[0]
            );
        }
    }

    #[test]
    fn a_file_that_is_no_rust_is_not_passed_over() {
        assert_eq!(functions(&Tree::of(&[("a.rs", "fn (")])).len(), 1);
    }
}
