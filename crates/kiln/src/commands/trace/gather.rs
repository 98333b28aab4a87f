//! What there is to know of an image: its layers, what the policy says, what trusted signers say.

use std::path::Path;

use kiln_oci::{Digest, Document, Image, Platform, Reference, Source as _};
use kiln_remote::Remote;
use kiln_store::{archive, layout};
use kiln_trust::Time;
use kiln_trust::trace::{Catalog, Fact, Known};
use kiln_trust::verify::{Limits, Question, Verdict, everything, resolve, verify};
use serde::{Deserialize, Serialize};

use crate::commands::Context;
use crate::transfer::end::{choose, remote_image};
use crate::transfer::place::Place;
use crate::trust::{Access, Trust};
use crate::ui::report::Report;

pub(super) struct Gather<'a> {
    pub(super) context: &'a Context,
    pub(super) remote: &'a Remote,
    pub(super) trust: &'a Trust,
    pub(super) now: Time,
    pub(super) platform: &'a Platform,
}

impl Gather<'_> {
    /// The image that `name` stands for.
    pub(super) fn image(&self, name: &str) -> Result<Known, Report> {
        let place = Place::parse(name, &self.context.environment)?;
        let image = match place {
            Place::Registry(reference) => return self.on_registry(&reference),
            Place::Store(reference) => self.context.store()?.image(&reference, self.platform)?,
            Place::Layout(spot) | Place::OciArchive(spot) => {
                let layout = layout::open_into(&spot.path, &self.context.store()?)?;
                layout.find(spot.wanted.as_deref(), self.platform)?
            }
            Place::DockerArchive(spot) => {
                let archive = archive::open_docker_into(&spot.path, &self.context.store()?)?;
                archive.find(spot.wanted.as_deref(), self.platform)?
            }
            Place::Daemon(_) => {
                return Err(Report::new("an image of the docker daemon has no signatures")
                    .hint("name it on its registry, or `docker save` it and name docker-archive://FILE"));
            }
        };
        let why = Some("its signatures lie on a registry, and it was named elsewhere".to_owned());
        Ok(known(
            name,
            image.manifest.digest(),
            &image,
            false,
            why,
            vec![],
        ))
    }

    fn on_registry(&self, reference: &Reference) -> Result<Known, Report> {
        let repository = self.remote.repository(reference);
        let access = Access(repository.clone());
        // Once, and from here on by digest.
        let (root, bytes) = resolve(&access, reference)?;
        let name = format!("{}/{}", reference.registry(), reference.repository());
        let pinned: Reference = format!("{name}@{}", root.digest).parse()?;
        let question = Question {
            reference,
            policy: &self.trust.policy,
            revocations: self.trust.revocations.as_ref(),
            now: self.now,
            limits: Limits::default(),
        };
        let at_digest = Question {
            reference: &pinned,
            ..question.clone()
        };
        let (allowed, why) = match verify(&access, &at_digest) {
            Ok(verdict) => (verdict.is_allowed(), reason(&verdict)),
            Err(error) => (false, Some(Report::from_ref(&error).message())),
        };
        let mut facts = facts(&access, &at_digest, &root.digest)?;
        let image = remote_image(&repository, &pinned, self.platform)?;
        // What was said of the index was said of the images in it; more may have been said of this one.
        if let Document::Index(index) = Document::parse(&bytes)? {
            let child = choose(&index, reference, self.platform)?;
            facts.extend(self::facts(&access, &at_digest, &child.digest)?);
        }
        let shown = match reference.tag() {
            Some(tag) => format!("{name}:{tag}"),
            None => name,
        };
        Ok(known(&shown, root.digest, &image, allowed, why, facts))
    }
}

fn facts(access: &Access, question: &Question<'_>, digest: &Digest) -> Result<Vec<Fact>, Report> {
    let (evidence, _) = everything(access, question, digest)?;
    Ok(evidence.iter().map(Fact::from).collect())
}

/// What is missing, in one line.
fn reason(verdict: &Verdict) -> Option<String> {
    let decision = verdict
        .decisions
        .iter()
        .find(|decision| !decision.is_allowed())?;
    if let Some(revoked) = &decision.revoked {
        return Some(revoked.to_string());
    }
    let missing = decision.requirements.iter().filter(|met| !met.is_enough());
    let missing: Vec<String> = missing
        .map(|met| format!("{} is missing", met.requirement.describe()))
        .collect();
    Some(missing.join("; "))
}

fn known(
    name: &str,
    digest: Digest,
    image: &Image,
    allowed: bool,
    why: Option<String>,
    facts: Vec<Fact>,
) -> Known {
    Known {
        name: name.to_owned(),
        digest,
        diff_ids: image.config.rootfs.diff_ids.clone(),
        allowed,
        why,
        facts,
    }
}

/// The file of a catalog. Schema 1.
#[derive(Serialize, Deserialize)]
struct File {
    schema: u32,
    images: Vec<Known>,
}

/// Reads a catalog; one that is not there is empty.
pub(super) fn read_catalog(context: &Context, path: Option<&Path>) -> Result<Catalog, Report> {
    let mut catalog = Catalog::default();
    let Some(path) = path.map(|path| context.environment.absolute(path)) else {
        return Ok(catalog);
    };
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(catalog),
        Err(error) => {
            return Err(Report::new(format!(
                "cannot read `{}`: {error}",
                path.display()
            )));
        }
    };
    let file: File = serde_json::from_slice(&bytes)
        .map_err(|error| Report::new(format!("`{}` is no catalog: {error}", path.display())))?;
    if file.schema != 1 {
        return Err(Report::new(format!(
            "`{}` has schema {}; this kiln reads 1",
            path.display(),
            file.schema
        )));
    }
    file.images.into_iter().for_each(|image| catalog.add(image));
    Ok(catalog)
}

/// Writes a catalog, whole or not at all.
pub(super) fn write_catalog(
    context: &Context,
    path: &Path,
    catalog: &Catalog,
) -> Result<(), Report> {
    let path = context.environment.absolute(path);
    let fresh = path.with_extension("new");
    let file = File {
        schema: 1,
        images: catalog.images().to_vec(),
    };
    let written = std::fs::write(&fresh, serde_json::to_vec_pretty(&file)?);
    written
        .and_then(|()| std::fs::rename(&fresh, &path))
        .map_err(|error| Report::new(format!("cannot write `{}`: {error}", path.display())))
}
