//! postgres.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, chown},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use rustix::process::{Pid, Signal, geteuid, kill_process};

use crate::{
    Deadline, Server, ServerError, ServerKind, cache_folder, find_in_path, postgres_folder,
};

/// Where its data are.
const DATA_FOLDER: &str = "data";

/// Who it runs as where these tests run as root, which it refuses to be. Debian's package makes the user.
const USER: &str = "postgres";

/// How long what a killed server has started may take to see that it is gone.
const ORPHANS_LIMIT: Duration = Duration::from_secs(10);

/// What it is told beside its port. Nothing has to outlive the machine.
const SETTINGS: &[&str] = &[
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "fsync=off",
    "shared_buffers=16MB",
    "max_connections=60",
];

/// A server with one superuser, `postgres`, whom it takes at his word; its data survive a restart, and a
/// kill.
pub type PostgresServer = Server<Postgres>;

/// The kind of [`PostgresServer`].
#[derive(Debug)]
pub enum Postgres {}

impl Server<Postgres> {
    /// Writes a file into its data folder, which it alone can read; it knows of it from its next start on.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, file: &str, text: &str) -> Result<(), ServerError> {
        write_owned(&self.folder().join(DATA_FOLDER).join(file), text, false)
    }

    /// Adds a line to its configuration, from its next start on.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn configure(&self, line: &str) -> Result<(), ServerError> {
        let path = self.folder().join(DATA_FOLDER).join("postgresql.conf");
        write_owned(&path, &format!("{line}\n"), true)
    }

    /// Stops it in its tracks, with all that serve its connections: a [pause](Server::pause) is of the
    /// process that begins them.
    ///
    /// # Errors
    /// When it does not run.
    pub fn freeze(&self) -> Result<(), ServerError> {
        self.pause()?;
        signal_all(self.folder(), Signal::STOP);
        Ok(())
    }

    /// Lets all of it go on.
    ///
    /// # Errors
    /// When it does not run.
    pub fn thaw(&self) -> Result<(), ServerError> {
        signal_all(self.folder(), Signal::CONT);
        self.resume()
    }
}

impl ServerKind for Postgres {
    const NAME: &'static str = "postgres";

    fn binary() -> Result<PathBuf, ServerError> {
        let postgres = postgres_folder()?.join("postgres");
        if !geteuid().is_root() {
            return Ok(postgres);
        }
        find_in_path("setpriv").ok_or_else(|| ServerError::Missing {
            server: "setpriv".to_owned(),
            fix: "cargo xtask setup",
        })
    }

    fn prepare(_port: u16, folder: &Path) -> Result<(), ServerError> {
        let data = folder.join(DATA_FOLDER);
        if data.join("PG_VERSION").is_file() {
            // They hold its memory, and a new one would not start.
            let gone = Deadline::after(ORPHANS_LIMIT).poll(|| all(folder).is_empty().then_some(()));
            return gone.ok_or_else(|| ServerError::Folder {
                path: data,
                source: io::Error::other("processes of a killed server do not end"),
            });
        }
        give_to_user(folder)?;
        let kept = kept_folder();
        if let Some(kept) = kept.as_ref().filter(|kept| kept.is_dir()) {
            return copy(kept, &data);
        }
        let mut command = as_user(&postgres_folder()?.join("initdb"));
        command.arg("--pgdata").arg(&data);
        command.args(["--username", "postgres", "--auth", "trust"]);
        command.args(["--encoding", "UTF8", "--locale", "C", "--no-sync"]);
        let made = command.current_dir(folder).output();
        let failed = |source| ServerError::Folder {
            path: data.clone(),
            source,
        };
        let made = made.map_err(failed)?;
        match made.status.success() {
            true => {
                // The next server is spared a second. Where it cannot be kept it is made each time.
                let _ = kept.map(|kept| keep(&data, &kept));
                Ok(())
            }
            false => Err(failed(io::Error::other(
                String::from_utf8_lossy(&made.stderr).into_owned(),
            ))),
        }
    }

    fn arguments(command: &mut Command, port: u16, folder: &Path) {
        if geteuid().is_root() {
            command.args(to_user());
            command.arg(postgres_folder().unwrap_or_default().join("postgres"));
        }
        command.current_dir(folder);
        command.arg("-D").arg(folder.join(DATA_FOLDER));
        command.arg("-p").arg(port.to_string());
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
    }

    /// It says so in its own file: process, and in the eighth line how far it is.
    fn is_ready(pid: u32, _port: u16, folder: &Path) -> bool {
        let path = folder.join(DATA_FOLDER).join("postmaster.pid");
        let file = fs::read_to_string(path).unwrap_or_default();
        let mut lines = file.lines();
        let is_this = lines.next() == Some(pid.to_string().as_str());
        is_this && lines.nth(6).is_some_and(|state| state.trim() == "ready")
    }

    fn url(port: u16) -> String {
        format!("postgres://postgres@127.0.0.1:{port}/postgres")
    }
}

/// Where the data of a new server are kept, for those that come after it.
fn kept_folder() -> Option<PathBuf> {
    let programs = postgres_folder().ok()?;
    let version = programs.parent()?.file_name()?.to_str()?.to_owned();
    Some(cache_folder()?.join(format!("postgres-{version}-new")))
}

/// Whoever looks sees all of it or nothing.
fn keep(data: &Path, kept: &Path) -> Result<(), ServerError> {
    let failed = |source| ServerError::Folder {
        path: kept.to_owned(),
        source,
    };
    let parent = kept.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(parent).map_err(failed)?;
    let beside = tempfile::tempdir_in(parent).map_err(failed)?;
    let whole = beside.path().join(DATA_FOLDER);
    copy(data, &whole)?;
    fs::rename(whole, kept).map_err(failed)
}

/// With owners and modes.
fn copy(from: &Path, to: &Path) -> Result<(), ServerError> {
    let failed = |source| ServerError::Folder {
        path: to.to_owned(),
        source,
    };
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).output();
    let copied = copied.map_err(failed)?;
    match copied.status.success() {
        true => Ok(()),
        false => Err(failed(io::Error::other(
            String::from_utf8_lossy(&copied.stderr).into_owned(),
        ))),
    }
}

/// A program that runs as the user.
fn as_user(program: &Path) -> Command {
    if !geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(to_user()).arg(program);
    command
}

/// The kernel forgets who dies with whom when a process becomes another user's.
fn to_user() -> [String; 4] {
    [
        format!("--reuid={USER}"),
        format!("--regid={USER}"),
        "--clear-groups".to_owned(),
        "--pdeathsig=KILL".to_owned(),
    ]
}

fn write_owned(path: &Path, text: &str, append: bool) -> Result<(), ServerError> {
    let write = || {
        let mut options = fs::OpenOptions::new();
        options.create(true).mode(0o600).append(append);
        options.write(true).truncate(!append);
        options.open(path)?.write_all(text.as_bytes())
    };
    write().map_err(|source| ServerError::Folder {
        path: path.to_owned(),
        source,
    })?;
    give_to_user(path)
}

fn give_to_user(path: &Path) -> Result<(), ServerError> {
    if !geteuid().is_root() {
        return Ok(());
    }
    let give = || {
        let users = fs::read_to_string("/etc/passwd")?;
        let user = users.lines().find_map(|line| {
            let mut fields = line.split(':');
            let is_it = fields.next() == Some(USER);
            let mut numbers = fields.skip(1).map(|field| field.parse::<u32>().ok());
            is_it.then(|| Some((numbers.next()??, numbers.next()??)))?
        });
        let missing = || io::Error::other(format!("there is no user {USER}: cargo xtask setup"));
        let (user, group) = user.ok_or_else(missing)?;
        chown(path, Some(user), Some(group))
    };
    give().map_err(|source| ServerError::Folder {
        path: path.to_owned(),
        source,
    })
}

/// All processes of a server: they work in its data folder.
fn all(folder: &Path) -> Vec<Pid> {
    let data = folder.join(DATA_FOLDER);
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let its = processes.filter_map(|process| {
        let pid: i32 = process.file_name().to_str()?.parse().ok()?;
        let works_in = fs::read_link(process.path().join("cwd")).ok()?;
        (works_in == data).then_some(Pid::from_raw(pid)?)
    });
    its.collect()
}

fn signal_all(folder: &Path, signal: Signal) {
    for pid in all(folder) {
        // One that has ended meanwhile needs none.
        let _ = kill_process(pid, signal);
    }
}
