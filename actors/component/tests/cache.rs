//! Compiled code on disk and as artefacts.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "component/guest.rs"]
mod guest;
#[path = "component/world.rs"]
mod world;

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
};

use wrt_component::{
    CacheError, ComponentActor, ComponentError, ComponentSpec, EngineOptions, Engines,
    artefact::ArtefactError,
};

fn engines(folder: &Path) -> Result<Engines, ComponentError> {
    let cache_folder = Some(folder.to_owned());
    Engines::new(EngineOptions {
        instances_max: 16,
        cache_folder,
        ..EngineOptions::default()
    })
}

fn kept(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    paths.filter(|path| !path.ends_with("key")).collect()
}

async fn assert_adds(engines: &Engines) {
    let spec = world::spec(engines, guest::calculator()).await;
    let actor = ComponentActor::new(spec, &[]).unwrap();
    assert_eq!(
        world::call::<(u32, u32), (u32,)>(&actor, "add", (2, 3))
            .await
            .unwrap(),
        (5,)
    );
}

#[tokio::test]
async fn what_was_compiled_is_not_compiled_again_by_the_next_process() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("not/there/yet");
    let first = engines(&folder).unwrap();
    assert_adds(&first).await;
    assert_adds(&first).await;
    assert_eq!(first.compilations(), 1);
    let second = engines(&folder).unwrap();
    assert_adds(&second).await;
    assert_eq!(second.compilations(), 0);
    assert_eq!(kept(&folder).len(), 1);
    for path in kept(&folder).iter().chain([&folder.join("key")]) {
        assert_eq!(
            fs::metadata(path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
    assert_eq!(
        fs::metadata(&folder).unwrap().permissions().mode() & 0o777,
        0o700
    );
}

#[tokio::test]
async fn callers_at_the_same_time_share_one_compile_job() {
    let folder = tempfile::tempdir().unwrap();
    let engines = engines(&folder.path().join("cache")).unwrap();
    let jobs = (0..8).map(|_| engines.compile(guest::spinner().into()));
    for compiled in futures::future::join_all(jobs).await {
        compiled.unwrap();
    }
    assert_eq!(engines.compilations(), 1);
}

#[tokio::test]
async fn a_file_that_this_node_did_not_write_is_never_run() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("cache");
    assert_adds(&engines(&folder).unwrap()).await;
    let file = kept(&folder).remove(0);
    let sound = fs::read(&file).unwrap();
    let other_key = {
        let other = folder.with_file_name("other");
        assert_adds(&engines(&other).unwrap()).await;
        fs::read(kept(&other).remove(0)).unwrap()
    };
    let mut altered = sound.clone();
    *altered.last_mut().unwrap() ^= 1;
    let mut altered_tag = sound.clone();
    altered_tag[0] ^= 1;
    let cases = [
        altered,
        altered_tag,
        sound[..1000].to_vec(),
        Vec::new(),
        other_key,
    ];
    for (number, bytes) in cases.into_iter().enumerate() {
        fs::write(&file, bytes).unwrap();
        let engines = engines(&folder).unwrap();
        assert_adds(&engines).await;
        assert_eq!(engines.compilations(), 1, "case {number}");
        assert_eq!(
            fs::read(&file).unwrap().len(),
            sound.len(),
            "case {number}: it is kept anew"
        );
    }
}

#[tokio::test]
async fn a_folder_that_others_can_write_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let open = folder.path().join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o770)).unwrap();
    let error = engines(&open).unwrap_err();
    let ComponentError::Cache(error @ CacheError::NotPrivate { .. }) = error else {
        panic!("{error:?}");
    };
    assert!(error.to_string().contains("chmod 700"), "{error}");

    let private = folder.path().join("private");
    engines(&private).unwrap();
    let link = folder.path().join("link");
    symlink(&private, &link).unwrap();
    let error = engines(&link).unwrap_err();
    assert!(
        matches!(error, ComponentError::Cache(CacheError::NotAFolder { .. })),
        "{error:?}"
    );
}

#[tokio::test]
async fn an_artefact_runs_where_it_was_made_for_and_says_why_it_does_not_elsewhere() {
    let engines = world::engines();
    let artefact = engines
        .compile_artefact(guest::calculator().into())
        .await
        .unwrap();
    let compiled = engines.load_artefact(&artefact).unwrap();
    let spec = ComponentSpec {
        compiled,
        ..world::spec(&engines, guest::hog()).await
    };
    let actor = ComponentActor::new(spec, &[]).unwrap();
    assert_eq!(
        world::call::<(u32, u32), (u32,)>(&actor, "add", (2, 3))
            .await
            .unwrap(),
        (5,)
    );

    let ours = env!("CARGO_PKG_VERSION");
    let at = artefact
        .windows(ours.len())
        .position(|bytes| bytes == ours.as_bytes())
        .unwrap();
    let mut other_version = artefact.clone();
    other_version[at..at + ours.len()].copy_from_slice("9".repeat(ours.len()).as_bytes());
    let error = engines.load_artefact(&other_version).unwrap_err();
    let ArtefactError::OtherVersion { .. } = &error else {
        panic!("{error:?}")
    };
    let expected = format!("was made by wrt 99999 and this is wrt {ours}: compile it again");
    assert!(error.to_string().contains(&expected), "{error}");

    // The settings' digest lies behind version, target and engine.
    let target = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS);
    let settings = at + ours.len() + 1 + target.len() + 1;
    let mut other_settings = artefact.clone();
    other_settings[settings] ^= 1;
    let error = engines.load_artefact(&other_settings).unwrap_err();
    assert!(
        matches!(error, ArtefactError::OtherSettings { .. }),
        "{error:?}"
    );

    let mut altered = artefact.clone();
    *altered.last_mut().unwrap() ^= 1;
    let error = engines.load_artefact(&altered).unwrap_err();
    assert!(matches!(error, ArtefactError::Damaged), "{error:?}");
    let error = engines
        .load_artefact(&artefact[..artefact.len() - 1])
        .unwrap_err();
    assert!(matches!(error, ArtefactError::Length { .. }), "{error:?}");
    let error = engines.load_artefact(&artefact[..20]).unwrap_err();
    assert!(matches!(error, ArtefactError::Header), "{error:?}");
    let error = engines.load_artefact(&guest::calculator()).unwrap_err();
    assert!(matches!(error, ArtefactError::NotAnArtefact), "{error:?}");

    let error = engines
        .compile(artefact.into())
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("it is an artefact"), "{error}");
}
