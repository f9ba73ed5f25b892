//! The connection.

use std::{
    error::Error,
    fmt,
    path::PathBuf,
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};

use mongodb::{
    Client, Database,
    bson::doc,
    error::{Error as MongoError, ErrorKind},
    options::{ClientOptions, ReadPreference, SelectionCriteria, Tls, TlsOptions},
};
use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;
use wrt_blobstore::{BlobstoreError, BlobstoreInterface, WasiBlobstore};
use wrt_contract::CallContext;
use wrt_protocol::{Fault, FaultKind, Hop};
use wrt_runtime::{Backend, Entry, Serves, ServiceAddress, SettingsError};

use crate::{
    MongoDbConfig,
    blobstore::{Layout, collect},
    error::{failure, is_refused, said},
};

/// Commands at a time. A server that stands still may keep each until the client takes it for gone, some
/// twenty seconds later, also those whose calls are over.
const COMMANDS_MAX: usize = 256;

/// Connections to a member.
const CONNECTIONS_MAX: u32 = 32;

/// How often a member is asked how it is.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// A MongoDB, as a provider. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct MongoDb(Arc<Parts>);

/// The same, for work that ends with the provider.
pub(crate) struct WeakMongoDb(Weak<Parts>);

impl WeakMongoDb {
    pub(crate) fn upgrade(&self) -> Option<MongoDb> {
        self.0.upgrade().map(MongoDb)
    }
}

struct Parts {
    config: MongoDbConfig,
    database: Database,
    layout: Layout,
    commands: Arc<Semaphore>,
    collector: OnceLock<AbortOnDropHandle<()>>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// A URL that is none of MongoDB. What is wrong is told only where no part of it can be a password.
    #[error(
        "{url} is not a URL of MongoDB{detail}: it is `mongodb://user:password@host:port/?...`, and marks in a \
         password are escaped (`%40` for an @)"
    )]
    Url {
        /// The URL, without its password.
        url: ServiceAddress,
        /// What is wrong.
        detail: String,
    },
    /// Certificates that cannot be used.
    #[error("cannot use the certificates in {files:?}: {detail}")]
    Certificates {
        /// Where they are.
        files: Vec<PathBuf>,
        /// What is wrong.
        detail: String,
    },
    /// A server that does not take the login, or does not let it do what is needed.
    #[error("{url} refuses it: {detail}")]
    Refused {
        /// The URL, without its password.
        url: ServiceAddress,
        /// What it says.
        detail: String,
    },
    /// Servers that cannot be reached.
    #[error("cannot connect to {url}: {detail}")]
    Unreachable {
        /// The URL, without its password.
        url: ServiceAddress,
        /// What happened.
        detail: String,
    },
}

impl Backend for MongoDb {
    const NAME: &'static str = "mongodb";
    const NODE_FILES: &'static [&'static str] = &["authority_file", "certificate_key_file"];

    type ConnectOptions = MongoDbConfig;
    type ConnectError = ConnectError;

    /// Once connected it stays usable: the client makes connections anew, and follows the members of a set.
    async fn connect_with(config: MongoDbConfig) -> Result<Self, ConnectError> {
        let options = options(&config).await?;
        let client = Client::with_options(options).map_err(|error| not_made(&config, &error))?;
        let database = client.database(&config.database);
        let layout = Layout::new(&database, &config.bucket);
        // The client must not be left in the middle of a command.
        let (work, own) = (layout.clone(), database.clone());
        let made = tokio::spawn(async move {
            own.run_command(doc! { "ping": 1 }).await?;
            work.make_indices().await
        });
        match made.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(not_made(&config, &error)),
            Err(panicked) => {
                let (url, detail) = (config.url, panicked.to_string());
                return Err(ConnectError::Unreachable { url, detail });
            }
        }
        let mongodb = Self(Arc::new(Parts {
            config,
            database,
            layout,
            commands: Arc::new(Semaphore::new(COMMANDS_MAX)),
            collector: OnceLock::new(),
        }));
        let weak = WeakMongoDb(Arc::downgrade(&mongodb.0));
        let collector = tokio::spawn(collect(weak, mongodb.config().kept_for()));
        mongodb
            .0
            .collector
            .get_or_init(|| AbortOnDropHandle::new(collector));
        Ok(mongodb)
    }

    fn is_for_good(error: &ConnectError) -> bool {
        match error {
            ConnectError::Url { .. }
            | ConnectError::Certificates { .. }
            | ConnectError::Refused { .. } => true,
            ConnectError::Unreachable { .. } => false,
        }
    }

    fn check(config: &MongoDbConfig) -> Result<(), SettingsError> {
        config.check()
    }

    /// Whether a server answers that takes writes.
    async fn probe(&self, context: &CallContext) -> Result<(), Box<dyn Error + Send + Sync>> {
        let database = self.0.database.clone();
        let ping = async move { database.run_command(doc! { "ping": 1 }).await };
        Ok(self.run(context, ping).await.map(drop)?)
    }
}

impl Serves<WasiBlobstore> for MongoDb {
    fn serve(entry: &mut Entry<Self>) {
        entry.offers::<BlobstoreInterface>(|mongodb| mongodb);
    }
}

impl MongoDb {
    pub(crate) fn config(&self) -> &MongoDbConfig {
        &self.0.config
    }

    /// Where its objects are.
    pub(crate) fn layout(&self) -> &Layout {
        &self.0.layout
    }

    /// Runs a command until the call's deadline.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        context: &CallContext,
        command: impl Future<Output = Result<T, MongoError>> + Send + 'static,
    ) -> Result<T, BlobstoreError> {
        let answer = self.answer(context, command).await?;
        answer.map_err(|error| failure(context, &error))
    }

    /// As [`MongoDb::run`], with the client's own error. The command goes on when nobody waits for it any
    /// more: the client must not be left in the middle of one.
    pub(crate) async fn answer<T: Send + 'static>(
        &self,
        context: &CallContext,
        command: impl Future<Output = Result<T, MongoError>> + Send + 'static,
    ) -> Result<Result<T, MongoError>, BlobstoreError> {
        let place = Arc::clone(&self.0.commands).acquire_owned();
        let place = context.bound(Hop::Backend, place).await.map_err(|fault| {
            let execution = wrt_protocol::Execution::NotExecuted;
            fault.with_execution(execution)
        })?;
        let task = tokio::spawn(async move {
            let _place = place;
            command.await
        });
        match context.bound(Hop::Backend, task).await? {
            Ok(answer) => Ok(answer),
            Err(panicked) => {
                let detail = format!("mongodb: {panicked}");
                let fault = Fault::maybe_executed(FaultKind::Unavailable, Hop::Backend, detail);
                Err(fault.after(context.elapsed()).into())
            }
        }
    }
}

impl fmt::Debug for MongoDb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MongoDb")
            .field("url", &self.0.config.url)
            .finish_non_exhaustive()
    }
}

async fn options(config: &MongoDbConfig) -> Result<ClientOptions, ConnectError> {
    let url = config.url.reveal();
    let mut options = ClientOptions::parse(url).await.map_err(|error| {
        let detail = match url.contains('@') {
            true => String::new(),
            false => format!(" ({})", said(&error)),
        };
        let url = config.url.clone();
        ConnectError::Url { url, detail }
    })?;
    options.app_name.get_or_insert_with(|| "wrt".to_owned());
    options.connect_timeout = Some(config.connect_timeout());
    options.server_selection_timeout = Some(config.connect_timeout());
    options.heartbeat_freq = Some(LOOK_INTERVAL);
    options.max_pool_size.get_or_insert(CONNECTIONS_MAX);
    // What was written is seen by who reads next: another member may be behind.
    let primary = SelectionCriteria::ReadPreference(ReadPreference::Primary);
    options.selection_criteria = Some(primary);
    if config.authority_file.is_some() || config.certificate_key_file.is_some() {
        let mut tls = match options.tls.take() {
            Some(Tls::Enabled(tls)) => tls,
            _ => TlsOptions::default(),
        };
        tls.ca_file_path.clone_from(&config.authority_file);
        tls.cert_key_file_path
            .clone_from(&config.certificate_key_file);
        options.tls = Some(Tls::Enabled(tls));
    }
    Ok(options)
}

fn not_made(config: &MongoDbConfig, error: &MongoError) -> ConnectError {
    let (url, detail) = (config.url.clone(), said(error));
    match &*error.kind {
        ErrorKind::InvalidTlsConfig { .. } => {
            let files = [&config.authority_file, &config.certificate_key_file];
            let files = files.into_iter().flatten().cloned().collect();
            ConnectError::Certificates { files, detail }
        }
        ErrorKind::InvalidArgument { .. } => ConnectError::Url {
            url,
            detail: String::new(),
        },
        _ if is_refused(error) => ConnectError::Refused { url, detail },
        _ => ConnectError::Unreachable { url, detail },
    }
}
