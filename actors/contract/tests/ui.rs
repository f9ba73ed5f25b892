//! What `#[interface]` refuses, and how it says so. The cases share few files, because each file is
//! a crate to build.

#[test]
fn mistakes_are_explained_where_they_are() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
