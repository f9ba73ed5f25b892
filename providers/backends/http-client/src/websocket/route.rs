//! What the manifest says of connections.

use serde::Deserialize;
use wrt_runtime::SelectionError;
use wrt_websocket::PeerOptions;

/// Connections that are opened under a name, and whose peers one component answers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectRoute {
    /// The name by which a component asks for one.
    #[serde(default = "default_name")]
    pub route: String,
    /// How their peers are served.
    #[serde(default)]
    pub websocket: PeerOptions,
}

fn default_name() -> String {
    "default".to_owned()
}

/// Looks at all routes of a provider together.
///
/// # Errors
/// The first that makes no sense.
pub(super) fn check(routes: &[ConnectRoute]) -> Result<(), SelectionError> {
    for (at, ConnectRoute { route, websocket }) in routes.iter().enumerate() {
        let refused = |field, message| SelectionError {
            at,
            field: Some(field),
            message,
        };
        websocket.check().map_err(|message| {
            refused(
                "websocket",
                format!("the websockets of {route:?}: {message}"),
            )
        })?;
        if routes[..at].iter().any(|other| other.route == *route) {
            let message = format!("two routes have the name {route:?}");
            return Err(refused("route", message));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_default_and_what_is_wrong_is_named() {
        let read = |text: &str| toml::from_str::<ConnectRoute>(text);
        let default = read("").expect("each has a default");
        assert_eq!(default.route, "default");
        assert_eq!(default.websocket, PeerOptions::default());
        assert!(
            read("path = \"/\"").is_err(),
            "it is no route of a server's"
        );
        assert!(read("websocket = { origins = [] }").is_err());
        let feed = read("route = \"feed\"").expect("a name");
        assert_eq!(check(&[default.clone(), feed.clone()]), Ok(()));
        let twice = check(&[feed.clone(), default, feed]).unwrap_err();
        assert_eq!((twice.at, twice.field), (2, Some("route")), "{twice}");
        let silly = read("websocket = { ping_timeout_ms = 0 }").expect("it is read");
        let silly = check(&[silly]).unwrap_err();
        assert_eq!(silly.field, Some("websocket"));
        assert!(silly.message.contains("ping_timeout_ms"), "{silly}");
    }
}
