//! How the provider is set up.

use std::path::PathBuf;

use age::x25519::Identity;
use secrecy::{ExposeSecret as _, SecretString};
use wrt_runtime::SettingsError;

/// A file of secrets, and the key that opens it.
#[derive(Debug, Clone, confique::Config)]
pub struct AgeOptions {
    /// The file, on the node. Its folder must be there, and this user must be able to write in it: each
    /// change makes a new file.
    #[config(env = "AGE_FILE")]
    pub file: String,
    /// The key, as `age-keygen` makes it: `AGE-SECRET-KEY-1...`. The file is encrypted to it alone.
    #[config(env = "AGE_IDENTITY")]
    pub identity: SecretString,
    /// Whether to begin with an empty vault where there is no such file when the provider starts. Without
    /// it a file that is missing, because its disk is, stays missing.
    #[config(env = "AGE_CREATE", default = false)]
    pub create: bool,
}

impl AgeOptions {
    /// What it says, checked.
    pub(crate) fn parsed(&self) -> Result<(PathBuf, Identity), SettingsError> {
        let refuse = |field: &str, message: &str| SettingsError::Value {
            field: field.to_owned(),
            message: message.to_owned(),
        };
        if self.file.is_empty() {
            return Err(refuse("file", "name the file of the secrets"));
        }
        let identity = self.identity.expose_secret().trim().parse::<Identity>();
        // What the parser says may quote the key.
        let identity = identity.map_err(|_quotes_it| {
            let message = "this is no key of age: `age-keygen` makes one, `AGE-SECRET-KEY-1...`";
            refuse("identity", message)
        })?;
        Ok((PathBuf::from(&self.file), identity))
    }
}
