//! What librdkafka and OpenSSL are built with, from Debian: cargo builds them from their source.

use std::path::Path;

use wrt_test_servers::find_in_path;

use crate::{apt, repository::Repository};

/// How it is seen that a package is there.
enum Sign {
    Program(&'static str),
    /// A header; Debian has some in a folder of the architecture.
    Header(&'static str),
}

const PACKAGES: [(&str, Sign); 5] = [
    ("make", Sign::Program("make")),
    ("g++", Sign::Program("g++")),
    ("pkg-config", Sign::Program("pkg-config")),
    ("zlib1g-dev", Sign::Header("zlib.h")),
    // Its modules, of which `perl-base` has too few, come with this.
    ("perl", Sign::Program("prove")),
];

/// Installs what is missing.
pub fn install(repository: &Repository) -> anyhow::Result<()> {
    for (package, sign) in PACKAGES {
        let is_there = match sign {
            Sign::Program(program) => find_in_path(program).is_some(),
            Sign::Header(header) => Path::new("/usr/include").join(header).is_file(),
        };
        if !is_there {
            apt::install(repository, package)?;
        }
    }
    Ok(())
}
