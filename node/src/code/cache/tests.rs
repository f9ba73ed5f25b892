use wrt_deployment::{DesiredApp, DesiredComponent, LinkTable, PlacementRule, Revision, StoredApp};
use wrt_protocol::{ComponentLimits, Name};

use super::*;

struct Site {
    parent: tempfile::TempDir,
    cache: CodeCache,
}

fn digest(n: u8) -> Digest {
    Digest::of(&[n])
}

fn app(name: &str, codes: &[u8]) -> DesiredApp {
    let mut app = DesiredApp::empty(Name::new(name).unwrap());
    for n in codes {
        let component = DesiredComponent {
            digest: digest(*n),
            environment: BTreeMap::new(),
            placement: PlacementRule::default(),
            links: LinkTable::default(),
            limits: ComponentLimits::default(),
        };
        let name = Name::new(&format!("c{n}")).unwrap();
        app.components.insert(name, component);
    }
    app
}

fn snapshot(apps: &[DesiredApp]) -> Snapshot {
    let stored = |app: &DesiredApp| StoredApp {
        revision: Revision(1),
        app: app.clone(),
    };
    let apps = apps.iter().map(|app| (app.app.clone(), stored(app)));
    Snapshot {
        apps: apps.collect(),
        ..Snapshot::default()
    }
}

impl Site {
    fn new(bytes_max: u64, grace: Duration) -> Self {
        let parent = tempfile::tempdir().unwrap();
        let options = CacheOptions {
            folder: Some(parent.path().to_owned()),
            bytes_max,
            grace,
        };
        let cache = CodeCache::open(options);
        fs::write(parent.path().join("code/key"), "key").unwrap();
        Self { parent, cache }
    }

    /// A component of 100 bytes, and what was compiled of it.
    fn keeps(&self, n: u8, is_fetched: bool) {
        let hex = digest(n).to_hex();
        let path = self.parent.path();
        fs::write(path.join(format!("code/{hex}-01.plain")), [7; 200]).unwrap();
        if is_fetched {
            fs::write(path.join(format!("components/{hex}.wasm")), [7; 100]).unwrap();
        }
    }

    fn sweeps(&self, apps: &[DesiredApp]) {
        self.cache.sweep(&snapshot(apps)).unwrap();
    }

    /// Whether something of it is kept.
    fn has(&self, n: u8) -> bool {
        let folders = [&self.cache.artefacts, &self.cache.components];
        let mut files = folders.iter().flat_map(|it| files(it.as_ref()).unwrap());
        files.any(|file| digest_of(&file.name) == Some(digest(n)))
    }

    fn kept(&self, codes: &[u8]) -> Vec<u8> {
        codes.iter().copied().filter(|n| self.has(*n)).collect()
    }
}

#[test]
fn what_no_app_names_goes_after_a_grace() {
    let mut site = Site::new(10_000, Duration::from_secs(3600));
    let (shop, blog) = (app("shop", &[1]), app("blog", &[2]));
    for n in 1..=3 {
        site.keeps(n, true);
    }
    // Of another program, which has nothing to do with the lattice.
    site.keeps(4, false);
    site.sweeps(&[shop.clone(), blog.clone()]);
    site.sweeps(std::slice::from_ref(&shop));
    assert_eq!(site.kept(&[1, 2, 3, 4]), [1, 2, 3, 4], "within the grace");
    site.cache.options.grace = Duration::ZERO;
    // The app is deployed again in the last moment.
    site.sweeps(&[shop.clone(), blog]);
    assert_eq!(site.kept(&[1, 2, 3, 4]), [1, 2, 4]);
    site.sweeps(&[shop]);
    assert_eq!(site.kept(&[1, 2, 3, 4]), [1, 4]);
    assert!(site.parent.path().join("code/key").exists());
}

#[test]
fn what_another_node_of_the_folder_keeps_or_nobody_can_read_stays() {
    let site = Site::new(10_000, Duration::ZERO);
    let desired = site.parent.path().join("desired");
    fs::create_dir(&desired).unwrap();
    let state = |app: &DesiredApp| {
        let app: serde_json::Value = serde_json::from_slice(&app.to_json()).unwrap();
        let kept =
            serde_json::json!({ "name": app["app"], "revision": 1, "stored_at": 1, "app": app });
        serde_json::json!({ "seen": null, "apps": [kept] }).to_string()
    };
    fs::write(desired.join("other-b.json"), state(&app("shop", &[1]))).unwrap();
    fs::write(desired.join("other-b.epoch"), "1").unwrap();
    site.keeps(1, true);
    site.keeps(2, true);
    let sweep = |desired: &Snapshot| site.cache.sweep(desired).unwrap();
    sweep(&snapshot(&[]));
    assert_eq!(site.kept(&[1, 2]), [1]);

    site.keeps(2, true);
    // An app that this build cannot read.
    let mut held = snapshot(&[]);
    held.held.insert("later".to_owned(), "form 99".to_owned());
    sweep(&held);
    let later = state(&app("shop", &[1])).replace("\"version\":2", "\"version\":99");
    for unread in [later.as_str(), "half", ""] {
        fs::write(desired.join("other-c.json"), unread).unwrap();
        sweep(&snapshot(&[]));
        assert_eq!(site.kept(&[1, 2]), [1, 2], "{unread}");
    }
    fs::remove_file(desired.join("other-c.json")).unwrap();
    sweep(&snapshot(&[]));
    assert_eq!(site.kept(&[1, 2]), [1]);
}

#[test]
fn the_folder_is_bounded_in_bytes() {
    let site = Site::new(700, Duration::from_secs(60));
    for n in 1..=4 {
        site.keeps(n, true);
    }
    site.cache
        .sweep(&snapshot(&[app("shop", &[1, 2])]))
        .unwrap();
    let kept = site.kept(&[1, 2, 3, 4]);
    assert!(kept.starts_with(&[1, 2]), "{kept:?}");
    // Room for one more.
    site.cache.make_room(600).unwrap();
    let folders = [&site.cache.artefacts, &site.cache.components];
    let files = folders.iter().flat_map(|it| files(it.as_ref()).unwrap());
    let code = files.filter(|file| file.name != "key");
    assert!(code.map(|file| file.bytes).sum::<u64>() <= 100);
    assert!(site.cache.make_room(701).is_err());
}
