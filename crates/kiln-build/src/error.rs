//! How a build fails.

use kiln_dockerfile::Diagnostic;
use kiln_oci::SourceError;

use crate::copy::{AttributeError, PlaceError, SelectError};
use crate::files::ReadError;

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The Dockerfile is wrong. The diagnostics say where and why.
    #[error("the Dockerfile has errors")]
    Dockerfile(Vec<Diagnostic>),
    /// A step failed.
    #[error("{step} failed")]
    Step {
        /// The step: `[builder 2/5] RUN go build`.
        step: String,
        /// Where the instruction stands.
        span: kiln_dockerfile::Span,
        /// Why it failed.
        #[source]
        source: Box<StepError>,
    },
    /// The store could not be read or written.
    #[error(transparent)]
    Store(#[from] kiln_store::StoreError),
    /// A layer's index could neither be read nor made.
    #[error(transparent)]
    Index(#[from] kiln_store::LayerIndexError),
    /// The image's layers do not fit together.
    #[error("the image's layers do not fit together")]
    Tree(#[from] kiln_layer::TreeError),
    /// Layers could not be made into one.
    #[error("cannot squash the layers")]
    Squash(#[from] kiln_layer::SquashError),
    /// The build context could not be read.
    #[error("cannot read the build context")]
    Context(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Two builds of the same input gave different images.
    #[error("two builds gave different images")]
    NotReproducible,
    /// A thread of the build ended unexpectedly.
    #[error("a worker of the build ended unexpectedly; this is a bug in kiln")]
    Worker,
    /// The person has had enough.
    #[error("the build was interrupted")]
    Cancelled,
}

/// Why one step failed.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The instruction makes no sense here.
    #[error("{}", .0.message)]
    Instruction(Diagnostic),
    /// The process ended with something else than zero.
    #[error("{}", describe_status(*status))]
    Exit {
        /// How it ended.
        status: kiln_run::sandbox::ExitStatus,
        /// Its root file system, if it was to be kept.
        kept: Option<Box<crate::stage::Kept>>,
    },
    /// The process could not be started.
    #[error("cannot run the command")]
    Spawn(#[from] kiln_run::sandbox::SpawnError),
    /// The process was lost.
    #[error("cannot wait for the command")]
    Wait(#[from] kiln_run::sandbox::WaitError),
    /// The base image could not be had.
    #[error(transparent)]
    Base(#[from] SourceError),
    /// The base image runs on something else.
    #[error(transparent)]
    Foreign(#[from] kiln_run::ForeignPlatform),
    /// A device that the step cannot have.
    #[error(transparent)]
    Device(#[from] crate::devices::DeviceError),
    /// A user that the image does not have.
    #[error(transparent)]
    User(#[from] kiln_run::UserError),
    /// A source that cannot be copied.
    #[error(transparent)]
    Select(#[from] SelectError),
    /// A destination that cannot be copied to.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// A wrong `--chown` or `--chmod`.
    #[error(transparent)]
    Attribute(#[from] AttributeError),
    /// A file that could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A download that failed.
    #[error(transparent)]
    Download(#[from] kiln_fetch::DownloadError),
    /// An archive that cannot be unpacked.
    #[error("cannot unpack `{name}`")]
    Archive {
        /// The archive.
        name: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A git repository that cannot be had.
    #[error("cannot get `{url}`: {reason}")]
    Git {
        /// The repository.
        url: String,
        /// What git says.
        reason: String,
    },
    /// A snapshot could not be made.
    #[error(transparent)]
    Snapshot(#[from] kiln_store::SnapshotError),
    /// The store could not be read or written.
    #[error(transparent)]
    Store(#[from] kiln_store::StoreError),
    /// A layer's index could neither be read nor made.
    #[error(transparent)]
    Index(#[from] kiln_store::LayerIndexError),
    /// The image's layers do not fit together.
    #[error("the image's layers do not fit together")]
    Tree(#[from] kiln_layer::TreeError),
    /// A local file could not be read or written.
    #[error("{what}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// Something that the person did not provide or allow.
    #[error("{0}")]
    Missing(String),
    /// The build is being stopped.
    #[error("interrupted")]
    Cancelled,
}

impl StepError {
    /// The root file system of a failed command, if it was to be kept.
    #[must_use]
    pub fn kept(&self) -> Option<&crate::stage::Kept> {
        match self {
            Self::Exit { kept, .. } => kept.as_deref(),
            _ => None,
        }
    }
}

fn describe_status(status: kiln_run::sandbox::ExitStatus) -> String {
    match status {
        kiln_run::sandbox::ExitStatus::Code(code) => {
            format!("the command ended with exit code {code}")
        }
        kiln_run::sandbox::ExitStatus::Signal(9) => {
            "the command was killed (signal 9); perhaps the machine ran out of memory".to_owned()
        }
        kiln_run::sandbox::ExitStatus::Signal(signal) => {
            format!("the command was ended by signal {signal}")
        }
    }
}

/// An error with its causes in one line.
pub(crate) fn full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
