//! The README has the settings as the provider has them.

use wrt_opentelemetry::OpenTelemetryConfig;
use wrt_test_kit::settings_table;

const README: &str = include_str!("../../README.md");

#[test]
fn the_readme_has_the_settings_as_they_are() {
    let table = settings_table::<OpenTelemetryConfig>();
    assert!(
        README.contains(&table),
        "write this into README.md:\n\n{table}"
    );
}
