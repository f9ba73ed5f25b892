//! What Azure's own SDK for Python says of the double that the tests use. `cargo xtask azure` installs the SDK,
//! and runs this.

use std::process::Command;

#[allow(dead_code, reason = "the tests use all of it")]
#[path = "../tests/azure/double.rs"]
mod double;

#[tokio::main]
async fn main() {
    let double = double::Double::start().await;
    let token_file = double.folder.path().join("token");
    std::fs::write(&token_file, double::ASSERTION).expect("a temporary folder takes a file");
    double.state.fail_with(&[(429, Some(1)), (503, Some(1))]);
    let mut oracle = Command::new("python3");
    oracle
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/azure/oracle.py"
        ))
        .args([double.url.as_ref(), double.authority().as_os_str()])
        .arg(&token_file);
    let status = tokio::task::spawn_blocking(move || oracle.status());
    let status = status.await.expect("it is waited for").expect("python3");
    assert!(
        status.success(),
        "the SDK does not take the double: {status}"
    );
}
