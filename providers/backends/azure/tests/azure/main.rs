//! The provider against a double of Azure's services: none of them can be had for a test.

mod double;
mod identity;
mod support;
mod vault;

/// The README has the settings as the provider has them.
#[test]
fn the_readme_has_the_settings_as_they_are() {
    wrt_test_kit::check_settings::<wrt_azure::AzureConfig>(include_str!("../../README.md"));
}
