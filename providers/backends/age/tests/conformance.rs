//! The suite over a file, from wherever its provider can be called; and what becomes of files.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, sync::Arc};

use age::{secrecy::ExposeSecret as _, x25519::Identity};
use tempfile::TempDir;
use wrt_age::{Age, AgeOptions, ConnectError};
use wrt_contract::CallContext;
use wrt_protocol::Execution;
use wrt_runtime::Backend as _;
use wrt_test_kit::everywhere;
use wrt_vault::{
    LockerName, SecretName, SecretValue, Vault as _, VaultError, VaultInterface, conformance,
};

const FILE: &str = "secrets.age";

fn options(folder: &TempDir, identity: &Identity, create: bool) -> AgeOptions {
    AgeOptions {
        file: folder.path().join(FILE).display().to_string(),
        identity: identity.to_string().expose_secret().to_owned().into(),
        create,
    }
}

async fn open(folder: &TempDir, identity: &Identity, create: bool) -> Result<Age, ConnectError> {
    Age::connect_with(options(folder, identity, create)).await
}

fn names() -> (LockerName, SecretName) {
    let (locker, name) = (LockerName::new("shop"), SecretName::new("password"));
    (locker.expect("legal"), name.expect("legal"))
}

fn hush() -> SecretValue {
    SecretValue::new(b"hush".to_vec()).expect("short enough")
}

async fn set(vault: &Age) -> Result<(), VaultError> {
    let (context, (locker, name)) = (CallContext::default(), names());
    let set = vault.set(&context, &locker, &name, hush());
    set.await.map(drop)
}

async fn get(vault: &Age) -> Result<Option<SecretValue>, VaultError> {
    let (context, (locker, name)) = (CallContext::default(), names());
    let got = vault.get(&context, &locker, &name, None);
    Ok(got.await?.map(|secret| secret.value))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_conforms() {
    let folder = TempDir::new().unwrap();
    let vault = open(&folder, &Identity::generate(), true).await.unwrap();
    everywhere::<VaultInterface>(Arc::new(vault), conformance::run).await;
}

#[tokio::test]
async fn what_was_set_is_there_after_a_restart_and_for_whoever_has_the_key() {
    let (folder, identity) = (TempDir::new().unwrap(), Identity::generate());
    set(&open(&folder, &identity, true).await.unwrap())
        .await
        .unwrap();
    let path = folder.path().join(FILE);
    let bytes = fs::read(&path).unwrap();
    assert!(
        !contains(&bytes, b"hush") && !contains(&bytes, b"aHVzaA=="),
        "in clear"
    );
    assert!(bytes.starts_with(b"age-encryption.org/v1\n"));
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert!(contains(
        &age::decrypt(&identity, &bytes).unwrap(),
        b"aHVzaA=="
    ));
    let again = open(&folder, &identity, false).await.unwrap();
    assert_eq!(get(&again).await, Ok(Some(hush())));
    let left: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|it| it.unwrap().file_name())
        .collect();
    assert_eq!(left.len(), 2, "the file and its lock: {left:?}");
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[tokio::test]
async fn a_missing_file_is_no_empty_vault() {
    let (folder, identity) = (TempDir::new().unwrap(), Identity::generate());
    let missing = open(&folder, &identity, false).await.unwrap_err();
    assert!(
        matches!(&missing, ConnectError::Missing { .. }),
        "{missing}"
    );
    assert!(missing.to_string().contains("`create`"), "{missing}");
    let vault = open(&folder, &identity, true).await.unwrap();
    set(&vault).await.unwrap();
    let (path, away) = (folder.path().join(FILE), folder.path().join("away"));
    fs::rename(&path, &away).unwrap();
    for lost in [set(&vault).await, get(&vault).await.map(drop)] {
        let Err(VaultError::Fault(fault)) = lost else {
            panic!("{lost:?}");
        };
        assert_eq!(fault.execution(), Execution::NotExecuted, "{fault}");
    }
    assert!(!path.exists(), "nothing was begun anew");
    assert!(vault.probe(&CallContext::default()).await.is_err());
    fs::rename(&away, &path).unwrap();
    assert_eq!(get(&vault).await, Ok(Some(hush())));
}

#[tokio::test]
async fn what_is_no_vault_of_the_key_is_refused_and_left_as_it_is() {
    let (folder, identity) = (TempDir::new().unwrap(), Identity::generate());
    let path = folder.path().join(FILE);
    let encrypt = |text: &[u8]| age::encrypt(&identity.to_public(), text).unwrap();
    let of_another = age::encrypt(&Identity::generate().to_public(), b"{}").unwrap();
    let mut cut = encrypt(b"{\"id\":1,\"last_number\":0,\"lockers\":{}}");
    cut.pop();
    for (bytes, reason) in [
        (of_another, "no age file that the identity opens"),
        (cut, "no age file that the identity opens"),
        (Vec::new(), "no age file that the identity opens"),
        (
            b"\xff\xfe\0".to_vec(),
            "no age file that the identity opens",
        ),
        (encrypt(b"{}"), "holds no vault: line 1"),
        (encrypt(b"hush"), "holds no vault: line 1"),
    ] {
        fs::write(&path, &bytes).unwrap();
        let error = open(&folder, &identity, true)
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(reason) && !error.contains("hush"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}

#[tokio::test]
async fn a_key_that_is_none_is_refused_and_not_quoted() {
    let folder = TempDir::new().unwrap();
    let mut options = options(&folder, &Identity::generate(), true);
    options.identity = "AGE-SECRET-KEY-1HUSH".into();
    let error = Age::check(&options).unwrap_err().to_string();
    assert!(
        error.contains("age-keygen") && !error.contains("HUSH"),
        "{error}"
    );
    assert!(!format!("{options:?}").contains("HUSH"));
}

/// Two processes on one machine that use one file, as two providers of one do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_two_vaults_of_one_file_are_all_there() {
    let (folder, identity) = (TempDir::new().unwrap(), Identity::generate());
    let first = Arc::new(open(&folder, &identity, true).await.unwrap());
    let second = Arc::new(open(&folder, &identity, false).await.unwrap());
    let locker = LockerName::new("shop").unwrap();
    let mut changes = tokio::task::JoinSet::new();
    for number in 0..20 {
        let vault = Arc::clone(if number % 2 == 0 { &first } else { &second });
        let (locker, name) = (
            locker.clone(),
            SecretName::new(&format!("n-{number}")).unwrap(),
        );
        changes.spawn(async move {
            let context = CallContext::default();
            vault.set(&context, &locker, &name, hush()).await.unwrap()
        });
    }
    changes.join_all().await;
    let page = first
        .list(&CallContext::default(), &locker, None)
        .await
        .unwrap();
    assert_eq!(page.names.len(), 20);
}

/// A process that was stopped while it held the lock.
#[tokio::test(start_paused = true)]
async fn a_lock_that_is_never_let_go_ends_the_call_and_changes_nothing() {
    let (folder, identity) = (TempDir::new().unwrap(), Identity::generate());
    let vault = open(&folder, &identity, true).await.unwrap();
    let lock = folder.path().join(format!("{FILE}.lock"));
    let held = fs::File::open(Path::new(&lock)).unwrap();
    held.lock().unwrap();
    let Err(VaultError::Fault(fault)) = set(&vault).await else {
        panic!("it was set");
    };
    assert_eq!(fault.execution(), Execution::NotExecuted, "{fault}");
    drop(held);
    set(&vault).await.unwrap();
}
