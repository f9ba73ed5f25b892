//! Who gives tokens: the endpoint of a tenant, the metadata of a machine, and an app service.

use std::{collections::HashMap, time::Instant};

use http::Method;
use serde_json::{Value, json};
use wrt_identity::conformance::Behaviour;

use super::{
    APP_SERVICE_HEADER, APP_SERVICE_PATH, ASSERTION, Answer, Asked, CLIENTS, Given, State, TENANT,
    TOKEN_MARK, answer, vault::seconds,
};

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// The version that an app service speaks.
const APP_SERVICE_VERSION: &str = "2019-08-01";
/// What Entra's scopes end with where an app asks for itself.
const DEFAULT: &str = "/.default";

impl State {
    pub(super) async fn entra(&self, asked: &Asked) -> Answer {
        let path = asked.path.as_str();
        if path == format!("/{TENANT}/oauth2/v2.0/token") && asked.method == Method::POST {
            return self.of_tenant(asked).await;
        }
        // What the SDK of Python asks first.
        if path.ends_with("/openid-configuration") || path == "/common/discovery/instance" {
            let at = format!("{}/{TENANT}", self.address.lock());
            return answer(
                200,
                &json!({
                    "issuer": format!("{at}/v2.0"),
                    "authorization_endpoint": format!("{at}/oauth2/v2.0/authorize"),
                    "token_endpoint": format!("{at}/oauth2/v2.0/token"),
                    "jwks_uri": format!("{at}/keys"),
                    "tenant_discovery_endpoint": format!("{at}/v2.0/.well-known/openid-configuration"),
                    "metadata": [],
                }),
            );
        }
        if path == "/metadata/identity/oauth2/token" {
            return self.of_machine(asked).await;
        }
        if path == APP_SERVICE_PATH {
            return self.of_app_service(asked).await;
        }
        answer(404, &json!({}))
    }

    async fn of_tenant(&self, asked: &Asked) -> Answer {
        let form: HashMap<String, String> = url::form_urlencoded::parse(&asked.body)
            .into_owned()
            .collect();
        let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        let error = |status, error: &str, code: u32| {
            let description = format!("AADSTS{code}: in words");
            answer(
                status,
                &json!({ "error": error, "error_description": description, "error_codes": [code] }),
            )
        };
        let known = CLIENTS.iter().find(|(id, _)| *id == field("client_id"));
        let Some((client, secret)) = known else {
            return error(400, "unauthorized_client", 700_016);
        };
        let is_proved = match form.get("client_secret") {
            Some(shown) => shown == secret,
            None => {
                field("client_assertion_type") == ASSERTION_TYPE
                    && field("client_assertion") == ASSERTION
            }
        };
        if !is_proved {
            return error(401, "invalid_client", 7_000_215);
        }
        if field("grant_type") != "client_credentials" {
            return error(400, "unsupported_grant_type", 70_003);
        }
        let Some(audience) = field("scope").strip_suffix(DEFAULT) else {
            return error(400, "invalid_scope", 1_002_012);
        };
        match self.give(client, audience).await {
            Some((text, behaviour)) => answer(
                200,
                &json!({
                    "token_type": "Bearer",
                    "expires_in": behaviour.life.as_secs(),
                    "ext_expires_in": behaviour.life.as_secs(),
                    "access_token": text,
                }),
            ),
            None => error(400, "invalid_resource", 500_011),
        }
    }

    async fn of_machine(&self, asked: &Asked) -> Answer {
        let is_marked = asked.headers.get("metadata").is_some_and(|it| it == "true");
        match is_marked && asked.query.contains_key("api-version") {
            true => {
                self.managed(
                    asked,
                    |behaviour| json!({ "expires_in": behaviour.life.as_secs().to_string() }),
                )
                .await
            }
            false => answer(400, &json!({ "error": "invalid_request" })),
        }
    }

    async fn of_app_service(&self, asked: &Asked) -> Answer {
        let shown = asked.headers.get("x-identity-header");
        if shown.is_none_or(|it| it != APP_SERVICE_HEADER) {
            return answer(401, &json!({ "statusCode": 401, "message": "in words" }));
        }
        let version = asked.query.get("api-version");
        match version.is_some_and(|it| it == APP_SERVICE_VERSION) {
            true => self.managed(asked, |_| json!({})).await,
            false => answer(400, &json!({ "statusCode": 400, "message": "in words" })),
        }
    }

    /// A token of a managed identity; `more` is what is said of it besides.
    async fn managed(&self, asked: &Asked, more: impl Fn(&Behaviour) -> Value) -> Answer {
        let query = |name: &str| asked.query.get(name).map(String::as_str);
        let Some(audience) = query("resource") else {
            return answer(400, &json!({ "error": "invalid_request" }));
        };
        let client = query("client_id").unwrap_or(CLIENTS[0].0);
        if CLIENTS.iter().all(|(id, _)| *id != client) {
            let description = "Identity not found";
            let error = json!({ "error": "invalid_request", "error_description": description });
            return answer(400, &error);
        }
        match self.give(client, audience).await {
            Some((text, behaviour)) => {
                let ends = seconds() + behaviour.life.as_secs();
                let mut told = more(&behaviour);
                told["access_token"] = text.into();
                told["client_id"] = client.into();
                told["expires_on"] = ends.to_string().into();
                told["resource"] = audience.into();
                told["token_type"] = "Bearer".into();
                answer(200, &told)
            }
            None => answer(400, &json!({ "error": "invalid_resource" })),
        }
    }

    /// A token, unless the plan for its scope is that there is none.
    async fn give(&self, client: &str, audience: &str) -> Option<(String, Behaviour)> {
        let scope = format!("{audience}{DEFAULT}");
        let behaviour = self.scopes.lock().get(&scope).map(|(it, _)| *it);
        let behaviour = behaviour.unwrap_or_default();
        tokio::time::sleep(behaviour.delay).await;
        if behaviour.refuses {
            return None;
        }
        let text = format!("{TOKEN_MARK}{client}-{:032x}", rand::random::<u128>());
        let given = Given {
            audience: audience.to_owned(),
            ends: Instant::now() + behaviour.life,
        };
        self.tokens.lock().insert(text.clone(), given);
        self.scopes.lock().entry(scope).or_default().1 += 1;
        Some((text, behaviour))
    }
}
