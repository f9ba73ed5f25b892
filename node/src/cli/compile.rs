//! `wrt-node compile`

use std::fs;

use anyhow::Context as _;
use wrt_component::{EngineOptions, Engines};

use crate::component_file;

use super::{args::CompileArgs, exit::Failure, output::Output};

pub async fn compile(arguments: CompileArgs, output: Output) -> Result<(), Failure> {
    let CompileArgs { source, out } = arguments;
    let out = out.unwrap_or_else(|| source.with_extension("cwasm"));
    let bytes = component_file::read(&source)
        .with_context(|| format!("cannot read {}", source.display()))?;
    let engines = Engines::new(EngineOptions::default())?;
    let artefact = engines.compile_artefact(bytes.into()).await;
    let artefact = artefact.with_context(|| format!("cannot compile {}", source.display()))?;
    fs::write(&out, &artefact).with_context(|| format!("cannot write {}", out.display()))?;
    let text = format!(
        "{}: {} bytes, for this version on this machine",
        out.display(),
        artefact.len()
    );
    output.result(
        &text,
        &serde_json::json!({ "artefact": out, "bytes": artefact.len() }),
    );
    Ok(())
}
