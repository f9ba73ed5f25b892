//! What can be written on a command line. Each flag of which a deployment may want a default has an
//! environment variable. `PROGRAM` in an example becomes the program's name.

mod capacity;
mod describe;
mod developer;
mod explain;
mod journals;
mod lattice;
mod letters;
mod listen_address;
mod nodes;
mod permissions;
mod revisions;
mod top;
mod up;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use wrt_protocol::NodeId;

use crate::AllowedVariable;
pub use capacity::CapacityArgs;
pub use describe::DescribeArgs;
pub use developer::{CompletionsArgs, DevArgs, DeveloperCommand, NewArgs};
pub use explain::ExplainArgs;
pub use journals::{EventsArgs, LogsArgs, SelectionArgs};
pub use lattice::LatticeArgs;
pub use letters::{LettersArgs, LettersCommand, SeveralArgs, WhoseArgs};
pub use listen_address::ListenAddress;
pub use nodes::{DrainArgs, NodesArgs, NodesCommand};
pub use permissions::{PermissionsArgs, RoleArg};
pub use revisions::{HistoryArgs, RollbackArgs};
pub use top::{Sorted, TopArgs};
pub use up::{DeploymentArgs, UpArgs};

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not done in time.";

const NODE_HELP: &str = "Log: standard error; RUST_LOG chooses what it shows (by default \
    warnings, and what guests print and log).
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not done in time.";

/// Runs WebAssembly components and the providers that serve them: alone in this process, or as a
/// node of a lattice.
#[derive(Debug, Parser)]
#[command(version, after_help = NODE_HELP, max_term_width = 100)]
pub struct NodeArgs {
    /// How results and errors are printed.
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    pub output: Format,
    /// What to do.
    #[command(subcommand)]
    pub command: NodeCommand,
}

/// What a node binary does.
#[derive(Debug, Subcommand)]
pub enum NodeCommand {
    /// Run a component, or all of an app, in this process: no server, no lattice
    #[command(after_help = "Examples:
  PROGRAM run hello.wasm                       HTTP on 127.0.0.1:8080
  PROGRAM run counter.wasm --address 127.0.0.1:0
  PROGRAM run app.toml --address web=127.0.0.1:9000
  PROGRAM run job.wasm -- first second         its exit code is this one's

A component without a manifest gets, for each interface that it imports, the first backend that this
program names for it, set up by the environment. One that only exports `wasi:cli/run`, or that is
given arguments, runs once to its end: with this program's standard streams, and with its code at
the end (1 where it could not run, 3 where its time was up, 134 where it trapped, 130 where it was
interrupted). What a manifest asks of a place (`nodes`, `replicas`,
`labels` and so on) means nothing here: everything runs once, in this process.")]
    Run(RunArgs),
    /// Join a lattice and run this node's share of what is deployed there
    #[command(after_help = "Example:
  PROGRAM join --lattice nats://127.0.0.1:4222 --name a --label zone=west

Ctrl-C or SIGTERM drains: others are told, calls in hand go on for the patience, then the node leaves.
A second one stops it at once.")]
    Join(JoinArgs),
    /// Compile a component to machine code of this machine, for `run`
    #[command(after_help = "Example:
  PROGRAM compile hello.wasm -o hello.cwasm && PROGRAM run hello.cwasm

An artefact is a program: run only those that you made. It fits this version of PROGRAM on this kind
of machine, and is refused by any other.")]
    Compile(CompileArgs),
    /// List the backends of this program, or say what the settings of one are
    #[command(after_help = "Examples:
  PROGRAM backends
  PROGRAM backends redis

A setting stands in a provider's `config`; the variable in parentheses fills it where there is no
manifest, and where the node's operator lets it through.")]
    Backends(BackendsArgs),
    #[command(flatten)]
    Developer(DeveloperCommand),
    // A manifest is checked by what a program is made of: so each has the commands for its own.
    #[command(flatten)]
    Apps(AppsCommand),
}

/// `wrt-node run`
#[derive(Debug, Args)]
pub struct RunArgs {
    /// A component (.wasm), an artefact of `compile` (.cwasm) or a manifest (.toml)
    pub source: PathBuf,
    /// Where a provider listens: PROVIDER=ADDRESS for one of several, or ADDRESS for the only one.
    /// Port 0 takes a free one, which is printed [default: what the manifest or the environment says,
    /// or 127.0.0.1:8080]
    #[arg(long, value_name = "[PROVIDER=]ADDRESS")]
    pub address: Vec<String>,
    /// A variable of the component's environment; not with a manifest, which has its own
    #[arg(long = "env", value_name = "KEY=VALUE", value_parser = pair)]
    pub environment: Vec<(String, String)>,
    #[command(flatten)]
    pub process: ProcessArgs,
    /// Arguments of a component that runs to its end
    #[arg(last = true, value_name = "ARGUMENT")]
    pub arguments: Vec<String>,
}

/// `wrt-node backends`
#[derive(Debug, Args)]
pub struct BackendsArgs {
    /// The backend whose settings are shown
    pub backend: Option<String>,
}

/// `wrt-node join`
#[derive(Debug, Args)]
pub struct JoinArgs {
    /// This node's name: one live node of a lattice has it at a time [default: the host's name]
    #[arg(long, env = "WRT_NODE_NAME", hide_env_values = true)]
    pub name: Option<NodeId>,
    /// What placement may ask for; may be given several times
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = pair, env = "WRT_NODE_LABELS", hide_env_values = true, value_delimiter = ',')]
    pub labels: Vec<(String, String)>,
    #[command(flatten)]
    pub capacity: CapacityArgs,
    /// Show the lattice at this address, as a web page that changes nothing: a port of this machine alone, or
    /// IP and port, and then to everybody who reaches it [default: nowhere]
    #[arg(
        long,
        value_name = "[IP:]PORT",
        env = "WRT_VIEW",
        hide_env_values = true
    )]
    pub view: Option<ListenAddress>,
    #[command(flatten)]
    pub process: ProcessArgs,
    // Last: what follows the login would stand under its heading.
    #[command(flatten)]
    pub lattice: LatticeArgs,
}

/// What every running node has.
#[derive(Debug, Clone, Args)]
pub struct ProcessArgs {
    /// How long calls in hand may go on when the node is asked to stop, in seconds
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 10,
        env = "WRT_DRAIN_SECONDS",
        hide_env_values = true
    )]
    pub patience: u64,
    /// A variable of this process that manifests may refer to, and that fills settings which name it;
    /// with * at its end, all that begin so. May be given several times
    #[arg(
        long,
        value_name = "VARIABLE",
        env = "WRT_ALLOW_ENV",
        hide_env_values = true,
        value_delimiter = ','
    )]
    pub allow_env: Vec<AllowedVariable>,
    /// Where compiled code and fetched components are kept [default: $XDG_CACHE_HOME/wrt, or
    /// ~/.cache/wrt]
    #[arg(long, value_name = "FOLDER", env = "WRT_CACHE", hide_env_values = true)]
    pub cache: Option<PathBuf>,
    /// How large that code may get, in MiB: over it goes what was not used for longest, and never what
    /// runs
    #[arg(
        long,
        value_name = "MIB",
        default_value_t = 2048,
        env = "WRT_CACHE_MIB",
        hide_env_values = true
    )]
    pub cache_size: u32,
    /// How long fetched code stays there that no app names any more, in seconds
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 600,
        env = "WRT_CACHE_GRACE",
        hide_env_values = true
    )]
    pub cache_grace: u64,
    /// Memory that places for instances keep ready when they are free, in MiB, all of them together. More
    /// of it serves components that write much in each call [default: a quarter of the machine's]
    #[arg(
        long,
        value_name = "MIB",
        env = "WRT_RESIDENT_MIB",
        hide_env_values = true
    )]
    pub resident: Option<u32>,
    /// Tell Prometheus at this address what is measured, at /metrics: a port of this machine alone, or IP and
    /// port [default: nowhere]
    #[arg(
        long,
        value_name = "[IP:]PORT",
        env = "WRT_METRICS",
        hide_env_values = true
    )]
    pub metrics: Option<ListenAddress>,
}

/// `wrt-node compile`
#[derive(Debug, Args)]
pub struct CompileArgs {
    /// The component
    pub source: PathBuf,
    /// Where the artefact goes [default: the component's name with .cwasm]
    #[arg(short = 'o', long = "out", value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// Deploys apps to a lattice of nodes, and shows what runs there.
#[derive(Debug, Parser)]
#[command(version, after_help = EXIT_CODES, max_term_width = 100)]
pub struct WrtArgs {
    /// How results and errors are printed.
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    pub output: Format,
    #[command(flatten)]
    pub lattice: LatticeArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: WrtCommand,
}

/// What `wrt` does.
#[derive(Debug, Subcommand)]
pub enum WrtCommand {
    #[command(flatten)]
    Developer(DeveloperCommand),
    #[command(flatten)]
    Apps(AppsCommand),
}

/// What is done to the apps of a lattice.
#[derive(Debug, Subcommand)]
pub enum AppsCommand {
    /// Deploy an app, or change it to what its manifest says now, and wait until it runs
    #[command(after_help = "Example:
  PROGRAM up app.toml --lattice nats://127.0.0.1:4222

The manifest is checked as a whole before anything changes, and what it changes is shown: + what is
new, - what goes, ~ what becomes another. Where something that is deployed changes, you are asked.
What keeps a replica from being ready is told as it comes. Code 3: it is deployed, and not every
replica is ready; the message says which and why. It comes soon where something cannot mend by itself.
The nodes go on trying.")]
    Up(UpArgs),
    /// List the revisions of an app that are kept, and what each has changed
    #[command(after_help = "Example:
  PROGRAM history shop

Eight are kept, with their code. A removal ends what was before it.")]
    History(HistoryArgs),
    /// Deploy an app as it was in an earlier revision, and wait until it runs
    #[command(after_help = "Examples:
  PROGRAM rollback shop                         to the last that was another one
  PROGRAM rollback shop --to 17

It becomes a new revision. Code 3: it is deployed, and not every replica is ready.")]
    Rollback(RollbackArgs),
    /// Show the nodes of the lattice and what runs on them
    Ps(PsArgs),
    /// Show on the whole terminal what is busy, again and again
    #[command(after_help = "Examples:
  PROGRAM top
  PROGRAM top shop --sort waiting
  PROGRAM top --output json --count 1

Ctrl-C ends it. A call counts when it is taken in hand, by each actor that it comes to.")]
    Top(TopArgs),
    /// Say of each node why a component or a provider is there, or why not
    #[command(after_help = "Examples:
  PROGRAM explain shop/cart
  PROGRAM explain provider/shop/store

It is worked out here, from what is deployed and from what nodes say, as each node does it for itself.
RUNS is what a node says that it has. Code 0 also where no node can have it.")]
    Explain(ExplainArgs),
    /// Tell all that is known of an app, a component, a provider or a node
    #[command(after_help = "Examples:
  PROGRAM describe shop
  PROGRAM describe shop/cart
  PROGRAM describe node/b

Settings and variables are named, and not what they are set to.")]
    Describe(DescribeArgs),
    /// Show what has happened: deployed, placed, started, failed, moved, evicted
    #[command(after_help = "Examples:
  PROGRAM events
  PROGRAM events shop --follow

Each node remembers what it has seen since it started: about 2000 events, and they go with it.")]
    Events(EventsArgs),
    /// Show the log of the nodes, and with it what components say
    #[command(after_help = "Examples:
  PROGRAM logs shop/cart --follow
  PROGRAM logs --node b --level warn

Each node keeps the last of what it logs, 2 MiB of it, and answers who asks. Who reads too slowly is
told how much is missing.")]
    Logs(LogsArgs),
    /// Have a node take nothing new, or something again, or empty it
    #[command(after_help = "Examples:
  PROGRAM node cordon b
  PROGRAM node drain b                          then it may be stopped
  PROGRAM node uncordon b

It is kept with what is deployed: also over a restart of the node, and for one that is not there yet.")]
    Node(NodesArgs),
    /// Print the least that a NATS server must permit nodes, operators and observers
    #[command(after_help = permissions::HELP)]
    Permissions(PermissionsArgs),
    /// Remove an app and wait until nothing of it runs
    Down(DownArgs),
    /// List, show, replay or drop dead letters: messages that a provider has given up
    #[command(after_help = "Examples:
  PROGRAM letters list shop mail
  PROGRAM letters show shop mail 17
  PROGRAM letters replay shop mail 17 18
  PROGRAM letters drop shop mail --all

Code 1: a letter is not there, or its component has failed again; the others are done. Code 3: a
component has not ended in time; its letter stays.")]
    Letters(LettersArgs),
    /// Run an app's component to its end, as a provider that runs it may, and take its exit code
    #[command(after_help = "Example:
  PROGRAM call shop report -- --month 11

What it prints is in the log of the node that runs it. Code 3: it has not ended in time, and was stopped.")]
    Call(CallArgs),
}

impl AppsCommand {
    /// Whether it goes on until somebody ends it.
    pub fn follows(&self) -> bool {
        match self {
            Self::Events(EventsArgs { selection, .. }) | Self::Logs(LogsArgs { selection, .. }) => {
                selection.follow
            }
            Self::Top(_) => true,
            _ => false,
        }
    }

    /// The lattice whose apps are meant.
    pub fn lattice(&self) -> &LatticeArgs {
        match self {
            Self::Up(UpArgs { lattice, .. })
            | Self::History(HistoryArgs { lattice, .. })
            | Self::Rollback(RollbackArgs { lattice, .. })
            | Self::Ps(PsArgs { lattice, .. })
            | Self::Top(TopArgs { lattice, .. })
            | Self::Explain(ExplainArgs { lattice, .. })
            | Self::Describe(DescribeArgs { lattice, .. })
            | Self::Events(EventsArgs { lattice, .. })
            | Self::Logs(LogsArgs { lattice, .. })
            | Self::Node(NodesArgs { lattice, .. })
            | Self::Permissions(PermissionsArgs { lattice, .. })
            | Self::Down(DownArgs { lattice, .. })
            | Self::Letters(LettersArgs { lattice, .. })
            | Self::Call(CallArgs { lattice, .. }) => lattice,
        }
    }
}

/// `wrt ps`
#[derive(Debug, Args)]
pub struct PsArgs {
    /// Only this app
    pub app: Option<String>,
    #[command(flatten)]
    pub lattice: LatticeArgs,
}

/// `wrt down`
#[derive(Debug, Args)]
pub struct DownArgs {
    /// The app
    pub app: String,
    /// How long to wait until nothing of it runs, in seconds; 0 does not wait
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub timeout: u64,
    /// Also drop what brokers keep for its subscriptions: how far they have come, failed attempts, dead
    /// letters. Without it an app that comes back goes on where it was
    #[arg(long)]
    pub purge: bool,
    #[command(flatten)]
    pub lattice: LatticeArgs,
}

/// `wrt call`
#[derive(Debug, Args)]
pub struct CallArgs {
    /// The app
    pub app: String,
    /// Its component
    pub component: String,
    /// How long to wait until it ends, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    pub timeout: u64,
    #[command(flatten)]
    pub lattice: LatticeArgs,
    /// Its arguments
    #[arg(last = true, value_name = "ARGUMENT")]
    pub arguments: Vec<String>,
}

/// How things are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs: one JSON value a line.
    Json,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write it as KEY=VALUE".to_owned()),
    }
}
