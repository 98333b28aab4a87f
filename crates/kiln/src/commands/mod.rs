//! One file for each verb. A verb's stem names its arguments, its function, its file and its test.

pub(crate) mod admin;
pub(crate) mod analyze;
pub(crate) mod assemble;
pub(crate) mod attest;
pub(crate) mod build;
pub(crate) mod completions;
pub(crate) mod copy;
pub(crate) mod df;
pub(crate) mod diff;
pub(crate) mod doctor;
pub(crate) mod explore;
pub(crate) mod export;
pub(crate) mod flatten;
pub(crate) mod fmt;
pub(crate) mod history;
pub(crate) mod images;
pub(crate) mod import;
pub(crate) mod inspect;
pub(crate) mod key;
pub(crate) mod lint;
pub(crate) mod load;
pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod prune;
pub(crate) mod pull;
pub(crate) mod push;
pub(crate) mod rebase;
pub(crate) mod recompress;
pub(crate) mod rmi;
pub(crate) mod run;
pub(crate) mod save;
pub(crate) mod scrub;
pub(crate) mod serve;
pub(crate) mod sign;
pub(crate) mod slim;
pub(crate) mod squash;
pub(crate) mod tag;
pub(crate) mod tags;
pub(crate) mod trace;
pub(crate) mod trim;
pub(crate) mod verify;

use kiln_oci::{Image, Platform, Reference, Source as _};
use kiln_sandbox::UserNamespace;
use kiln_store::{Store, StoreOptions};

use crate::configuration::Configuration;
use crate::environment::Environment;
use crate::ui::report::Report;

/// What every command gets.
pub(crate) struct Context {
    /// What the surroundings say.
    pub(crate) environment: Environment,
    /// What the configuration files say.
    pub(crate) configuration: Configuration,
    /// The user namespace that was entered, if one was.
    pub(crate) namespace: Option<UserNamespace>,
}

impl Context {
    /// Opens the store, making it if it is not there yet.
    pub(crate) fn store(&self) -> Result<Store, Report> {
        let options = StoreOptions {
            user_namespace: self.namespace.is_some(),
            ..StoreOptions::default()
        };
        Ok(Store::open(&self.environment.home, &options)?)
    }
}

/// The image that a person means by `name`: a reference, or the beginning of an image's id.
pub(crate) fn find_image(store: &Store, name: &str, platform: &Platform) -> Result<Image, Report> {
    if let Some(image) = store.image_by_id(name)? {
        return Ok(image);
    }
    let reference: Reference = name.parse()?;
    store.image(&reference, platform).map_err(|error| {
        let report = Report::from(error);
        match similar(store, &reference) {
            Some(name) => report.hint(format!("did you mean `{name}`?")),
            None => report.hint("`kiln images` lists what is there"),
        }
    })
}

fn similar(store: &Store, wanted: &Reference) -> Option<String> {
    let known = store.references().ok()?;
    let names: Vec<String> = known
        .iter()
        .map(|known| known.reference.familiar())
        .collect();
    let wanted = wanted.familiar();
    kiln_dockerfile::suggest::nearest(&wanted, names.iter().map(String::as_str)).map(str::to_owned)
}

/// `--platform`, or what this machine is.
pub(crate) fn platform(wanted: Option<&str>) -> Result<Platform, Report> {
    match wanted {
        Some(text) => Ok(text.parse()?),
        None => Ok(Platform::host()),
    }
}
