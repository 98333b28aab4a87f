//! Instructions without variables: what a build really does.

use crate::duration;
use crate::git::GitSource;
use crate::history;
pub use crate::mount::Sharing;
use crate::plan::Origin;
use crate::syntax::{Device, HealthTiming, NetworkMode, SecurityMode};

/// One step, ready to be executed or put into the image's config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evaluated {
    /// Execute a process.
    Run(EvaluatedRun),
    /// Copy files.
    Copy(EvaluatedCopy),
    /// Add files, archives, downloads and repositories.
    Add(EvaluatedAdd),
    /// Set variables of the image.
    Env(Vec<(String, String)>),
    /// Declare build arguments; those with a value are in scope from here on.
    Arg(Vec<(String, Option<String>)>),
    /// Set labels.
    Label(Vec<(String, String)>),
    /// Expose ports, each as `80/tcp`, in the order of the sorted specifications.
    Expose(Vec<String>),
    /// Set the user, `name|uid[:group|gid]`.
    User(String),
    /// Set the working directory (absolute, clean) and create it unless it is `/`.
    Workdir(String),
    /// Declare volumes.
    Volume(Vec<String>),
    /// Set the command; an empty list clears it.
    Cmd(Vec<String>),
    /// Set the entry point; an empty list clears it. An inherited CMD is cleared too, unless this stage
    /// has set one before: [`EvaluatedEntrypoint::clear_cmd`].
    Entrypoint(EvaluatedEntrypoint),
    /// Set the shell.
    Shell(Vec<String>),
    /// Set the health check.
    Healthcheck(EvaluatedHealthcheck),
    /// Set the stop signal, as written.
    Stopsignal(String),
    /// Append a trigger to the config.
    Onbuild(String),
    /// Set the author.
    Maintainer(String),
}

/// ENTRYPOINT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvaluatedEntrypoint {
    /// The program and its arguments, the shell included for the shell form.
    pub args: Vec<String>,
    /// Whether the command that the image has so far must go.
    pub clear_cmd: bool,
}

/// HEALTHCHECK as the config holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvaluatedHealthcheck {
    /// `["NONE"]`, `["CMD", …]` or `["CMD-SHELL", text]`.
    pub test: Vec<String>,
    /// The options.
    pub timing: HealthTiming,
}

/// RUN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvaluatedRun {
    /// The process: program and arguments, the shell included for the shell form.
    pub args: Vec<String>,
    /// How the command was written.
    pub form: RunForm,
    /// A script that `args` executes; it must exist, read-only, while the process runs.
    pub script: Option<Script>,
    /// The mounts, in order; later ones go over earlier ones.
    pub mounts: Vec<Mount>,
    /// The network.
    pub network: NetworkMode,
    /// The restrictions.
    pub security: SecurityMode,
    /// CDI devices.
    pub devices: Vec<Device>,
    /// The whole environment: the image's variables and the arguments in scope.
    pub env: Vec<(String, String)>,
    /// The declared arguments with their present values, for the history's `|N a=v`.
    pub build_args: Vec<(String, String)>,
    /// Proxy variables of the build, in both cases. They belong into the environment (never over one
    /// that is in [`EvaluatedRun::env`]), but neither into the history nor into a cache key.
    pub proxy_env: Vec<(String, String)>,
    /// The directory to run in.
    pub workdir: String,
    /// What to show while it runs: the instruction as written, with the values of set variables.
    pub display: String,
}

/// The forms of RUN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunForm {
    /// A text for the shell.
    Shell,
    /// A JSON array.
    Exec,
    /// One here-document that the shell gets as its text.
    Heredoc,
    /// One here-document that begins with `#!`.
    Script,
}

/// A file that lives only while a RUN does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Absolute path, `/dev/pipes/NAME`; mode 0755, owner 0:0.
    pub path: String,
    /// The content.
    pub content: String,
}

/// A mount of RUN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Absolute, clean path; never `/`. Secrets that are only variables have none.
    pub target: Option<String>,
    /// What is mounted.
    pub kind: MountKind,
}

/// What is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MountKind {
    /// Files of the context (`from` is `None`) or of somewhere else. What is written is thrown away.
    Bind {
        /// Where from; `None` is the build context.
        from: Option<Origin>,
        /// Clean path below the origin's root, without a leading `/`; empty is the root itself.
        source: String,
        /// Whether the process may write.
        writable: bool,
    },
    /// A directory that outlives the build.
    Cache {
        /// Its identity, the namespace of `BUILDKIT_CACHE_MOUNT_NS` included.
        id: String,
        /// What a new cache begins with; `None` is nothing.
        from: Option<Origin>,
        /// Path below `from`, as in [`MountKind::Bind`].
        source: String,
        /// How builds share it.
        sharing: Sharing,
        /// Whether the process may write.
        writable: bool,
        /// Mode of a new cache's directory.
        mode: u32,
        /// Owner of a new cache's directory.
        uid: u32,
        /// Group of a new cache's directory.
        gid: u32,
    },
    /// An empty directory in memory.
    Tmpfs {
        /// The most bytes it may take.
        size: Option<u64>,
    },
    /// A secret of the person who builds.
    Secret {
        /// Its name.
        id: String,
        /// The variable to put it into.
        env: Option<String>,
        /// Mode of the file.
        mode: u32,
        /// Owner of the file.
        uid: u32,
        /// Group of the file.
        gid: u32,
        /// Whether the build fails without it.
        required: bool,
    },
    /// A socket to an SSH agent; the first one sets `SSH_AUTH_SOCK`.
    Ssh {
        /// The agent's name.
        id: String,
        /// Mode of the socket.
        mode: u32,
        /// Owner of the socket.
        uid: u32,
        /// Group of the socket.
        gid: u32,
        /// Whether the build fails without it.
        required: bool,
    },
}

/// COPY.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvaluatedCopy {
    /// What to copy, paths before here-documents.
    pub sources: Vec<CopySource>,
    /// Where from; `None` is the build context.
    pub from: Option<Origin>,
    /// Where to.
    pub to: Destination,
    /// Whether the sources' own paths are kept below the destination.
    pub parents: bool,
}

/// What COPY and ADD say about the destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The path as written, variables expanded.
    pub written: String,
    /// Absolute and clean; a trailing `/` stays and means a directory.
    pub path: String,
    /// `--chown`.
    pub chown: Option<String>,
    /// `--chmod`, checked: [`crate::chmod::Mode::parse`] takes it.
    pub chmod: Option<String>,
    /// `--link`.
    pub link: bool,
    /// `--exclude`s, in the syntax of ignore files, relative to each source.
    pub excludes: Vec<String>,
}

/// A source of COPY.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopySource {
    /// Files of the origin.
    Path(PathSource),
    /// A file from the Dockerfile.
    Heredoc(HeredocFile),
}

/// Files, by path or pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathSource {
    /// As written, variables expanded.
    pub written: String,
    /// With `--parents`, what stands before the pivot `/./`, clean, without a leading `/`; it is not
    /// kept. Empty otherwise.
    pub base: String,
    /// The path or pattern below `base`, clean, without a leading `/`; empty is all of it.
    pub path: String,
    /// Whether it is a pattern, which may match nothing.
    pub wildcard: bool,
}

/// A file from the Dockerfile: mode 0644, owner 0:0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeredocFile {
    /// The file's name.
    pub name: String,
    /// Its content.
    pub content: String,
}

/// ADD.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvaluatedAdd {
    /// What to add, here-documents last.
    pub sources: Vec<AddSource>,
    /// Where to.
    pub to: Destination,
    /// `--checksum`: `sha256:…` for a URL, a commit for a repository.
    pub checksum: Option<String>,
    /// `--unpack`; without, archives of the context are unpacked and downloads are not.
    pub unpack: Option<bool>,
    /// Whether a repository keeps its `.git`: `--keep-git-dir`.
    pub keep_git_dir: Option<bool>,
}

/// A source of ADD.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddSource {
    /// Files of the context.
    Local(PathSource),
    /// A download.
    Http {
        /// The URL.
        url: String,
        /// The name to store it under: the last part of the URL's path, or `__unnamed__`.
        file_name: String,
    },
    /// A git repository.
    Git(GitSource),
    /// A file from the Dockerfile.
    Heredoc(HeredocFile),
}

impl Evaluated {
    /// The history entry's `created_by`, and whether the step makes a layer. ONBUILD has no entry.
    pub fn history(&self) -> Option<(String, bool)> {
        history::entry(self)
    }
}

impl EvaluatedHealthcheck {
    /// The way Go prints the config's structure, which is what the history holds.
    pub(crate) fn go_text(&self) -> String {
        let time = |value: Option<std::time::Duration>| duration::format(value.unwrap_or_default());
        format!(
            "{{Test:[{}] Interval:{} Timeout:{} StartPeriod:{} StartInterval:{} Retries:{}}}",
            self.test.join(" "),
            time(self.timing.interval),
            time(self.timing.timeout),
            time(self.timing.start_period),
            time(self.timing.start_interval),
            self.timing.retries.unwrap_or(0),
        )
    }
}
