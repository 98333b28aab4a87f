//! From a Dockerfile to an image: plan, cache keys, execution.
//!
//! [`build()`] takes a parsed Dockerfile, what it needs ([`BuildContext`]) and how it is wanted
//! ([`BuildOptions`]), and leaves an image in the store. The way through the crate:
//!
//! - `build` starts a thread for each stage, `stage` does the instructions of one;
//! - `copy` chooses and places files for COPY and ADD, on trees of entries from `files`, `context` and `add`;
//! - `stage::run` runs a process through kiln-run and takes its changes as a layer;
//! - `remote` fetches contexts, downloads and repositories from the web;
//! - `agent` is the ssh agent of RUN steps;
//! - `key` makes the keys under which results are found again;
//! - `output` writes the image's documents.
//!
//! Nothing here prints, and nothing is unpacked before a RUN needs it.

mod add;
mod agent;
mod bases;
mod build;
mod cancel;
mod context;
mod copy;
mod devices;
mod error;
mod event;
mod files;
mod in_flight;
mod key;
mod options;
mod output;
mod remote;
mod slots;
mod stage;
mod state;
mod time;

pub use agent::{KeyError, SshAgent, SshKey};
pub use build::{Built, build};
pub use cancel::Cancel;
pub use copy::{AttributeError, PlaceError, SelectError};
pub use devices::{AllowedDevices, DeviceError, DeviceOptions};
pub use error::{BuildError, StepError};
pub use event::{Event, Observer, Silent, StepId};
pub use files::ReadError;
pub use options::{
    BaseResolver, BuildContext, BuildOptions, CacheUse, ContextSource, Entitlement, Reproducible,
    StepCache,
};
pub use output::BuiltImage;
pub use remote::{Fetcher, RemoteContext, Repository, WebFile};
pub use stage::Kept;
pub use state::Made;
