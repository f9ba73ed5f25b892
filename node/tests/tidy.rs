//! The house rules that a machine can check. Each rule has tests of itself beside it.
//!
//! A rule is a function from the [`Tree`] of sources to its violations, so its tests feed it small
//! trees. To change a limit or a dependency edge, change the constant in the rule's file, and say
//! why in the commit.

#![cfg(test)]

mod tidy {
    pub mod architecture;
    pub mod compose;
    pub mod dependencies;
    pub mod duplicates;
    pub mod manifests;
    pub mod names;
    pub mod reference;
    pub mod registry;
    pub mod sizes;
    pub mod spelling;
    pub mod subjects;
    pub mod tree;
}

use tidy::tree::{Tree, Violation};

fn check(rule: impl Fn(&Tree) -> Vec<Violation>) {
    let violations = rule(&Tree::of_repository());
    let lines: Vec<_> = violations.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "\n{}\n", lines.join("\n"));
}

#[test]
fn files_fit_their_cap() {
    check(tidy::sizes::files);
}

#[test]
fn functions_fit_a_screen() {
    check(tidy::sizes::functions);
}

#[test]
fn files_are_named_by_nouns_that_say_something() {
    check(tidy::names::banned);
}

#[test]
fn numbers_are_spelled_one_way() {
    check(tidy::names::misspelled_numbers);
}

#[test]
fn subjects_are_spelled_in_one_file() {
    check(tidy::subjects::spelled_elsewhere);
}

#[test]
fn dependencies_point_one_way() {
    check(tidy::dependencies::direction);
}

#[test]
fn vendors_and_loose_errors_stay_in_their_rooms() {
    check(tidy::dependencies::confined);
}

#[test]
fn crates_use_the_lints_of_the_workspace() {
    check(tidy::manifests::lints);
}

#[test]
fn the_architecture_page_lists_the_crates() {
    check(tidy::architecture::code_map);
}

#[test]
fn services_for_compose_are_pinned_and_stay_on_this_machine() {
    check(tidy::compose::services);
}

#[test]
fn no_block_is_written_twice() {
    check(tidy::duplicates::across_crates);
}

#[test]
fn the_registration_table_lists_the_providers() {
    check(tidy::registry::providers);
}

#[test]
fn the_reference_tells_the_limits() {
    check(tidy::reference::limits);
}
