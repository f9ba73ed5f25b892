//! The command lines.
//!
//! Exit codes of all programs:
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | failed; the message says what to do next |
//! | 2 | wrong usage |
//! | 3 | not done in time; what was asked for still stands |
//!
//! Where a component runs to its end, its own code is the program's.

mod args;
mod backends;
mod call;
mod collect;
mod compile;
mod completions;
mod consent;
mod deploy;
mod describe;
mod descriptors;
mod dev;
mod down;
mod events;
mod exit;
mod explain;
mod history;
mod join;
mod journals;
mod letters;
mod logging;
mod logs;
mod manifest_file;
mod metrics;
mod new;
mod nodes;
mod output;
mod permissions;
mod port;
pub(crate) mod program;
mod ps;
mod rollback;
mod run;
mod signals;
#[cfg(feature = "opentelemetry")]
mod telemetry;
#[cfg(not(feature = "opentelemetry"))]
#[path = "cli/no_telemetry.rs"]
mod telemetry;
mod top;
mod up;
mod view;
mod whereabouts;

use std::process::ExitCode;

use wrt_runtime::{Runtime, RuntimeError};

use args::{
    AppsCommand, DeveloperCommand, LatticeArgs, NodeArgs, NodeCommand, WrtArgs, WrtCommand,
};
use exit::Failure;
use logging::Stderr;
use output::Output;

/// A node binary that is made of `runtime`.
#[must_use]
pub fn wrt_node(runtime: Result<Runtime, RuntimeError>) -> ExitCode {
    let NodeArgs { output, command } = program::arguments();
    let stderr = logging::start();
    let output = Output::new(output, stderr.writer());
    descriptors::raise_limit();
    finish(output, stderr, async move {
        let runtime = runtime?;
        match command {
            NodeCommand::Run(arguments) => run::run(runtime, arguments, output).await,
            NodeCommand::Join(arguments) => join::join(runtime, arguments, output).await.map(well),
            NodeCommand::Compile(arguments) => compile::compile(arguments, output).await.map(well),
            NodeCommand::Backends(arguments) => {
                backends::backends(&runtime, &arguments, output).map(well)
            }
            NodeCommand::Developer(command) => {
                developer(runtime, program::command::<NodeArgs>, command, output).await
            }
            NodeCommand::Apps(command) => {
                let lattice = command.lattice().clone();
                apps(&runtime, &lattice, command, output).await
            }
        }
    })
}

/// The exit code of what is done.
fn well(_done: ()) -> ExitCode {
    ExitCode::SUCCESS
}

/// `wrt`, for apps of nodes that are made of `runtime`.
#[must_use]
pub fn wrt(runtime: Result<Runtime, RuntimeError>) -> ExitCode {
    let WrtArgs {
        output,
        lattice,
        command,
    } = program::arguments();
    let stderr = logging::start();
    let output = Output::new(output, stderr.writer());
    finish(output, stderr, async move {
        match command {
            WrtCommand::Developer(command) => {
                developer(runtime?, program::command::<WrtArgs>, command, output).await
            }
            WrtCommand::Apps(command) => apps(&runtime?, &lattice, command, output).await,
        }
    })
}

/// What one does who writes components.
async fn developer(
    runtime: Runtime,
    line: fn() -> clap::Command,
    command: DeveloperCommand,
    output: Output,
) -> Result<ExitCode, Failure> {
    match command {
        DeveloperCommand::New(arguments) => new::new(&arguments, output).map(well),
        DeveloperCommand::Dev(arguments) => dev::dev(runtime, arguments, output).await,
        DeveloperCommand::Completions(arguments) => {
            completions::completions(line(), &arguments, output);
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// What is done to the apps of a lattice; an interruption ends it.
async fn apps(
    runtime: &Runtime,
    lattice: &LatticeArgs,
    command: AppsCommand,
    output: Output,
) -> Result<ExitCode, Failure> {
    let follows = command.follows();
    let work = async {
        match command {
            AppsCommand::Up(arguments) => up::up(runtime, lattice, arguments, output).await,
            AppsCommand::History(arguments) => history::history(lattice, arguments, output).await,
            AppsCommand::Rollback(arguments) => {
                rollback::rollback(lattice, arguments, output).await
            }
            AppsCommand::Ps(arguments) => ps::ps(lattice, arguments, output).await,
            AppsCommand::Explain(arguments) => explain::explain(lattice, &arguments, output).await,
            AppsCommand::Describe(arguments) => {
                describe::describe(lattice, &arguments, output).await
            }
            AppsCommand::Events(arguments) => events::events(lattice, arguments, output).await,
            AppsCommand::Logs(arguments) => logs::logs(lattice, arguments, output).await,
            AppsCommand::Node(arguments) => nodes::nodes(lattice, arguments.command, output).await,
            AppsCommand::Permissions(arguments) => {
                let name = &lattice.lattice_name;
                permissions::permissions(runtime, name, &arguments, output)
            }
            AppsCommand::Down(arguments) => down::down(runtime, lattice, arguments, output).await,
            AppsCommand::Letters(arguments) => {
                letters::letters(runtime, lattice, arguments.command, output).await
            }
            AppsCommand::Top(arguments) => top::top(lattice, arguments, output).await,
            AppsCommand::Call(arguments) => {
                return call::call(runtime, lattice, arguments, output).await;
            }
        }
        .map(well)
    };
    tokio::select! {
        done = work => done,
        () = signals::asked_to_stop() => match follows {
            true => Ok(ExitCode::SUCCESS),
            false => Err(Failure::interrupted()),
        },
        // JetStream would be waited for, several times.
        subject = lattice.refused.refused() => Err(Failure::not_permitted(&subject)),
    }
}

fn finish(
    output: Output,
    stderr: Stderr,
    work: impl Future<Output = Result<ExitCode, Failure>>,
) -> ExitCode {
    // The client of NATS and that of Redis both want one; which is the process's own business.
    let _installed_already = rustls::crypto::ring::default_provider().install_default();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return output.failure(&Failure::from(anyhow::Error::from(error))),
    };
    let done = runtime.block_on(work);
    // Whatever still runs, a compile job for instance, must not hold up the end.
    runtime.shutdown_background();
    let code = match done {
        Ok(code) => code,
        Err(failure) => output.failure(&failure),
    };
    // Waits for the reader, not for ever.
    drop(stderr);
    code
}

#[cfg(test)]
mod tests;
