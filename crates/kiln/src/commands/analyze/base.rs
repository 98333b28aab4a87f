//! What an image is built on: because a person says so, because the image does, or because an image of the
//! store has the same lower layers.

use kiln_analyze::{Base, BaseSource, Subject};
use kiln_oci::{Digest, Image, ImageConfig, Raw, Reference};
use kiln_store::Store;

use crate::transfer::look::Places;
use crate::ui::report::Report;

/// Where BuildKit, buildah and crane write the base's name (OCI image specification, "annotations.md").
const BASE_NAME: &str = "org.opencontainers.image.base.name";

/// Finds it.
///
/// # Errors
/// If `told` is not there, or not what the image is built on.
pub(super) fn find(
    places: &Places<'_>,
    subject: &Subject,
    told: Option<&str>,
) -> Result<Option<Base>, Report> {
    let own = &subject.image.config.rootfs.diff_ids;
    if let Some(name) = told {
        let platform = &subject.image.config.platform;
        let base = places.image(name, Some(platform))?;
        return told_base(name, &base, own).map(Some);
    }
    if let Some(base) = named_base(&places.store, subject) {
        return Ok(Some(base));
    }
    Ok(longest_in_store(&places.store, own))
}

fn told_base(name: &str, base: &Image, own: &[Digest]) -> Result<Base, Report> {
    let layers = &base.config.rootfs.diff_ids;
    let pairs = layers.iter().zip(own).take_while(|(base, own)| base == own);
    let same = pairs.count();
    if same < layers.len() {
        return Err(Report::new(format!(
            "the image is not built on {name}: of the {} layers of that, it has {same}",
            layers.len()
        ))
        .hint("was the base updated since? `kiln diff` says what differs"));
    }
    Ok(Base {
        name: name.to_owned(),
        layers: same,
        known_by: BaseSource::Told,
    })
}

/// The base that the image names, if the store has it as it was then.
fn named_base(store: &Store, subject: &Subject) -> Option<Base> {
    let manifest = &subject.image.manifest.annotations;
    let labels = &subject.image.config.config.labels;
    let name = manifest.get(BASE_NAME).or_else(|| labels.get(BASE_NAME))?;
    let reference: Reference = name.parse().ok()?;
    let found = configs(store)
        .into_iter()
        .filter(|(known, _)| *known == reference);
    let own = &subject.image.config.rootfs.diff_ids;
    let layers = found.filter_map(|(_, config)| prefix(&config, own)).max()?;
    Some(Base {
        name: reference.familiar(),
        layers,
        known_by: BaseSource::Annotation,
    })
}

fn longest_in_store(store: &Store, own: &[Digest]) -> Option<Base> {
    let fitting = configs(store)
        .into_iter()
        .filter_map(|(reference, config)| Some((prefix(&config, own)?, reference.familiar())));
    // Of several names the first is taken, so that it is the same one each time.
    let (layers, name) = fitting.max_by(|a, b| a.0.cmp(&b.0).then_with(|| b.1.cmp(&a.1)))?;
    Some(Base {
        name,
        layers,
        known_by: BaseSource::Store,
    })
}

/// How many layers the image of `config` has, if they are a part of `own` from below, and not all.
fn prefix(config: &ImageConfig, own: &[Digest]) -> Option<usize> {
    let layers = &config.rootfs.diff_ids;
    let is_part = !layers.is_empty() && layers.len() < own.len() && own.starts_with(layers);
    is_part.then_some(layers.len())
}

/// The configs of all images with a name. What cannot be read is none of this command's business.
fn configs(store: &Store) -> Vec<(Reference, Raw<ImageConfig>)> {
    let mut configs = vec![];
    for known in store.references().unwrap_or_default() {
        for manifest in store.manifests_of(&known.descriptor).unwrap_or_default() {
            let config = store
                .read_document(&manifest.digest)
                .ok()
                .and_then(|bytes| Raw::<kiln_oci::Manifest>::parse(bytes).ok())
                .and_then(|manifest| store.read_document(&manifest.config.digest).ok())
                .and_then(|bytes| Raw::<ImageConfig>::parse(bytes).ok());
            configs.extend(config.map(|config| (known.reference.clone(), config)));
        }
    }
    configs
}
