//! Where the servers' programs are.

use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
};

use crate::ServerError;

/// The version of nats-server that the tests run against.
pub const NATS_SERVER_VERSION: &str = "2.15.1";

/// The version of Kafka that the tests run against.
pub const KAFKA_VERSION: &str = "4.4.0";

/// In Kafka's folder, a folder for data as a new server needs it.
pub const KAFKA_FORMATTED: &str = "formatted";

/// The version of SecantusDB, a stand-in for MongoDB, that the tests run against.
pub const SECANTUSDB_VERSION: &str = "0.7.0b3";

/// The version of FerretDB, another stand-in for MongoDB, that the tests run against.
pub const FERRETDB_VERSION: &str = "1.24.2";

/// The version of the OpenTelemetry collector that the tests run against.
pub const OTELCOL_VERSION: &str = "0.165.0";

/// The version of Go that builds it, where none is installed.
pub const GO_VERSION: &str = "1.27.3";

/// Names a nats-server to use in place of the installed one.
pub const NATS_SERVER_ENV: &str = "WRT_NATS_SERVER";

/// The nats-server to start: the one that [`NATS_SERVER_ENV`] names, or the one that
/// `cargo xtask setup` installs.
///
/// # Errors
/// [`ServerError::Missing`] with the command that installs it.
pub fn nats_server_binary() -> Result<PathBuf, ServerError> {
    if let Some(path) = env::var_os(NATS_SERVER_ENV).map(PathBuf::from) {
        return if path.is_file() {
            Ok(path)
        } else {
            Err(ServerError::BadOverride {
                variable: NATS_SERVER_ENV,
                path,
            })
        };
    }
    let missing = || ServerError::Missing {
        server: format!("nats-server {NATS_SERVER_VERSION}"),
        fix: "cargo xtask setup",
    };
    nats_server_cached()
        .filter(|path| path.is_file())
        .ok_or_else(missing)
}

/// Where `cargo xtask setup` puts nats-server; `None` when there is no home folder.
pub fn nats_server_cached() -> Option<PathBuf> {
    let folder = cache_folder()?.join(format!("nats-server-{NATS_SERVER_VERSION}"));
    Some(folder.join("nats-server"))
}

/// The folder with Kafka's jars, which `cargo xtask setup` installs.
///
/// # Errors
/// [`ServerError::Missing`] with the command that installs it.
pub fn kafka_folder() -> Result<PathBuf, ServerError> {
    let missing = || ServerError::Missing {
        server: format!("Apache Kafka {KAFKA_VERSION}"),
        fix: "cargo xtask setup",
    };
    kafka_cached()
        .filter(|folder| folder.join(KAFKA_FORMATTED).is_dir())
        .ok_or_else(missing)
}

/// Where `cargo xtask setup` puts Kafka; `None` when there is no home folder.
pub fn kafka_cached() -> Option<PathBuf> {
    Some(cache_folder()?.join(format!("kafka-{KAFKA_VERSION}")))
}

/// The folder with SecantusDB's Python packages, which `cargo xtask setup` installs.
///
/// # Errors
/// [`ServerError::Missing`] with the command that installs it.
pub fn secantusdb_folder() -> Result<PathBuf, ServerError> {
    let missing = || ServerError::Missing {
        server: format!("SecantusDB {SECANTUSDB_VERSION}"),
        fix: "cargo xtask setup",
    };
    secantusdb_cached()
        .filter(|folder| folder.join("secantus").is_dir())
        .ok_or_else(missing)
}

/// Where `cargo xtask setup` puts SecantusDB; `None` when there is no home folder.
pub fn secantusdb_cached() -> Option<PathBuf> {
    Some(cache_folder()?.join(format!("secantusdb-{SECANTUSDB_VERSION}")))
}

/// FerretDB, which `cargo xtask ferretdb` builds.
///
/// # Errors
/// [`ServerError::Missing`] with that command.
pub fn ferretdb_binary() -> Result<PathBuf, ServerError> {
    let missing = || ServerError::Missing {
        server: format!("FerretDB {FERRETDB_VERSION}"),
        fix: "cargo xtask ferretdb",
    };
    ferretdb_cached()
        .filter(|path| path.is_file())
        .ok_or_else(missing)
}

/// Where `cargo xtask ferretdb` puts FerretDB; `None` when there is no home folder.
pub fn ferretdb_cached() -> Option<PathBuf> {
    let folder = cache_folder()?.join(format!("ferretdb-{FERRETDB_VERSION}"));
    Some(folder.join("ferretdb"))
}

/// The OpenTelemetry collector, which `cargo xtask setup` builds.
///
/// # Errors
/// [`ServerError::Missing`] with that command.
pub fn otelcol_binary() -> Result<PathBuf, ServerError> {
    let missing = || ServerError::Missing {
        server: format!("the OpenTelemetry collector {OTELCOL_VERSION}"),
        fix: "cargo xtask setup",
    };
    otelcol_cached()
        .filter(|path| path.is_file())
        .ok_or_else(missing)
}

/// Where `cargo xtask setup` puts the collector; `None` when there is no home folder.
pub fn otelcol_cached() -> Option<PathBuf> {
    let folder = cache_folder()?.join(format!("otelcol-{OTELCOL_VERSION}"));
    Some(folder.join("otelcol"))
}

/// Where `cargo xtask setup` puts Go, where there is none; `None` when there is no home folder.
pub fn go_cached() -> Option<PathBuf> {
    Some(cache_folder()?.join(format!("go-{GO_VERSION}")))
}

/// The redis-server on the `PATH`.
///
/// # Errors
/// [`ServerError::Missing`] with the command that installs it.
pub fn redis_server_binary() -> Result<PathBuf, ServerError> {
    find_in_path("redis-server").ok_or_else(|| ServerError::Missing {
        server: "redis-server".to_owned(),
        fix: "cargo xtask setup",
    })
}

/// Where Debian puts the programs of Postgres, a folder for each of its versions.
const POSTGRES_VERSIONS: &str = "/usr/lib/postgresql";

/// The folder with the programs of Postgres: of the newest version that is installed, or else the one
/// on the `PATH`.
///
/// # Errors
/// [`ServerError::Missing`] with the command that installs it.
pub fn postgres_folder() -> Result<PathBuf, ServerError> {
    let versions = Path::new(POSTGRES_VERSIONS).read_dir();
    let versions = versions.into_iter().flatten().flatten();
    let numbered = versions.filter_map(|version| {
        let number: u32 = version.file_name().to_str()?.parse().ok()?;
        let folder = version.path().join("bin");
        folder.join("initdb").is_file().then_some((number, folder))
    });
    let newest = numbered.max().map(|(_, folder)| folder);
    let found = newest.or_else(|| find_in_path("initdb")?.parent().map(Path::to_owned));
    found.ok_or_else(|| ServerError::Missing {
        server: "postgres".to_owned(),
        fix: "cargo xtask setup",
    })
}

/// The chromium on the `PATH`.
///
/// # Errors
/// [`ServerError::Missing`] with the command that installs it.
pub fn chromium_binary() -> Result<PathBuf, ServerError> {
    find_in_path("chromium").ok_or_else(|| ServerError::Missing {
        server: "chromium".to_owned(),
        fix: "cargo xtask setup",
    })
}

/// The folder that holds what the project installs for itself.
pub fn cache_folder() -> Option<PathBuf> {
    cache_folder_from(
        env::var_os("XDG_CACHE_HOME").as_deref(),
        env::var_os("HOME").as_deref(),
    )
}

/// The first program of this name on the `PATH`.
pub fn find_in_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

fn cache_folder_from(cache_home: Option<&OsStr>, home: Option<&OsStr>) -> Option<PathBuf> {
    // The XDG rules: empty and relative values count as absent.
    let absolute = |value: &OsStr| {
        Some(Path::new(value))
            .filter(|path| path.is_absolute())
            .map(Path::to_owned)
    };
    let base = cache_home
        .and_then(absolute)
        .or_else(|| home.and_then(absolute).map(|home| home.join(".cache")))?;
    Some(base.join("wrt"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_folder_follows_the_xdg_rules() {
        let check = |cache: Option<&str>, home: Option<&str>, expected: Option<&str>| {
            let found = cache_folder_from(cache.map(OsStr::new), home.map(OsStr::new));
            assert_eq!(
                found.as_deref(),
                expected.map(Path::new),
                "{cache:?} {home:?}"
            );
        };
        check(Some("/c"), Some("/h"), Some("/c/wrt"));
        check(None, Some("/h"), Some("/h/.cache/wrt"));
        check(Some(""), Some("/h"), Some("/h/.cache/wrt"));
        check(Some("relative"), Some("/h"), Some("/h/.cache/wrt"));
        check(None, None, None);
    }

    #[test]
    fn a_program_is_found_in_the_path_and_an_unknown_one_is_not() {
        assert!(find_in_path("sh").is_some());
        assert_eq!(find_in_path("no-program-has-this-name"), None);
    }
}
