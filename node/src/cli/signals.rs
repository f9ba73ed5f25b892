//! Ctrl-C and SIGTERM; and a file that gets too large.

use tokio::signal::unix::{SignalKind, signal};

/// Waits until somebody asks this process to stop.
pub async fn asked_to_stop() {
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        // Without handlers the signals end the process at once, which is what was asked for.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// Makes a file that gets larger than the process may write an error of that write, like a full disk: by
/// default the signal that tells of it ends the process.
pub fn bear_file_limit() {
    // Registered for as long as the process lives, whether or not somebody listens.
    if let Err(error) = signal(SignalKind::from_raw(libc::SIGXFSZ)) {
        tracing::debug!(%error, "a limit of file sizes will end this process");
    }
}
