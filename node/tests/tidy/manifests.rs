//! Every crate is held to the lints of the workspace.

use super::tree::{Tree, Violation};

pub fn lints(tree: &Tree) -> Vec<Violation> {
    let packages = tree.packages().into_iter();
    let loose = packages.filter(|package| {
        let lints = package
            .manifest
            .get("lints")
            .and_then(|lints| lints.get("workspace"));
        lints.and_then(toml::Value::as_bool) != Some(true)
    });
    loose
        .map(|package| package.violation("`lints.workspace = true` is missing"))
        .collect()
}

mod tests {
    use super::*;

    #[test]
    fn a_crate_without_the_lints_is_found() {
        for (lints, expected) in [
            ("lints.workspace = true", 0),
            ("lints.workspace = false", 1),
            ("", 1),
        ] {
            let manifest = format!("package.name = \"a\"\n{lints}");
            let tree = Tree::of(&[("a/Cargo.toml", &manifest)]);
            assert_eq!(self::super::lints(&tree).len(), expected, "{lints}");
        }
    }
}
