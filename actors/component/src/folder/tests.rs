use std::{collections::BTreeSet, time::Duration};

use super::*;

fn names(folder: &CacheFolder) -> BTreeSet<String> {
    let files = folder.files().unwrap();
    files.into_iter().map(|file| file.name).collect()
}

fn entries(path: &Path) -> usize {
    fs::read_dir(path).unwrap().count()
}

/// The bug: all who wrote a file had one name for it while it was half written.
#[test]
fn two_write_one_file_at_once() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("made");
    let [one, other] = [(); 2].map(|()| CacheFolder::open(path.clone()).unwrap());
    let mut files = [one.begin("a").unwrap(), other.begin("a").unwrap()];
    for file in &mut files {
        file.write_all(b"half").unwrap();
    }
    // Somebody else begins, too, and takes neither for a left-over.
    let third = CacheFolder::open(path.clone()).unwrap();
    assert!(names(&third).is_empty(), "nothing is whole");
    for mut file in files {
        file.write_all(b" and half").unwrap();
        file.keep().unwrap();
        assert_eq!(fs::read(third.path("a")).unwrap(), b"half and half");
    }
    assert_eq!(entries(&path), 1);
}

#[test]
fn what_is_left_over_is_removed_at_the_next_start() {
    let parent = tempfile::tempdir().unwrap();
    let folder = CacheFolder::open(parent.path().to_owned()).unwrap();
    folder.begin("whole").unwrap().keep().unwrap();
    // A process that was killed: nobody holds the file any more.
    fs::write(folder.path("a.Xy12.partial"), "half").unwrap();
    let begun = folder.begin("b").unwrap();
    assert_eq!(entries(parent.path()), 3);
    CacheFolder::open(parent.path().to_owned()).unwrap();
    assert_eq!(entries(parent.path()), 2);
    drop(begun);
    assert_eq!(names(&folder), BTreeSet::from(["whole".to_owned()]));
    assert_eq!(entries(parent.path()), 1);
}

#[test]
fn what_was_not_used_for_longest_goes_first() {
    let parent = tempfile::tempdir().unwrap();
    let folder = CacheFolder::open(parent.path().to_owned()).unwrap();
    for (hour, name) in [(3, "new"), (1, "oldest"), (2, "old"), (0, "kept")] {
        let mut file = folder.begin(name).unwrap();
        file.write_all(&[7; 100]).unwrap();
        file.keep().unwrap();
        let used_at = SystemTime::UNIX_EPOCH + Duration::from_secs(hour * 3600);
        let times = FileTimes::new().set_modified(used_at);
        let file = File::open(folder.path(name)).unwrap();
        file.set_times(times).unwrap();
    }
    let is_kept = |name: &str| name == "kept";
    let left = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect();
    folder.shrink(400, is_kept).unwrap();
    assert_eq!(entries(parent.path()), 4);
    folder.shrink(399, is_kept).unwrap();
    assert_eq!(names(&folder), left(&["kept", "new", "old"]));
    folder.touch("old");
    folder.shrink(200, is_kept).unwrap();
    assert_eq!(names(&folder), left(&["kept", "old"]));
    folder.shrink(0, is_kept).unwrap();
    assert_eq!(names(&folder), left(&["kept"]));
}
