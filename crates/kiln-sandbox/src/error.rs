//! What can go wrong before the program runs: the step, the path, the system's word for it and, where
//! there is one, what to do about it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::wire;

/// Why [`spawn`](crate::spawn) gave no running process.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// kiln could not start itself a second time.
    #[error("cannot start {} to set up a sandbox", program.display())]
    Start {
        /// The program that was to be started.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The process that sets the sandbox up was lost.
    #[error("lost the process that sets up the sandbox")]
    Lost {
        /// What the system said.
        source: io::Error,
    },
    /// The process that sets the sandbox up ended without an answer.
    #[error("the process that sets up the sandbox ended without an answer ({status})")]
    Died {
        /// How it ended.
        status: std::process::ExitStatus,
    },
    /// Setting up failed.
    #[error("{error}")]
    SetUp {
        /// The step that failed.
        #[source]
        error: SetUpError,
        /// Mount points that were made in the root before that, in the order of their making.
        created_mount_points: Vec<PathBuf>,
    },
}

impl SpawnError {
    /// The exit code that a shell or an OCI runtime gives in this case: 127 when there is no such
    /// program, 126 when it cannot be executed, `None` when nothing was wrong with the program.
    pub fn exit_code(&self) -> Option<i32> {
        match self {
            SpawnError::SetUp { error, .. } => error.exit_code(),
            _ => None,
        }
    }

    /// What the user may do about it.
    pub fn hint(&self) -> Option<&str> {
        match self {
            SpawnError::SetUp { error, .. } => error.hint.as_deref(),
            _ => None,
        }
    }
}

/// Why [`Sandboxed::wait`](crate::Sandboxed::wait) cannot tell how the process ended.
#[derive(Debug, thiserror::Error)]
pub enum WaitError {
    /// The connection to the process that watches it broke.
    #[error("lost the process that watches the sandbox")]
    Lost {
        /// What the system said.
        source: io::Error,
    },
    /// The process that watches it was killed; the sandboxed process was killed with it.
    #[error("the process that watches the sandbox was ended from outside ({status})")]
    Died {
        /// How the watching process ended.
        status: std::process::ExitStatus,
    },
}

/// One step of setting a sandbox up that failed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SetUpError {
    /// What was being done.
    pub step: Step,
    /// The path that it was done to: on the host for [`Step::MountRoot`] and [`Step::OpenSource`],
    /// else inside the sandbox.
    #[serde(with = "wire::optional_path")]
    pub path: Option<PathBuf>,
    /// The system's error number.
    pub errno: i32,
    /// What the user may do about it, as a sentence.
    pub hint: Option<String>,
}

/// The steps of setting a sandbox up, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// Getting namespaces of its own.
    Namespaces,
    /// Opening what a mount takes from the host.
    OpenSource,
    /// Keeping the contents of files in memory.
    KeepFile,
    /// Mounting the root filesystem.
    MountRoot,
    /// Finding or making a mount point in the root.
    MountPoint,
    /// Mounting over the root.
    Mount,
    /// Making the mounted root the process's root.
    EnterRoot,
    /// Hiding parts of `/proc` and `/sys`.
    Mask,
    /// Setting the host name.
    Hostname,
    /// Bringing the loopback interface up.
    Network,
    /// Limiting resources.
    Limits,
    /// Connecting standard input, output and error.
    Streams,
    /// Taking the terminal.
    Terminal,
    /// Entering the working directory.
    WorkingDirectory,
    /// Dropping capabilities and taking on the user's ids.
    Rights,
    /// Filtering system calls.
    Seccomp,
    /// Finding the program.
    FindProgram,
    /// Executing the program.
    Execute,
}

impl Step {
    /// What follows "cannot".
    fn phrase(self) -> &'static str {
        match self {
            Step::Namespaces => "make namespaces for the sandbox",
            Step::OpenSource => "open what is to be mounted",
            Step::KeepFile => "keep a file in memory",
            Step::MountRoot => "mount the root filesystem",
            Step::MountPoint => "make the mount point",
            Step::Mount => "mount over",
            Step::EnterRoot => "enter the root filesystem",
            Step::Mask => "hide",
            Step::Hostname => "set the host name",
            Step::Network => "bring up the loopback interface",
            Step::Limits => "limit resources",
            Step::Streams => "connect the standard streams",
            Step::Terminal => "take standard input as the terminal",
            Step::WorkingDirectory => "enter the working directory",
            Step::Rights => "take on the user's rights",
            Step::Seccomp => "filter system calls",
            Step::FindProgram => "find the program",
            Step::Execute => "execute",
        }
    }
}

impl SetUpError {
    /// A failure with nothing more to say about it.
    pub(crate) fn new(step: Step, errno: Errno) -> Self {
        SetUpError {
            step,
            path: None,
            errno: errno.raw_os_error(),
            hint: None,
        }
    }

    /// A failure at a path.
    pub(crate) fn at(step: Step, path: impl AsRef<Path>, errno: Errno) -> Self {
        SetUpError {
            path: Some(path.as_ref().to_owned()),
            ..SetUpError::new(step, errno)
        }
    }

    /// The same with advice.
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        SetUpError {
            hint: Some(hint.into()),
            ..self
        }
    }

    /// The system's error.
    pub fn io_error(&self) -> io::Error {
        io::Error::from_raw_os_error(self.errno)
    }

    /// See [`SpawnError::exit_code`].
    pub fn exit_code(&self) -> Option<i32> {
        let missing = [Errno::NOENT, Errno::NOTDIR].map(Errno::raw_os_error);
        match self.step {
            Step::FindProgram | Step::Execute if missing.contains(&self.errno) => Some(127),
            Step::FindProgram | Step::Execute => Some(126),
            _ => None,
        }
    }
}

impl fmt::Display for SetUpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}", self.step.phrase())?;
        if let Some(path) = &self.path {
            write!(f, " {}", path.display())?;
        }
        write!(f, ": {}", reason(self.errno))
    }
}

impl std::error::Error for SetUpError {}

/// The system's text for an error, without the number that [`io::Error`] appends.
fn reason(errno: i32) -> String {
    let text = io::Error::from_raw_os_error(errno).to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_lowercase(),
        None => text,
    }
}
