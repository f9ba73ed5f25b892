//! What files contain, to be compared with what they contained before.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs::{self, Metadata},
    hash::{DefaultHasher, Hasher as _},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use ignore::{DirEntry, WalkBuilder};

/// Files that are looked at below one root.
const FILES_MAX: usize = 20_000;
/// A larger one has changed when its time or its length has.
const READ_BYTES_MAX: u64 = 8 << 20;
/// For so long after it was written a file is read again, whatever its time says.
const SETTLED_AFTER: Duration = Duration::from_secs(1);
/// Folders of what is made, which not everybody has told git of.
const MADE: [&str; 3] = ["target", "node_modules", "__pycache__"];

/// Written by tools in the middle of a build, which would begin it again.
const LOCKS: [&str; 2] = ["Cargo.lock", "package-lock.json"];

/// What lies below a root, by path.
#[derive(Debug, Default)]
pub struct Sources {
    files: BTreeMap<PathBuf, Seen>,
    /// The folders, each with what tells it from another of its name.
    pub folders: HashMap<PathBuf, (u64, u64)>,
    /// Whether there is more than is looked at.
    pub is_cut_off: bool,
}

#[derive(Debug)]
struct Seen {
    inode: u64,
    length_bytes: u64,
    modified: Option<SystemTime>,
    /// Whether it had not been touched for a while: file systems tell times apart only roughly.
    is_settled: bool,
    /// Of the content; 0 of what is not read.
    hash: u64,
}

impl Sources {
    /// Looks at all below `roots`, but for what is hidden or ignored and for the files `made`. A root may be a file,
    /// and may not be there. What has not been touched since `before` is not read again.
    pub fn scan<'a>(
        roots: impl IntoIterator<Item = &'a PathBuf>,
        made: &BTreeSet<PathBuf>,
        before: &Self,
    ) -> Self {
        let mut sources = Self::default();
        for root in roots {
            // A file that is removed and comes back is told of by its folder.
            if let Some(folder) = root.parent() {
                sources.add_folder(folder);
            }
            let mut walk = WalkBuilder::new(root);
            walk.require_git(false).filter_entry(is_no_product);
            for entry in walk.build().filter_map(Result::ok) {
                if entry.file_type().is_some_and(|it| it.is_dir()) {
                    sources.add_folder(entry.path());
                } else if !made.contains(entry.path()) {
                    sources.add_file(entry.path(), before);
                }
                sources.is_cut_off = sources.files.len() >= FILES_MAX;
                if sources.is_cut_off {
                    return sources;
                }
            }
        }
        sources
    }

    /// A file that is not as it was `before`, is new, or is not there any more.
    pub fn changed_since<'a>(&'a self, before: &'a Self) -> Option<&'a Path> {
        let is_other = |(path, seen): &(&PathBuf, &Seen)| {
            let known = before.files.get(*path);
            known.is_none_or(|known| !known.is_like(seen))
        };
        let other = self.files.iter().find(is_other).map(|(path, _)| path);
        let mut gone = before.files.keys();
        let other = other.or_else(|| gone.find(|path| !self.files.contains_key(*path)));
        other.map(PathBuf::as_path)
    }

    fn add_folder(&mut self, path: &Path) {
        if let Ok(metadata) = fs::metadata(path) {
            self.folders
                .insert(path.to_owned(), (metadata.dev(), metadata.ino()));
        }
    }

    fn add_file(&mut self, path: &Path, before: &Self) {
        // One that is gone meanwhile is gone.
        let Ok(metadata) = fs::metadata(path) else {
            return;
        };
        if metadata.is_file() && !is_printed_to(&metadata) {
            let seen = Seen::of(path, &metadata, before.files.get(path));
            self.files.insert(path.to_owned(), seen);
        }
    }
}

impl Seen {
    fn of(path: &Path, metadata: &Metadata, before: Option<&Self>) -> Self {
        let modified = metadata.modified().ok();
        let age = modified.and_then(|modified| modified.elapsed().ok());
        let mut seen = Self {
            inode: metadata.ino(),
            length_bytes: metadata.len(),
            modified,
            is_settled: age.is_some_and(|age| age > SETTLED_AFTER),
            hash: 0,
        };
        if seen.length_bytes > READ_BYTES_MAX {
            return seen;
        }
        let is_untouched = |before: &&Self| {
            before.is_settled
                && before.inode == seen.inode
                && before.length_bytes == seen.length_bytes
                && before.modified == seen.modified
        };
        seen.hash = match before.filter(is_untouched) {
            Some(before) => before.hash,
            None => {
                let mut hasher = DefaultHasher::new();
                hasher.write(&fs::read(path).unwrap_or_default());
                hasher.finish().max(1)
            }
        };
        seen
    }

    /// Whether it contains the same, whenever that was written.
    fn is_like(&self, other: &Self) -> bool {
        let is_read = self.hash != 0;
        self.length_bytes == other.length_bytes
            && self.hash == other.hash
            && (is_read || self.modified == other.modified)
    }
}

/// Whether what this program and its builds print goes there: each build would be the reason for another one.
fn is_printed_to(metadata: &Metadata) -> bool {
    let is_it = |printed: rustix::io::Result<rustix::fs::Stat>| {
        printed.is_ok_and(|it| (it.st_dev, it.st_ino) == (metadata.dev(), metadata.ino()))
    };
    is_it(rustix::fs::fstat(io::stdout())) || is_it(rustix::fs::fstat(io::stderr()))
}

fn is_no_product(entry: &DirEntry) -> bool {
    let is_folder = entry.file_type().is_some_and(|it| it.is_dir());
    let names: &[&str] = match is_folder {
        true => &MADE,
        false => &LOCKS,
    };
    let name = entry.file_name().to_str();
    entry.depth() == 0 || name.is_none_or(|name| !names.contains(&name))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    /// A project, and what is done to it.
    struct Project {
        folder: TempDir,
        before: Sources,
    }

    impl Project {
        fn new() -> Self {
            let folder = TempDir::new().unwrap();
            let mut project = Self {
                folder,
                before: Sources::default(),
            };
            project.write("src/lib.rs", "one");
            project.write(".gitignore", "made.txt\n");
            assert!(project.has_changed());
            project
        }

        fn path(&self, file: &str) -> PathBuf {
            self.folder.path().join(file)
        }

        fn write(&self, file: &str, text: &str) {
            let path = self.path(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn has_changed(&mut self) -> bool {
            let made = BTreeSet::from([self.path("app.wasm")]);
            let root = self.folder.path().to_owned();
            let now = Sources::scan([&root], &made, &self.before);
            let has_changed = now.changed_since(&self.before).is_some();
            self.before = now;
            has_changed
        }
    }

    #[test]
    fn what_is_written_renamed_over_removed_or_made_is_a_change() {
        let mut project = Project::new();
        assert!(!project.has_changed());
        project.write("src/lib.rs", "two");
        assert!(project.has_changed());
        project.write("src/.swap", "three");
        assert!(!project.has_changed(), "it is hidden");
        fs::rename(project.path("src/.swap"), project.path("src/lib.rs")).unwrap();
        assert!(project.has_changed());
        fs::remove_file(project.path("src/lib.rs")).unwrap();
        assert!(project.has_changed());
        project.write("src/lib.rs", "three");
        assert!(project.has_changed());
        project.write("src/more/deep.rs", "");
        assert!(project.has_changed());
        assert!(!project.has_changed());
    }

    #[test]
    fn what_is_made_ignored_or_the_same_is_none() {
        let mut project = Project::new();
        for made in [
            "app.wasm",
            "made.txt",
            "target/debug/x",
            "node_modules/a/b",
            "Cargo.lock",
        ] {
            project.write(made, "made");
            assert!(!project.has_changed(), "{made}");
        }
        project.write("src/lib.rs", "one");
        assert!(
            !project.has_changed(),
            "an editor has saved what it had read"
        );
    }

    #[test]
    fn a_root_may_be_a_file_and_may_come_later() {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("late.txt");
        let none = Sources::scan([&file], &BTreeSet::new(), &Sources::default());
        assert!(none.folders.contains_key(folder.path()), "it may come");
        fs::write(&file, "").unwrap();
        let come = Sources::scan([&file], &BTreeSet::new(), &none);
        assert_eq!(come.changed_since(&none), Some(file.as_path()));
    }
}
