//! What a NATS server believes that knows its users by keys.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD};
use nkeys::KeyPair;
use serde_json::{Value, json};

/// A user's key: what the server is told of it, and the seed by which the user logs in.
#[derive(Debug)]
pub struct NatsKey {
    /// The public half.
    pub public_key: String,
    /// The secret half.
    pub seed: String,
}

impl NatsKey {
    /// Another one each time.
    ///
    /// # Panics
    /// Never: what was just made has a seed.
    #[must_use]
    pub fn of_user() -> Self {
        let pair = KeyPair::new_user();
        Self {
            public_key: pair.public_key(),
            seed: seed(&pair),
        }
    }
}

/// An account, for whose users an operator vouches whom a server believes.
pub struct NatsAccount {
    operator: KeyPair,
    account: KeyPair,
}

impl Default for NatsAccount {
    fn default() -> Self {
        Self {
            operator: KeyPair::new_operator(),
            account: KeyPair::new_account(),
        }
    }
}

impl NatsAccount {
    /// What the configuration of a server says that believes the account's operator.
    #[must_use]
    pub fn configuration(&self) -> String {
        let limits = json!({
            "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1,
            "wildcards": true, "conn": -1, "leaf": -1,
        });
        let operators = token_of(&self.operator, &self.operator, "operator", json!({}));
        let says = json!({ "limits": limits });
        let accounts = token_of(&self.operator, &self.account, "account", says);
        format!(
            "operator: {operators}\nresolver: MEMORY\nresolver_preload: {{ {}: {accounts} }}",
            self.account.public_key()
        )
    }

    /// The credentials of a new user of the account, as `nsc generate creds` writes them in a file.
    #[must_use]
    pub fn credentials(&self) -> String {
        let user = KeyPair::new_user();
        let says = json!({ "pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1 });
        let jwt = token_of(&self.account, &user, "user", says);
        let seed = seed(&user);
        format!(
            "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        )
    }
}

fn seed(pair: &KeyPair) -> String {
    pair.seed().expect("what was just made has a seed")
}

/// A JWT of NATS, in its second version: what `issuer` says of `subject`, which is a `kind`.
fn token_of(issuer: &KeyPair, subject: &KeyPair, kind: &str, mut says: Value) -> String {
    says["type"] = kind.into();
    says["version"] = 2.into();
    let claims = json!({
        "jti": "1", "iat": 1, "name": kind,
        "iss": issuer.public_key(), "sub": subject.public_key(), "nats": says,
    });
    let encoded = |part: &[u8]| URL_SAFE_NO_PAD.encode(part);
    let header = json!({ "typ": "JWT", "alg": "ed25519-nkey" }).to_string();
    let (header, claims) = (
        encoded(header.as_bytes()),
        encoded(claims.to_string().as_bytes()),
    );
    let signed = format!("{header}.{claims}");
    let signature = issuer
        .sign(signed.as_bytes())
        .expect("what was just made signs");
    format!("{signed}.{}", encoded(&signature))
}
