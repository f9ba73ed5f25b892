//! Which lattice, and who this is there.

use std::path::PathBuf;

use clap::Args;
use secrecy::SecretString;
use wrt_nats_login::NatsLogin;
use wrt_protocol::{LatticeName, subject::Role};
use wrt_transport::RefusedPublishes;

use crate::{
    LatticeServers,
    lattice::{Lattice, LatticeError},
};

/// Which lattice.
#[derive(Debug, Clone, Args)]
pub struct LatticeArgs {
    /// URL of a NATS server, or several with commas between them
    #[arg(
        long,
        value_name = "URL",
        global = true,
        env = "WRT_NATS_URL",
        hide_env_values = true,
        default_value = "nats://127.0.0.1:4222"
    )]
    pub lattice: String,
    /// The lattice: several can share one NATS and do not hear each other
    #[arg(
        long,
        value_name = "NAME",
        global = true,
        env = "WRT_LATTICE_NAME",
        hide_env_values = true,
        default_value = "default"
    )]
    pub lattice_name: LatticeName,
    #[command(flatten)]
    pub login: LoginArgs,
    /// What its servers do not permit.
    #[arg(skip)]
    pub refused: RefusedPublishes,
}

impl LatticeArgs {
    /// Connects in `role`.
    ///
    /// # Errors
    /// As [`Lattice::connect`].
    pub async fn connect(&self, role: Role) -> Result<Lattice, LatticeError> {
        Lattice::connect(&self.servers(), self.lattice_name.clone(), role).await
    }

    /// Where the lattice is, and who this is there.
    pub fn servers(&self) -> LatticeServers {
        let LoginArgs {
            user,
            password,
            token,
            nkey,
            creds,
            tls_ca,
        } = self.login.clone();
        LatticeServers {
            url: self.lattice.clone(),
            login: NatsLogin {
                user,
                password,
                token,
                nkey_file: nkey,
                credentials_file: creds,
                authority_file: tls_ca,
            },
            refused: self.refused.clone(),
        }
    }
}

/// Who this is to the NATS servers of the lattice: in one of these ways, or in the URL
/// (`nats://user:password@host`). On a command line every user of the machine reads a password; a
/// variable or a file is better.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Login to NATS")]
pub struct LoginArgs {
    /// A .creds file, with a JWT and its key
    #[arg(
        long,
        value_name = "FILE",
        global = true,
        env = "WRT_NATS_CREDS",
        hide_env_values = true
    )]
    pub creds: Option<PathBuf>,
    /// A file with the seed of an nkey
    #[arg(
        long,
        value_name = "FILE",
        global = true,
        env = "WRT_NATS_NKEY",
        hide_env_values = true
    )]
    pub nkey: Option<PathBuf>,
    /// A user, with --password
    #[arg(
        long,
        value_name = "NAME",
        global = true,
        env = "WRT_NATS_USER",
        hide_env_values = true
    )]
    pub user: Option<String>,
    /// The user's password
    #[arg(
        long,
        value_name = "PASSWORD",
        global = true,
        env = "WRT_NATS_PASSWORD",
        hide_env_values = true
    )]
    pub password: Option<SecretString>,
    /// A token
    #[arg(
        long,
        value_name = "TOKEN",
        global = true,
        env = "WRT_NATS_TOKEN",
        hide_env_values = true
    )]
    pub token: Option<SecretString>,
    /// A PEM file with the authority that signed the servers' certificates, beside the system's own
    #[arg(
        long,
        value_name = "FILE",
        global = true,
        env = "WRT_NATS_CA",
        hide_env_values = true
    )]
    pub tls_ca: Option<PathBuf>,
}
