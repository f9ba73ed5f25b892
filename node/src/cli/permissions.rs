//! `wrt permissions`: what a NATS server must permit whom, as it reads that.

mod backends;

use serde::Serialize;
use wrt_contract::Interface as _;
use wrt_deployment::{DesiredApp, Permissions, PermissionsOf, Scope};
use wrt_protocol::{InterfaceName, LatticeName, NodeId, subject::Role};
use wrt_runtime::{DeadLettersInterface, JobsInterface, Runtime, SubscriptionsInterface};

use super::{
    args::{PermissionsArgs, RoleArg},
    exit::Failure,
    manifest_file,
    output::Output,
};

/// By which interfaces this program calls providers.
const OPERATED_BY: [InterfaceName; 3] = [
    DeadLettersInterface::NAME,
    JobsInterface::NAME,
    SubscriptionsInterface::NAME,
];

/// Whoever has a user of their own.
#[derive(Serialize)]
struct Permitted<'a> {
    role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<&'a NodeId>,
    /// The provider, as `APP/NAME`, whose user is that of its own service.
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<String>,
    /// By what the user's permissions are referred to.
    variable: String,
    #[serde(flatten)]
    permissions: Permissions,
}

pub fn permissions(
    runtime: &Runtime,
    lattice: &LatticeName,
    arguments: &PermissionsArgs,
    output: Output,
) -> Result<(), Failure> {
    let manifests = arguments.manifests.iter();
    let apps = manifests.map(|it| manifest_file::read(it, runtime, Scope::Lattice, None, &[]));
    let apps = apps.collect::<Result<Vec<_>, _>>()?;
    let apps: Vec<&DesiredApp> = apps.iter().map(|app| &app.checked.app).collect();
    let is_asked_for =
        |role: RoleArg| arguments.roles.is_empty() || arguments.roles.contains(&role);
    let mut all = Vec::new();
    let asked_for = Role::ALL
        .into_iter()
        .filter(|it| is_asked_for((*it).into()));
    for role in asked_for {
        let nodes: Vec<_> = match (role, arguments.nodes.as_slice()) {
            (Role::Node, nodes @ [_, ..]) => nodes.iter().map(Some).collect(),
            _ => vec![None],
        };
        all.extend(nodes.into_iter().map(|node| {
            let of = PermissionsOf {
                lattice,
                role,
                node,
                apps: &apps,
                operated_by: &OPERATED_BY,
            };
            Permitted {
                role: role.as_str(),
                node,
                provider: None,
                variable: match node {
                    None => variable(lattice, &[role.as_str()]),
                    Some(node) => variable(lattice, &[role.as_str(), node.as_str()]),
                },
                permissions: of.least(),
            }
        }));
    }
    if is_asked_for(RoleArg::Backend) {
        for app in &apps {
            let providers = backends::of_app(runtime, app).into_iter();
            all.extend(providers.map(|(provider, permissions)| Permitted {
                role: "backend",
                node: None,
                provider: Some(format!("{}/{provider}", app.app)),
                variable: variable(lattice, &["backend", app.app.as_str(), provider.as_str()]),
                permissions,
            }));
        }
    }
    let text: String = all.iter().map(|it| text(it, lattice)).collect();
    output.result(text.trim_end(), &all);
    Ok(())
}

/// A name that the server takes for a variable's.
fn variable(lattice: &LatticeName, parts: &[&str]) -> String {
    let name = format!("wrt_{lattice}_{}", parts.join("_"));
    name.to_ascii_uppercase().replace('-', "_")
}

fn text(permitted: &Permitted<'_>, lattice: &LatticeName) -> String {
    let Permitted {
        role,
        node,
        provider,
        variable,
        permissions,
    } = permitted;
    let who = match (node, provider) {
        (Some(node), _) => format!("the node {node} of the lattice {lattice}"),
        (None, None) => format!("each {role} of the lattice {lattice}"),
        (None, Some(provider)) => format!(
            "the provider {provider}, at its own server; what its guests send to other topics is not among it"
        ),
    };
    let permissions = permissions.in_configuration();
    format!("# {who}\n{variable} = {permissions}\n")
}
