//! Who may call whom, by what is stored of an app.

use wrt_protocol::{ActorAddress, ActorKind, InterfaceName};

use crate::{DesiredApp, DesiredProvider, SECRETS};

impl DesiredApp {
    /// Whether `caller` may call `callee` by `interface`:
    /// - a component calls whom a link of that interface leads to;
    /// - a provider calls the components that its `calls` name, by whatever its backend calls them;
    /// - a provider calls its own other replicas;
    /// - a provider reads what its settings refer to from the vaults that keep it.
    ///
    /// Nobody calls into another app.
    #[must_use]
    pub fn links(
        &self,
        caller: &ActorAddress,
        callee: &ActorAddress,
        interface: &InterfaceName,
    ) -> bool {
        if caller.app != self.app || callee.app != self.app {
            return false;
        }
        match caller.kind {
            ActorKind::Component => {
                let component = self.components.get(&caller.name);
                let links = component.and_then(|component| component.links.get(interface));
                links.is_some_and(|named| named.values().any(|end| end.is(callee)))
            }
            ActorKind::Provider => {
                let provider = self.providers.get(&caller.name);
                provider.is_some_and(|it| caller == callee || it.reaches(callee, interface))
            }
        }
    }
}

impl DesiredProvider {
    fn reaches(&self, callee: &ActorAddress, interface: &InterfaceName) -> bool {
        match callee.kind {
            ActorKind::Component => self.calls.iter().any(|it| it.component == callee.name),
            ActorKind::Provider => {
                let mut secrets = self.config.secrets();
                *interface == SECRETS && secrets.any(|(_, secret)| secret.vault == callee.name)
            }
        }
    }
}

/// What is missing for `caller` to call `callee` by `interface`, and where a manifest says it.
#[must_use]
pub fn missing_link(
    caller: &ActorAddress,
    callee: &ActorAddress,
    interface: &InterfaceName,
) -> String {
    let (from, to) = (&caller.name, &callee.name);
    if caller.app != callee.app {
        return format!(
            "{caller} calls {callee} by {interface}, which is of another app: a link ends in its own app, so \
             declare what it needs in the manifest of {}",
            caller.app
        );
    }
    let app = &caller.app;
    match (caller.kind, callee.kind) {
        (ActorKind::Component, _) => format!(
            "{caller} has no link to {callee} by {interface}: if it shall call it, write \
             `links = {{ \"{interface}\" = \"{to}\" }}` under [component.{from}] in the manifest of {app}, and \
             `wrt up` that"
        ),
        (ActorKind::Provider, ActorKind::Component) => format!(
            "{caller} does not call {callee}: if it shall, write `calls = [{{ component = \"{to}\" }}]` under \
             [provider.{from}] in the manifest of {app}, and `wrt up` that"
        ),
        (ActorKind::Provider, ActorKind::Provider) => format!(
            "{caller} has no use for {callee}: a provider calls another one for its secrets alone, by a setting \
             `{{ vault = \"{to}\", secret = ... }}` under [provider.{from}.config] in the manifest of {app}"
        ),
    }
}

#[cfg(test)]
mod tests {
    use wrt_protocol::Name;

    use super::*;
    use crate::{
        ConfigValue, DesiredComponent, DesiredTarget, LinkEnd, Reference, SecretReference,
    };

    const KEYVALUE: InterfaceName = InterfaceName::from_static("wasi:keyvalue");
    const HANDLER: InterfaceName = InterfaceName::from_static("wasi:http/handler");

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    fn actor(text: &str) -> ActorAddress {
        text.parse().unwrap()
    }

    fn component(links: &[(&InterfaceName, LinkEnd)]) -> DesiredComponent {
        let stored = format!(
            r#"{{"digest": "{}", "environment": {{}}, "placement": {{"nodes": [], "labels": {{}},
            "replicas": null}}, "links": {{}}, "limits": {}}}"#,
            crate::Digest::of(b"code"),
            serde_json::to_string(&wrt_protocol::ComponentLimits::default()).unwrap(),
        );
        let mut component: DesiredComponent = serde_json::from_str(&stored).unwrap();
        for (interface, end) in links {
            let named = component.links.entry((*interface).clone()).or_default();
            named.insert(name("default"), end.clone());
        }
        component
    }

    /// `web` calls `cart`, which has a link to `cache` and one to the component `prices`; `cache` has its
    /// password from `vault`.
    fn app() -> DesiredApp {
        let mut app = DesiredApp::empty(name("shop"));
        let links = [
            (&KEYVALUE, LinkEnd::Provider(name("cache"))),
            (&HANDLER, LinkEnd::Component(name("prices"))),
        ];
        app.components.insert(name("cart"), component(&links));
        app.components.insert(name("prices"), component(&[]));
        let mut web = DesiredProvider::new("http-server");
        web.calls.push(DesiredTarget {
            component: name("cart"),
            selection: crate::Config::default(),
        });
        let mut cache = DesiredProvider::new("redis");
        let secret = SecretReference {
            vault: name("vault"),
            locker: None,
            secret: "password".to_owned(),
        };
        let secret = ConfigValue::Reference(Reference::Secret(secret));
        cache.config.0.insert("password".to_owned(), secret);
        app.providers.insert(name("web"), web);
        app.providers.insert(name("cache"), cache);
        app.providers
            .insert(name("vault"), DesiredProvider::new("age"));
        app
    }

    #[test]
    fn who_may_call_whom() {
        let app = app();
        for (link, interface, may) in [
            ("component/shop/cart provider/shop/cache", KEYVALUE, true),
            ("component/shop/cart component/shop/prices", HANDLER, true),
            // Another interface, another end, another direction.
            ("component/shop/cart provider/shop/cache", SECRETS, false),
            ("component/shop/cart component/shop/prices", KEYVALUE, false),
            ("component/shop/cart component/shop/cache", KEYVALUE, false),
            ("component/shop/cart provider/shop/vault", KEYVALUE, false),
            ("component/shop/prices provider/shop/cache", KEYVALUE, false),
            ("component/shop/prices component/shop/cart", HANDLER, false),
            ("component/shop/cart component/shop/cart", HANDLER, false),
            ("component/shop/nobody provider/shop/cache", KEYVALUE, false),
            // A trigger, the replicas of one provider, a vault.
            ("provider/shop/web component/shop/cart", HANDLER, true),
            ("provider/shop/web component/shop/prices", HANDLER, false),
            ("provider/shop/web provider/shop/web", KEYVALUE, true),
            ("provider/shop/web provider/shop/cache", KEYVALUE, false),
            ("provider/shop/cache provider/shop/vault", SECRETS, true),
            ("provider/shop/cache provider/shop/vault", KEYVALUE, false),
            ("provider/shop/web provider/shop/vault", SECRETS, false),
            ("provider/shop/nobody provider/shop/nobody", KEYVALUE, false),
            // Of another app, whatever its names.
            ("component/other/cart provider/shop/cache", KEYVALUE, false),
            ("component/shop/cart provider/other/cache", KEYVALUE, false),
            ("component/other/cart provider/other/cache", KEYVALUE, false),
        ] {
            let (caller, callee) = link.split_once(' ').unwrap();
            let found = app.links(&actor(caller), &actor(callee), &interface);
            assert_eq!(found, may, "{link} by {interface}");
        }
    }

    /// Fails when the words are no manifest: what they say to write is what makes the link.
    #[test]
    fn what_is_missing_is_said_as_the_manifest_says_it() {
        let missing = |caller: &str, callee: &str, interface: &InterfaceName| {
            let said = missing_link(&actor(caller), &actor(callee), interface);
            assert!(said.starts_with(caller) && said.contains(callee), "{said}");
            said
        };
        let said = missing("component/shop/prices", "provider/shop/cache", &KEYVALUE);
        assert!(
            said.contains(r#"links = { "wasi:keyvalue" = "cache" }` under [component.prices]"#),
            "{said}"
        );
        let said = missing("provider/shop/web", "component/shop/prices", &HANDLER);
        assert!(
            said.contains(r#"calls = [{ component = "prices" }]` under [provider.web]"#),
            "{said}"
        );
        let said = missing("provider/shop/web", "provider/shop/vault", &SECRETS);
        assert!(said.contains(r#"{ vault = "vault", secret"#), "{said}");
        let said = missing("component/other/cart", "provider/shop/cache", &KEYVALUE);
        assert!(said.contains("the manifest of other"), "{said}");
    }
}
