//! Where the dead letters of a component are asked for.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use wrt_contract::CallContext;
use wrt_protocol::{ActorAddress, Name};
use wrt_runtime::{
    DeadLetter, DeadLetterError, DeadLetters, DeadLettersInterface, OpenedLetter, Runtime,
};

use super::{ANSWER_WITHIN, Deed};
use crate::{
    cli::{
        args::WhoseArgs,
        exit::Failure,
        whereabouts::{self, Whereabouts},
    },
    lattice::Lattice,
};

/// The replicas that keep dead letters of a component.
pub struct Desk<'a> {
    component: &'a str,
    places: Vec<Place>,
}

/// A replica of a provider.
struct Place {
    provider: Name,
    letters: Arc<dyn DeadLetters>,
}

/// A letter, and whose it is.
pub struct Found {
    /// Who keeps it.
    pub provider: Name,
    /// What is said of it.
    pub letter: DeadLetter,
}

impl<'a> Desk<'a> {
    /// The replicas of all providers that call the component and keep what they give up.
    pub async fn of(
        runtime: &Runtime,
        lattice: &Lattice,
        whose: &'a WhoseArgs,
    ) -> Result<Self, Failure> {
        let name = |text: &str| Name::new(text).map_err(|error| Failure::usage(error.to_string()));
        let (app, component) = (name(&whose.app)?, name(&whose.component)?);
        let deployed = whereabouts::deployed(lattice, &app).await?;
        let mut providers =
            whereabouts::who_offers::<DeadLettersInterface>(runtime, &deployed, &component);
        if let Some(only) = &whose.provider {
            providers.retain(|provider| provider.as_str() == only);
        }
        if providers.is_empty() {
            return Err(Failure::failed(anyhow::anyhow!(
                "no provider of {app} keeps dead letters of a component {component}"
            )));
        }
        let whereabouts = Whereabouts::of(lattice).await?;
        let mut places = Vec::new();
        for provider in &providers {
            let actor = ActorAddress::provider(app.clone(), provider.clone());
            let replicas = whereabouts.replicas(&actor).into_iter();
            places.extend(replicas.map(|node| Place {
                provider: provider.clone(),
                letters: lattice.client::<DeadLettersInterface>(node, actor.clone()),
            }));
            if !places.iter().any(|place| place.provider == *provider) {
                return Err(Failure::failed(anyhow::anyhow!(
                    "no node runs the provider {provider} of {app} now, which keeps the dead letters"
                )));
            }
        }
        Ok(Self {
            component: &whose.component,
            places,
        })
    }

    /// The letters, at most so many, and whether there are more. Replicas that share theirs tell each once.
    pub async fn list(&self, most: usize) -> Result<(Vec<Found>, bool), Failure> {
        let (mut letters, mut known) = (Vec::new(), BTreeSet::new());
        for place in &self.places {
            let mut after = None;
            loop {
                let context = CallContext::with_budget(ANSWER_WITHIN);
                let page = place.letters.list(&context, self.component, after);
                let page = page.await?;
                for letter in page.letters {
                    if !known.insert((place.provider.clone(), letter.id.clone())) {
                        continue;
                    }
                    if letters.len() == most {
                        return Ok((letters, true));
                    }
                    letters.push(Found {
                        provider: place.provider.clone(),
                        letter,
                    });
                }
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        Ok((letters, false))
    }

    /// The ids of all of them.
    pub async fn all(&self) -> Result<Vec<String>, Failure> {
        let (letters, _more) = self.list(usize::MAX).await?;
        Ok(letters.into_iter().map(|found| found.letter.id).collect())
    }

    /// One letter with its content.
    pub async fn open(&self, id: &str) -> Result<(Found, OpenedLetter), Failure> {
        let (place, opened) = self.find(id).await?;
        let found = Found {
            provider: place.provider.clone(),
            letter: opened.letter.clone(),
        };
        Ok((found, opened))
    }

    /// Replays or drops a letter, where it is.
    pub async fn deal_with(
        &self,
        id: &str,
        deed: Deed,
        patience: Duration,
    ) -> Result<(), DeadLetterError> {
        let (place, _opened) = self.find(id).await?;
        let context = CallContext::with_budget(patience).for_operation();
        match deed {
            Deed::Replay => place.letters.replay(&context, self.component, id).await,
            Deed::Drop => place.letters.discard(&context, self.component, id).await,
        }
    }

    /// Who has a letter. One name at two providers is no letter's name.
    async fn find(&self, id: &str) -> Result<(&Place, OpenedLetter), DeadLetterError> {
        let mut found: Option<(&Place, OpenedLetter)> = None;
        for place in &self.places {
            let context = CallContext::with_budget(ANSWER_WITHIN);
            match place.letters.open(&context, self.component, id).await {
                Ok(opened) => match &found {
                    Some((first, _)) if first.provider != place.provider => {
                        return Err(DeadLetterError::Service(format!(
                            "{} and {} both have a letter {id}: say which with --provider",
                            first.provider, place.provider
                        )));
                    }
                    Some(_shared) => {}
                    None => found = Some((place, opened)),
                },
                Err(DeadLetterError::NoSuchLetter(_)) => {}
                Err(error) => return Err(error),
            }
        }
        found.ok_or_else(|| DeadLetterError::NoSuchLetter(id.to_owned()))
    }
}
