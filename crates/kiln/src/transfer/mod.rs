//! Images on their way from one place to another.

pub(crate) mod end;
pub(crate) mod look;
pub(crate) mod moving;
pub(crate) mod partial;
pub(crate) mod place;
pub(crate) mod pull;
pub(crate) mod push;
pub(crate) mod source;

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use kiln_oci::{Descriptor, Digest};
use kiln_remote::{
    ContentSource, ContentTarget, RemoteError, TransferError, TransferEvent, TransferOptions,
    Transferred, Uploaded,
};

use self::moving::{Moving, Transfers};
use crate::ui::report::Report;

/// What comes along with an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Along {
    /// Nothing.
    Nothing,
    /// What refers to it, and signatures under tags beside it.
    Referrers,
}

/// Moves `root` and all that it names, and shows it. A `tag` is set at the end.
///
/// # Errors
/// The first thing that went wrong, with advice.
pub(crate) fn transfer(
    source: &dyn ContentSource,
    target: &dyn ContentTarget,
    root: &Descriptor,
    tag: Option<&str>,
    along: Along,
    transfers: &Transfers<'_>,
    cancelled: &Arc<AtomicBool>,
) -> Result<Transferred, Report> {
    let moving: Mutex<HashMap<Digest, Moving<'_>>> = Mutex::default();
    let show = |event: TransferEvent<'_>| {
        let mut moving = moving.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            TransferEvent::Started { blob } => {
                moving.insert(blob.digest, transfers.begin(blob));
            }
            TransferEvent::Moved { blob, bytes } => {
                if let Some(moving) = moving.get(&blob.digest) {
                    moving.progress(bytes);
                }
            }
            TransferEvent::Done { blob, how } => {
                if let Some(moving) = moving.remove(&blob.digest) {
                    match how {
                        Uploaded::Sent => moving.arrived(),
                        Uploaded::Existed | Uploaded::Mounted => moving.existed(),
                    }
                }
            }
            TransferEvent::LeftOut { blob } => transfers.warn(&format!(
                "{} may not be distributed and is left out",
                blob.digest
            )),
            _ => {}
        }
    };
    let options = TransferOptions {
        tag: tag.map(str::to_owned),
        referrers: along == Along::Referrers,
        companions: along == Along::Referrers,
        cancelled: Arc::clone(cancelled),
        on_event: Some(&show),
        ..TransferOptions::default()
    };
    kiln_remote::transfer(source, target, root, &options).map_err(failed)
}

/// A failure, with the registry's advice if one is among the causes.
fn failed(error: TransferError) -> Report {
    let hint = {
        let mut next = std::error::Error::source(&error);
        let mut hint = None;
        while let Some(cause) = next {
            if let Some(RemoteError::Cancelled) = cause.downcast_ref() {
                return Report::interrupted();
            }
            hint = hint.or(cause.downcast_ref().and_then(RemoteError::hint));
            next = cause.source();
        }
        hint
    };
    match error {
        TransferError::Cancelled => Report::interrupted(),
        error => hint.into_iter().fold(Report::from(error), Report::hint),
    }
}
