//! The OpenTelemetry collector: it takes OTLP by gRPC and by HTTP, and writes what it took to a file, a line of
//! JSON for each request.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Server, ServerError, ServerKind, free_port, otelcol_binary};

/// What it is set up with.
const CONFIG_FILE: &str = "config.yaml";
/// The port of its HTTP, which is kept across restarts.
const HTTP_PORT_FILE: &str = "http-port";
/// What it took, one after the other.
const TAKEN_FILE: &str = "taken.jsonl";
/// Where these are, it has TLS.
const CERTIFICATE_FILE: &str = "certificate.pem";
const KEY_FILE: &str = "key.pem";
/// What its log says when it serves.
const READY: &str = "Everything is ready";

/// A collector; what it took is there after a restart.
pub type OtelCollector = Server<Otelcol>;

/// The kind of [`OtelCollector`].
#[derive(Debug)]
pub enum Otelcol {}

impl Server<Otelcol> {
    /// Where it takes OTLP over HTTP; [`Server::url`] is where it takes it over gRPC.
    ///
    /// # Errors
    /// When its folder cannot be read.
    pub fn http_url(&self) -> Result<String, ServerError> {
        Ok(format!("http://127.0.0.1:{}", http_port(self.folder())?))
    }

    /// What it took so far: a line of JSON for each request, of whichever signal.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn taken(&self) -> Result<Vec<String>, ServerError> {
        let path = self.folder().join(TAKEN_FILE);
        if !path.exists() {
            return Ok(Vec::new());
        }
        let text = fs::read_to_string(&path);
        let text = text.map_err(|source| ServerError::Folder { path, source })?;
        // The last line may be half there.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        Ok(whole.lines().map(str::to_owned).collect())
    }

    /// From its next start on it shows this certificate, and takes nothing in clear.
    ///
    /// # Errors
    /// When its folder cannot be written.
    pub fn begins_with_tls(&self, certificate: &str, key: &str) -> Result<(), ServerError> {
        write(self.folder().join(CERTIFICATE_FILE), certificate)?;
        write(self.folder().join(KEY_FILE), key)
    }
}

impl ServerKind for Otelcol {
    const NAME: &'static str = "otelcol";

    fn binary() -> Result<PathBuf, ServerError> {
        otelcol_binary()
    }

    fn prepare(port: u16, folder: &Path) -> Result<(), ServerError> {
        // Another one where the last was taken, and the same after a restart.
        let path = folder.join(HTTP_PORT_FILE);
        if !path.exists() || is_taken(folder) {
            write(path, &free_port()?.to_string())?;
        }
        let http_port = http_port(folder)?;
        let tls = match folder.join(CERTIFICATE_FILE).exists() {
            true => format!(
                ", tls: {{cert_file: {}, key_file: {}}}",
                folder.join(CERTIFICATE_FILE).display(),
                folder.join(KEY_FILE).display()
            ),
            false => String::new(),
        };
        let file = folder.join(TAKEN_FILE);
        let file = file.display();
        let config = format!(
            "\
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: '127.0.0.1:{port}'{tls}}}
      http: {{endpoint: '127.0.0.1:{http_port}'{tls}}}
exporters:
  file: {{path: '{file}', append: true, flush_interval: 50ms}}
service:
  telemetry:
    metrics: {{level: none}}
    logs: {{level: info}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [file]}}
    metrics: {{receivers: [otlp], exporters: [file]}}
    logs: {{receivers: [otlp], exporters: [file]}}
"
        );
        write(folder.join(CONFIG_FILE), &config)
    }

    fn arguments(command: &mut Command, _port: u16, folder: &Path) {
        command.arg("--config").arg(folder.join(CONFIG_FILE));
    }

    fn is_ready(_pid: u32, _port: u16, folder: &Path) -> bool {
        log(folder).contains(READY)
    }

    fn url(port: u16) -> String {
        format!("http://127.0.0.1:{port}")
    }
}

fn log(folder: &Path) -> String {
    fs::read_to_string(folder.join("server.log")).unwrap_or_default()
}

/// Whether the last start has failed because somebody else has a port.
fn is_taken(folder: &Path) -> bool {
    log(folder).contains("ddress already in use")
}

fn http_port(folder: &Path) -> Result<u16, ServerError> {
    let path = folder.join(HTTP_PORT_FILE);
    let text = fs::read_to_string(&path);
    let port = text.and_then(|text| text.parse().map_err(std::io::Error::other));
    port.map_err(|source| ServerError::Folder { path, source })
}

fn write(path: PathBuf, text: &str) -> Result<(), ServerError> {
    fs::write(&path, text).map_err(|source| ServerError::Folder { path, source })
}
