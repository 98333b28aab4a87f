//! Results of steps: found under their keys, made where there are none, remembered for the next build.

use std::sync::Arc;
use std::time::Instant;

use kiln_layer::{LayerIndex, LayerWriter};
use kiln_oci::Digest;
use kiln_store::BlobWriter;

use super::{Shared, Worker};
use crate::error::StepError;
use crate::event::{Event, StepId};
use crate::key::KeyBuilder;
use crate::options::CacheUse;
use crate::state::{Made, State};
use crate::time;

impl Worker<'_, '_> {
    /// Whether results of earlier builds may be used in this stage.
    fn may_use_cache(&self) -> bool {
        match &self.shared.options.cache {
            CacheUse::All => true,
            CacheUse::None => false,
            CacheUse::Except(stages) => !stages
                .iter()
                .any(|name| Some(name.as_str()) == self.stage.name.as_deref()),
        }
    }

    /// The result of a step, if it is at hand under `key`.
    pub(super) fn known(&self, step: StepId, key: &Digest) -> Result<Option<Made>, StepError> {
        let shared = self.shared;
        let _turn = shared.in_flight.enter(*key);
        let made = shared.known_layer(key, self.may_use_cache())?;
        if made.is_some() {
            shared.build.observer.event(&Event::Cached { step });
        }
        Ok(made)
    }

    /// The result of a step: the one at hand under `key`, else a new one. Two stages that come to the same
    /// key at once make it once.
    pub(super) fn cached(
        &self,
        step: StepId,
        key: &Digest,
        make: impl FnOnce() -> Result<Arc<LayerIndex>, StepError>,
    ) -> Result<Made, StepError> {
        let shared = self.shared;
        let start = Instant::now();
        let _turn = shared.in_flight.enter(*key);
        if let Some(made) = shared.known_layer(key, self.may_use_cache())? {
            shared.build.observer.event(&Event::Cached { step });
            return Ok(made);
        }
        let _place = shared.places.take();
        if shared.build.cancel.is_cancelled() {
            return Err(StepError::Cancelled);
        }
        let made = shared.remember_layer(key, &*make()?, self.state.epoch)?;
        shared.build.observer.event(&Event::Finished {
            step,
            elapsed: start.elapsed(),
        });
        Ok(made)
    }
}

/// The cache space that maps step keys to what the steps made.
const STEPS: &str = "step";

impl Shared<'_, '_> {
    /// The layer that an earlier step with this key made, if it is still there. A result of this very build
    /// counts even where earlier ones do not.
    pub(super) fn known_layer(
        &self,
        key: &Digest,
        may_use_cache: bool,
    ) -> Result<Option<Made>, StepError> {
        if !may_use_cache && !self.in_flight.made_here(key) {
            return Ok(None);
        }
        let made = match self.layer_at_hand(key)? {
            Some(made) => Some(made),
            None => self.layer_from_elsewhere(key)?,
        };
        if let Some(made) = made {
            self.in_flight.used(*key, made);
        }
        Ok(made)
    }

    fn layer_at_hand(&self, key: &Digest) -> Result<Option<Made>, StepError> {
        let store = self.build.store;
        let bytes = store.cache_get(STEPS, key)?;
        let Some(made) = bytes.and_then(|bytes| Made::parse(&bytes)) else {
            return Ok(None);
        };
        // Held before it is looked for: a prune that runs beside cannot take it in between.
        self.lease.hold_blob(&made.diff_id)?;
        Ok(store.has_blob(&made.diff_id)?.then_some(made))
    }

    /// A cache that fails costs time, not the build.
    fn layer_from_elsewhere(&self, key: &Digest) -> Result<Option<Made>, StepError> {
        let Some(cache) = self.build.step_cache else {
            return Ok(None);
        };
        let made = match cache.fetch(key, self.lease) {
            Ok(made) => made,
            Err(error) => {
                let message = format!("a result in the cache cannot be used: {error}");
                self.build
                    .observer
                    .event(&Event::Warning { message: &message });
                None
            }
        };
        if let Some(made) = made {
            let text = made.to_text();
            self.build.store.cache_put(STEPS, key, text.as_bytes())?;
        }
        Ok(made)
    }

    pub(super) fn remember_layer(
        &self,
        key: &Digest,
        layer: &LayerIndex,
        epoch: Option<i64>,
    ) -> Result<Made, StepError> {
        let created = epoch.unwrap_or_else(time::now);
        let made = Made {
            diff_id: layer.diff_id,
            size: layer.size,
            created,
        };
        self.in_flight.remember(*key);
        self.in_flight.used(*key, made);
        self.build
            .store
            .cache_put(STEPS, key, made.to_text().as_bytes())?;
        Ok(made)
    }

    /// Writes a new layer.
    pub(super) fn write_layer(
        &self,
        fill: impl FnOnce(&mut LayerWriter<BlobWriter>) -> Result<(), StepError>,
    ) -> Result<Arc<LayerIndex>, StepError> {
        let mut writer = self.build.store.layer_writer(self.lease)?;
        fill(&mut writer)?;
        Ok(self.build.store.commit_layer(self.lease, writer)?)
    }
}

/// The part of every step's key that says where it stands: what lies below, and what time counts as.
pub(super) fn key_on(kind: &str, below: Option<&State>, epoch: Option<i64>) -> KeyBuilder {
    let mut key = KeyBuilder::new(kind);
    match below {
        Some(state) => key.digest(&state.chain_key()),
        None => key.text("on nothing"),
    };
    match epoch {
        Some(epoch) => key.number(1).number(epoch.cast_unsigned()),
        None => key.number(0),
    };
    key
}
