//! Settings that refer to secrets: to a vault of the same app, which needs none of its own to connect.

use wrt_protocol::Name;

use super::{
    Check,
    cycles::{Calls, cycles, path_of},
};
use crate::{ProblemKind, ProviderManifest, SECRETS, SecretReference, Span};

impl Check<'_> {
    pub(super) fn secrets(&self) {
        let mut needs = Calls::new();
        for (name, provider) in &self.manifest.providers {
            for (field, secret) in provider.config.config.secrets() {
                let span = provider.config.spans.get(field).cloned();
                let span = span.unwrap_or_else(|| provider.name.span());
                if self.is_vault(field, secret, span) {
                    let needed = needs.entry(name.clone()).or_default();
                    needed.insert(secret.vault.clone());
                }
            }
        }
        for cycle in cycles(&needs) {
            self.vault_cycle(&cycle);
        }
    }

    fn is_vault(&self, field: &str, secret: &SecretReference, span: Span) -> bool {
        let vault = &secret.vault;
        let keepers = || {
            let keepers = self.backends.iter();
            let keepers = keepers.filter(|backend| backend.offers.contains(&SECRETS));
            let keepers: Vec<&str> = keepers.map(|backend| backend.name.as_str()).collect();
            format!("these backends are vaults: {}", keepers.join(", "))
        };
        let Some(provider) = self.manifest.providers.get(vault) else {
            let message =
                format!("`{field}` refers to a secret of `{vault}`, which is no provider");
            let known = self.manifest.providers.keys();
            let near = self.or_declare("provider", vault.as_str(), known);
            let help = format!("{}; {near}", keepers());
            self.findings
                .add(ProblemKind::UnknownProvider, span, message, help);
            return false;
        };
        // A backend that does not exist is a problem of its own.
        let backend = provider.backend.as_ref();
        let Some(backend) = backend.and_then(|backend| self.backend(backend.get_ref())) else {
            return true;
        };
        if backend.offers.contains(&SECRETS) {
            return true;
        }
        let message = format!(
            "`{field}` refers to a secret of provider `{vault}`, whose backend `{}` keeps none",
            backend.name
        );
        self.findings
            .add(ProblemKind::WrongProvider, span, message, keepers());
        false
    }

    /// None of them could ever connect.
    fn vault_cycle(&self, cycle: &[Name]) {
        let path = path_of(cycle);
        let message = match cycle {
            [only] => format!("provider `{only}` would read its own settings from itself: {path}"),
            _ => format!("settings lead from vault to vault in a circle: {path}"),
        };
        let help = "give one of them its secrets by the environment: `{ env = \"NAME\" }`";
        // The setting that closes it: in a chain written from front to back, the odd one.
        let closing = cycle
            .last()
            .and_then(|last| self.manifest.providers.get(last));
        let span = closing.and_then(|provider| leads_to(provider, cycle.first()?));
        self.findings.add(
            ProblemKind::VaultCycle,
            span.unwrap_or(0..0),
            message,
            help.to_owned(),
        );
    }
}

/// Where a setting refers to `vault`.
fn leads_to(provider: &ProviderManifest, vault: &Name) -> Option<Span> {
    let mut secrets = provider.config.config.secrets();
    let (field, _) = secrets.find(|(_, secret)| secret.vault == *vault)?;
    provider.config.spans.get(field).cloned()
}
