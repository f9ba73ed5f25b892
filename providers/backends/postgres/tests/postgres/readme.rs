//! The README has the settings as the provider has them.

use wrt_postgres::PostgresConfig;

#[test]
fn the_readme_has_the_settings_as_they_are() {
    wrt_test_kit::check_settings::<PostgresConfig>(include_str!("../../README.md"));
}
