//! How the provider is set up.

use std::{collections::BTreeMap, path::PathBuf};

use reqwest::Url;
use secrecy::SecretString;
use serde::Deserialize;
use wrt_runtime::SettingsError;

use crate::{IdentityName, https};

/// Who gives tokens, and to whom.
#[derive(Debug, Clone, confique::Config)]
pub struct OAuth2Options {
    /// The token endpoint: `https://`, or `http://` on this machine itself.
    #[config(env = "OAUTH2_TOKEN_URL")]
    pub token_url: String,
    /// By which id the app is known there.
    #[config(env = "OAUTH2_CLIENT_ID")]
    pub client_id: String,
    /// What proves that.
    #[config(env = "OAUTH2_CLIENT_SECRET")]
    pub client_secret: SecretString,
    /// Other identities that the app may take on, by name, each with a `client_id` and a `client_secret` at
    /// the same endpoint.
    #[config(default = {})]
    pub identities: BTreeMap<String, ClientOptions>,
    /// Whether id and secret go in the body, and not in the header as the standard prefers.
    #[config(env = "OAUTH2_SECRET_IN_BODY", default = false)]
    pub secret_in_body: bool,
    /// What goes along as `audience`, which some services ask for.
    #[config(env = "OAUTH2_AUDIENCE")]
    pub audience: Option<String>,
    /// A PEM file with the authority that signed the endpoint's certificate, in place of the system's own. A
    /// manifest names no file: it refers to a variable that the node's operator lets through.
    #[config(env = "OAUTH2_AUTHORITY_FILE")]
    pub authority_file: Option<PathBuf>,
}

/// An identity beside the provider's own.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientOptions {
    /// By which id it is known.
    pub client_id: String,
    /// What proves that.
    pub client_secret: SecretString,
}

impl OAuth2Options {
    /// The endpoint, checked.
    pub(crate) fn endpoint(&self) -> Result<Url, SettingsError> {
        let refuse = |message: &str| SettingsError::Value {
            field: "token_url".to_owned(),
            message: message.to_owned(),
        };
        // What the parser says may quote a password.
        let url = self.token_url.parse::<Url>();
        let url = url.map_err(|_quotes_it| refuse("it is no URL"))?;
        match https::keeps_secrets(&url) {
            true => Ok(url),
            false => Err(refuse(
                "use https://, or http:// on this machine itself, and no password",
            )),
        }
    }

    /// All identities, the provider's own among them.
    pub(crate) fn clients(&self) -> Result<BTreeMap<IdentityName, ClientOptions>, SettingsError> {
        let own = ClientOptions {
            client_id: self.client_id.clone(),
            client_secret: self.client_secret.clone(),
        };
        let mut clients = BTreeMap::from([(IdentityName::own(), own)]);
        for (name, options) in &self.identities {
            let refuse = |message: String| SettingsError::Value {
                field: "identities".to_owned(),
                message,
            };
            let key = IdentityName::new(name).map_err(|error| refuse(error.to_string()))?;
            if clients.insert(key, options.clone()).is_some() {
                return Err(refuse(format!("`{name}` is the provider's own")));
            }
        }
        Ok(clients)
    }
}
