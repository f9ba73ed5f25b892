//! `wrt rollback`

use wrt_deployment::{DesiredApp, PastApp, Revision};
use wrt_protocol::{Name, subject::Role};

use super::{
    args::{LatticeArgs, RollbackArgs},
    consent::Consent,
    deploy::{Deployment, deploy},
    exit::Failure,
    history::past,
    output::Output,
};

pub async fn rollback(
    lattice: &LatticeArgs,
    arguments: RollbackArgs,
    output: Output,
) -> Result<(), Failure> {
    let name = Name::new(&arguments.app).map_err(|error| Failure::usage(error.to_string()))?;
    let lattice = lattice.connect(Role::Operator).await?;
    let past = past(&lattice, &name).await?;
    let (to, app) = chosen(&name, &past, arguments.to.map(Revision))?;
    let Some(store) = lattice.store().await? else {
        return Err(Failure::failed(anyhow::anyhow!(
            "lattice {} has no desired state any more",
            lattice.name()
        )));
    };
    let missing = store.missing_code(&app).await?;
    if let Some(digest) = missing.first() {
        return Err(Failure::failed(anyhow::anyhow!(
            "the code of revision {} is not in the store any more ({digest}): deploy it from its manifest",
            to.0
        )));
    }
    let deployed = store.snapshot().await?;
    let others: Vec<&DesiredApp> = deployed.apps.values().map(|stored| &stored.app).collect();
    output.progress(&format!("back to revision {}:", to.0));
    let deployment = Deployment {
        lattice: &lattice,
        store: &store,
        app: &app,
        others: &others,
        cordons: &deployed.cordons,
        consent: Consent::of(arguments.deployment.yes),
        timeout: arguments.deployment.timeout,
        output,
    };
    let done = deploy(&deployment, None).await;
    lattice.close().await;
    let revision = done?;
    let json = serde_json::json!({
        "app": name, "revision": revision.0, "of": to.0, "ready": arguments.deployment.timeout > 0
    });
    let text = format!(
        "{name} is what it was in revision {}, in revision {}",
        to.0, revision.0
    );
    output.result(&text, &json);
    Ok(())
}

/// The revision to go back to: the one that is named, or the last that is another one than what is deployed.
fn chosen(
    name: &Name,
    past: &[PastApp],
    wanted: Option<Revision>,
) -> Result<(Revision, DesiredApp), Failure> {
    let failed = |why: String| Err(Failure::failed(anyhow::anyhow!(why)));
    let Some((deployed, earlier)) = past.split_last() else {
        return failed(format!("no app {name} is deployed"));
    };
    let found = match wanted {
        Some(wanted) => past.iter().find(|it| it.revision == wanted),
        None => earlier.iter().rev().find(|it| it.app != deployed.app),
    };
    let Some(found) = found else {
        let kept: Vec<_> = past.iter().map(|it| it.revision.0.to_string()).collect();
        let kept = kept.join(", ");
        return failed(match wanted {
            Some(Revision(wanted)) => {
                format!("revision {wanted} of {name} is not kept; kept are: {kept}")
            }
            None => format!("nothing is kept that {name} was before (revisions: {kept})"),
        });
    };
    match &found.app {
        Ok(app) => Ok((found.revision, app.clone())),
        Err(reason) => failed(format!(
            "this build cannot read revision {} of {name}: {reason}",
            found.revision.0
        )),
    }
}

#[cfg(test)]
mod tests {
    use wrt_deployment::{DesiredProvider, StoredAt};

    use super::*;

    fn name(name: &str) -> Name {
        Name::new(name).expect("a legal name")
    }

    fn app(backend: &str) -> DesiredApp {
        let mut app = DesiredApp::empty(name("shop"));
        let store = DesiredProvider::new(backend);
        app.providers.insert(name("store"), store);
        app
    }

    fn past(all: &[(u64, Result<&str, &str>)]) -> Vec<PastApp> {
        let one = |(revision, what): &(u64, Result<&str, &str>)| PastApp {
            revision: Revision(*revision),
            stored_at: StoredAt(0),
            app: what.map(app).map_err(str::to_owned),
        };
        all.iter().map(one).collect()
    }

    fn back(past: &[PastApp], to: Option<u64>) -> Result<u64, String> {
        let chosen = chosen(&name("shop"), past, to.map(Revision));
        chosen
            .map(|it| it.0.0)
            .map_err(|failure| failure.error.to_string())
    }

    #[test]
    fn it_is_the_last_that_was_another_one_or_the_one_that_is_named() {
        let all = past(&[(3, Ok("redis")), (5, Ok("nats")), (9, Ok("nats"))]);
        assert_eq!(back(&all, None), Ok(3));
        assert_eq!(back(&all, Some(5)), Ok(5));
        assert_eq!(
            back(&all, Some(4)).unwrap_err(),
            "revision 4 of shop is not kept; kept are: 3, 5, 9"
        );
        let one = past(&[(3, Ok("redis"))]);
        assert_eq!(
            back(&one, None).unwrap_err(),
            "nothing is kept that shop was before (revisions: 3)"
        );
        let unreadable = past(&[(3, Err("stored in form 9")), (4, Ok("redis"))]);
        assert_eq!(
            back(&unreadable, None).unwrap_err(),
            "this build cannot read revision 3 of shop: stored in form 9"
        );
    }
}
