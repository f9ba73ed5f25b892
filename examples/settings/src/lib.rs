//! What the manifest sets, over HTTP: `GET /<key>` answers the value of a key, `GET /` all of them.
//! Each request leaves a line in the node's log.

use wrt_guest::{
    config,
    http::respond,
    logging,
    wasip2::{
        self,
        http::types::{IncomingRequest, ResponseOutparam},
    },
};

/// By this word the lines are found in the log.
const CONTEXT: &str = "settings";

struct Settings;

wasip2::http::proxy::export!(Settings);

impl wasip2::exports::http::incoming_handler::Guest for Settings {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let key = target.trim_start_matches('/');
        let (status, text) = match answer(key) {
            Ok(Some(text)) => {
                logging::info(CONTEXT, format_args!("asked for {key:?}"));
                (200, text)
            }
            Ok(None) => {
                logging::warn(CONTEXT, format_args!("{key:?} is not set"));
                (404, "not set".to_owned())
            }
            Err(error) => {
                logging::error(CONTEXT, &error);
                (503, error.to_string())
            }
        };
        respond(out, status, &text);
    }
}

fn answer(key: &str) -> Result<Option<String>, config::Error> {
    if !key.is_empty() {
        return config::get(key);
    }
    let all = config::get_all()?;
    let lines = all.iter().map(|(key, value)| format!("{key}={value}\n"));
    Ok(Some(lines.collect()))
}
