//! Whose permissions are printed.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use wrt_protocol::{NodeId, subject::Role};

use super::LatticeArgs;

/// What stands behind the help of the command.
pub const HELP: &str = "Examples:
  PROGRAM permissions app.toml                       for all roles, where this is the only app
  PROGRAM permissions shop.toml mail.toml --role node --node a --node b
  PROGRAM permissions > wrt.conf                     whatever apps there will be

It is what nats-server reads: include the file, and say `permissions: $WRT_DEFAULT_NODE` of a user.
Each that is printed must be used. With manifests a node may call whom they link, and nobody else:
after a change of a link print it again, and reload the server before `up`. With --node each has its
own, and cannot speak or listen as another.";

/// `wrt permissions`
#[derive(Debug, Args)]
pub struct PermissionsArgs {
    /// The manifests of the lattice's apps; without one whatever apps there are
    #[arg(value_name = "MANIFEST")]
    pub manifests: Vec<PathBuf>,
    /// Only this role; may be given several times
    #[arg(long = "role", value_name = "ROLE", value_enum)]
    pub roles: Vec<RoleArg>,
    /// A node by its name, with permissions of its own; may be given several times
    #[arg(long = "node", value_name = "NAME")]
    pub nodes: Vec<NodeId>,
    #[command(flatten)]
    pub lattice: LatticeArgs,
}

/// What a client of NATS is to the lattice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RoleArg {
    /// Runs what is deployed
    Node,
    /// Deploys, removes, calls, replays: all that `wrt` does
    Operator,
    /// Looks: ps, top, describe, explain, events, logs, history
    Observer,
    /// A provider of the manifests, at its own NATS
    Backend,
}

impl From<Role> for RoleArg {
    fn from(role: Role) -> Self {
        match role {
            Role::Node => Self::Node,
            Role::Operator => Self::Operator,
            Role::Observer => Self::Observer,
        }
    }
}
