//! Apache Kafka: one process that is broker and controller.

use std::{
    fs,
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;

use crate::{
    KAFKA_FORMATTED, Server, ServerError, ServerKind, find_in_path, free_port, kafka_folder,
};

/// How long one look at the server may take.
const LOOK_LIMIT: Duration = Duration::from_millis(500);

/// What a cluster is called that is formatted here: any name does.
const CLUSTER: &str = "d3J0LXRlc3Qta2Fma2EtMg";

/// Where its data are.
const DATA_FOLDER: &str = "data";

/// What it is set up with, and a listener more, if it has one.
const CONFIG_FILE: &str = "server.properties";
const LISTENER_FILE: &str = "listener";
const LISTENER_CONFIG_FILE: &str = "listener.properties";

/// All but addresses. Sessions may be as short as a takeover within five seconds needs: by default a broker
/// allows six seconds at least, and 45 where it says itself.
const CONFIG: &str = "\
process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
num.partitions=3
num.network.threads=1
num.io.threads=2
background.threads=2
log.cleaner.dedupe.buffer.size=4194304
offsets.topic.replication.factor=1
offsets.topic.num.partitions=3
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=3
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=3
auto.create.topics.enable=false
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
group.consumer.min.session.timeout.ms=1000
group.consumer.session.timeout.ms=4000
group.consumer.min.heartbeat.interval.ms=500
group.consumer.heartbeat.interval.ms=1000
";

/// A small heap, and a compiler that is soon done: it starts in two seconds.
const JAVA: [&str; 6] = [
    "-Xms64m",
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-cp",
];

/// A broker of Kafka; its topics survive a restart, and a kill.
pub type KafkaServer = Server<Kafka>;

/// The kind of [`KafkaServer`].
#[derive(Debug)]
pub enum Kafka {}

/// The one that the tests of a process share.
static SHARED: Mutex<Weak<KafkaServer>> = Mutex::new(Weak::new());

impl Server<Kafka> {
    /// The broker that is shared by the tests of this process which run at the same time: it takes seconds
    /// to start. Whoever restarts it, or needs it otherwise, starts one of its own.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn shared() -> Result<Arc<Self>, ServerError> {
        let mut shared = SHARED.lock();
        if let Some(running) = shared.upgrade() {
            return Ok(running);
        }
        let started = Arc::new(Self::start()?);
        *shared = Arc::downgrade(&started);
        Ok(started)
    }

    /// Has it begin anew at its next start, with nothing but a user who proves by SCRAM who it is.
    ///
    /// # Errors
    /// When its data cannot be made anew.
    pub fn begins_with_user(&self, name: &str, password: &str) -> Result<(), ServerError> {
        self.stop()?;
        let data = self.folder().join(DATA_FOLDER);
        let failed = |source| ServerError::Folder {
            path: data.clone(),
            source,
        };
        fs::remove_dir_all(&data).map_err(failed)?;
        let mut java = Command::new(Kafka::binary()?);
        java.arg("-cp").arg(kafka_folder()?.join("*"));
        java.args(["kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c"]);
        java.arg(self.folder().join(CONFIG_FILE));
        for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
            java.arg("--add-scram");
            java.arg(format!("{mechanism}=[name={name},password={password}]"));
        }
        let formatted = java.output().map_err(failed)?;
        match formatted.status.success() {
            true => Ok(()),
            false => Err(failed(io::Error::other(
                String::from_utf8_lossy(&formatted.stderr).into_owned(),
            ))),
        }
    }

    /// Gives it one more listener from its next start on, beside the plain one: of that protocol, and set up
    /// by these properties. Answers its port; it is advertised as `localhost`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn listen_also(&self, protocol: &str, properties: &str) -> Result<u16, ServerError> {
        let port = free_port()?;
        write(
            &self.folder().join(LISTENER_FILE),
            &format!("{protocol} {port}"),
        )?;
        write(&self.folder().join(LISTENER_CONFIG_FILE), properties)?;
        Ok(port)
    }
}

impl ServerKind for Kafka {
    const NAME: &'static str = "kafka";

    const READY_LIMIT: Duration = Duration::from_secs(60);

    fn binary() -> Result<PathBuf, ServerError> {
        kafka_folder()?;
        find_in_path("java").ok_or_else(|| ServerError::Missing {
            server: "java".to_owned(),
            fix: "cargo xtask setup",
        })
    }

    fn prepare(port: u16, folder: &Path) -> Result<(), ServerError> {
        let data = folder.join(DATA_FOLDER);
        if !data.exists() {
            copy(&kafka_folder()?.join(KAFKA_FORMATTED), &data)?;
        }
        let controller = free_port()?;
        let mut listeners = format!("PLAINTEXT://127.0.0.1:{port}");
        let mut advertised = listeners.clone();
        let mut protocols = "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT".to_owned();
        let mut more = String::new();
        if let Ok(listener) = fs::read_to_string(folder.join(LISTENER_FILE))
            && let Some((protocol, port)) = listener.split_once(' ')
        {
            listeners += &format!(",{protocol}://127.0.0.1:{port}");
            advertised += &format!(",{protocol}://localhost:{port}");
            protocols += &format!(",{protocol}:{protocol}");
            more = fs::read_to_string(folder.join(LISTENER_CONFIG_FILE)).unwrap_or_default();
        }
        let config = format!(
            "{CONFIG}listeners={listeners},CONTROLLER://127.0.0.1:{controller}\n\
             advertised.listeners={advertised}\nlistener.security.protocol.map={protocols}\n\
             controller.quorum.voters=1@127.0.0.1:{controller}\nlog.dirs={}\n{more}\n",
            data.display()
        );
        write(&folder.join(CONFIG_FILE), &config)
    }

    fn arguments(command: &mut Command, _port: u16, folder: &Path) {
        let jars = kafka_folder().map(|folder| folder.join("*"));
        command.args(JAVA).arg(jars.unwrap_or_default());
        command.arg("kafka.Kafka").arg(folder.join(CONFIG_FILE));
    }

    fn is_ready(_pid: u32, port: u16, _folder: &Path) -> bool {
        answers(port).is_ok_and(|answers| answers)
    }

    fn url(port: u16) -> String {
        format!("127.0.0.1:{port}")
    }
}

/// Asks whoever listens on the port for the versions of its requests: `ApiVersions`, version 0, number 7, of a
/// client without a name.
fn answers(port: u16) -> io::Result<bool> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, LOOK_LIMIT)?;
    stream.set_read_timeout(Some(LOOK_LIMIT))?;
    stream.write_all(&[0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff])?;
    let mut head = [0; 10];
    stream.read_exact(&mut head)?;
    // The number of the request, and no error.
    Ok(head[4..] == [0, 0, 0, 7, 0, 0])
}

fn write(path: &Path, text: &str) -> Result<(), ServerError> {
    fs::write(path, text).map_err(|source| ServerError::Folder {
        path: path.to_owned(),
        source,
    })
}

/// Copies a folder with all that is in it.
fn copy(from: &Path, to: &Path) -> Result<(), ServerError> {
    let failed = |source| ServerError::Folder {
        path: to.to_owned(),
        source,
    };
    fs::create_dir_all(to).map_err(failed)?;
    for entry in fs::read_dir(from).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target).map_err(failed)?;
        }
    }
    Ok(())
}
