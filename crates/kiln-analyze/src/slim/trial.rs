//! Running an image's own program to see whether it works.

use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use kiln_layer::Tree;
use kiln_oci::Image;
use kiln_run::sandbox::{Network, Sandboxed, SpawnError, Stdio, Stream};
use kiln_run::{Process, Rootfs, UserError, argv, effective_env, resolve_user, spawn, spawn_in};
use kiln_store::export::{self, ExportError};
use kiln_store::{Lease, SnapshotError, Store, StoreError, Upper};

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(100);

/// The last bytes of output that are kept.
const MAX_OUTPUT: usize = 8 << 10;

/// What is run, and how one knows that it works.
pub struct Workload<'a> {
    /// Arguments that replace the image's own program and its arguments, if any.
    pub command: Option<Vec<String>>,
    /// More variables.
    pub env: Vec<(String, String)>,
    /// How one knows.
    pub probe: Probe<'a>,
    /// How long it may take until the probe is content, or the program ends.
    pub patience: Duration,
    /// Which network it sees. A probe from outside needs the host's.
    pub network: Network,
}

/// How one knows that a program works.
pub enum Probe<'a> {
    /// It ends by itself, with the exit code 0.
    Ends,
    /// While it runs, this command ends with 0 in the same image. It has its own copy of the files.
    Inside(Vec<String>),
    /// While it runs, this answers yes.
    Outside(&'a (dyn Fn() -> io::Result<bool> + Sync)),
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It works.
    Passed,
    /// It does not.
    Failed {
        /// What happened.
        why: String,
        /// The end of what it printed.
        output: String,
    },
}

/// Why it could not be tried at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrialError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The layers could not be unpacked.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The layers do not fit together.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// The image's user is not in its list of users.
    #[error(transparent)]
    User(#[from] UserError),
    /// Nothing says what to run.
    #[error("the image does not say what to run")]
    NoCommand,
    /// The sandbox could not be set up.
    #[error("cannot run the image's program")]
    Sandbox(#[source] SpawnError),
    /// The probe could not be run.
    #[error("cannot run the test")]
    Probe(#[source] io::Error),
    /// Someone asked for an end.
    #[error("interrupted")]
    Cancelled,
}

/// Where the files are.
pub(super) enum Files<'a> {
    /// The image's layers, with changes thrown away.
    Layers,
    /// A directory, which is changed.
    Directory(&'a Path),
}

/// Runs the workload in `image`.
///
/// # Errors
/// If it cannot be tried. A program that is not there or does not work is a verdict.
pub fn run(
    store: &Store,
    lease: &Lease,
    image: &Image,
    workload: &Workload<'_>,
    cancelled: &Arc<AtomicBool>,
) -> Result<Verdict, TrialError> {
    run_in(store, lease, image, workload, &Files::Layers, cancelled)
}

pub(super) fn run_in(
    store: &Store,
    lease: &Lease,
    image: &Image,
    workload: &Workload<'_>,
    files: &Files<'_>,
    cancelled: &Arc<AtomicBool>,
) -> Result<Verdict, TrialError> {
    let place = Place {
        store,
        lease,
        image,
        files,
        tree: export::tree(store, image)?,
    };
    let own = argv(&image.config.config, None, &[]);
    let command = workload.command.clone().unwrap_or(own);
    let program = match place.start(command, workload)? {
        Ok(program) => program,
        Err(why) => return Ok(failed(why, String::new())),
    };
    let begin = Instant::now();
    let mut last = "the test did not pass".to_owned();
    loop {
        if cancelled.load(Ordering::Relaxed) {
            return Err(TrialError::Cancelled);
        }
        let ended = program.ended();
        match (&workload.probe, ended) {
            (Probe::Ends, Some(0)) => return Ok(Verdict::Passed),
            (_, Some(code)) => {
                let why = format!("the program ended with {code}");
                return Ok(failed(why, program.output()));
            }
            (Probe::Ends, None) => {}
            (Probe::Inside(command), None) => match place.start(command.clone(), workload)? {
                Ok(mut probe) => match probe.wait(workload.patience) {
                    Some(0) => return Ok(Verdict::Passed),
                    Some(code) => last = format!("the test ended with {code}: {}", probe.output()),
                    None => "the test did not end".clone_into(&mut last),
                },
                // A command that is not there will not come.
                Err(why) => return Ok(failed(why, program.output())),
            },
            (Probe::Outside(ask), None) => {
                if ask().map_err(TrialError::Probe)? {
                    return Ok(Verdict::Passed);
                }
            }
        }
        if begin.elapsed() > workload.patience {
            if matches!(workload.probe, Probe::Ends) {
                "the program did not end".clone_into(&mut last);
            }
            return Ok(failed(last, program.output()));
        }
        std::thread::sleep(PAUSE);
    }
}

fn failed(why: String, output: String) -> Verdict {
    Verdict::Failed { why, output }
}

/// An image, ready to run programs in.
struct Place<'a> {
    store: &'a Store,
    lease: &'a Lease,
    image: &'a Image,
    files: &'a Files<'a>,
    tree: Tree,
}

impl Place<'_> {
    /// Starts a program. One that cannot be started, because it or what it needs is not there, is told.
    fn start(
        &self,
        command: Vec<String>,
        workload: &Workload<'_>,
    ) -> Result<Result<Running, String>, TrialError> {
        if command.is_empty() {
            return Err(TrialError::NoCommand);
        }
        let config = &self.image.config.config;
        let user = match resolve_user(&self.tree, &config.user) {
            Ok(user) => user,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let mut process = Process::new(command);
        process.env = effective_env(config, &user.home, &workload.env);
        process.user = user;
        process.network = workload.network;
        if config.working_dir.starts_with('/') {
            process.cwd.clone_from(&config.working_dir);
        }
        let stdio = Stdio {
            stdin: Stream::Null,
            stdout: Stream::Pipe,
            stderr: Stream::Pipe,
        };
        let mut changes = None;
        let started = match self.files {
            Files::Directory(path) => spawn_in(&process, path, stdio),
            Files::Layers => {
                let lowers = self
                    .store
                    .snapshot(self.lease, &self.image.config.rootfs.diff_ids)?;
                let upper = self.store.upper(self.lease)?;
                let rootfs = Rootfs {
                    lowers,
                    upper: upper.dir().to_owned(),
                    work: upper.work().to_owned(),
                };
                changes = Some(upper);
                spawn(&process, &rootfs, stdio)
            }
        };
        match started {
            Ok(child) => Ok(Ok(Running::new(child, changes))),
            // The program itself, or its working directory: what slimming may have taken.
            Err(error) if error.exit_code().is_some() => Ok(Err(error.to_string())),
            Err(error) => Err(TrialError::Sandbox(error)),
        }
    }
}

/// A program that runs. Dropped, it is killed.
struct Running {
    ended: Arc<Mutex<Option<i32>>>,
    output: Arc<Mutex<Vec<u8>>>,
    handle: kiln_run::sandbox::Handle,
    waiter: Option<std::thread::JoinHandle<()>>,
    /// Where it writes, which is gone with this value: after it has ended.
    _changes: Option<Upper>,
}

impl Running {
    fn new(mut child: Sandboxed, changes: Option<Upper>) -> Self {
        let output = Arc::new(Mutex::new(vec![]));
        let readers: Vec<_> = [child.take_stdout(), child.take_stderr()]
            .into_iter()
            .flatten()
            .map(|pipe| {
                let output = Arc::clone(&output);
                std::thread::spawn(move || keep_end(pipe, &output))
            })
            .collect();
        let ended = Arc::new(Mutex::new(None));
        let handle = child.handle();
        let told = Arc::clone(&ended);
        let waiter = std::thread::spawn(move || {
            let code = child.wait().map_or(-1, |exit| exit.status.code());
            for reader in readers {
                // A panic there was printed; the output is then shorter.
                let _ = reader.join();
            }
            *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(code);
        });
        Self {
            ended,
            output,
            handle,
            waiter: Some(waiter),
            _changes: changes,
        }
    }

    /// The exit code, once it has one.
    fn ended(&self) -> Option<i32> {
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same, waited for.
    fn wait(&mut self, patience: Duration) -> Option<i32> {
        let begin = Instant::now();
        while self.ended().is_none() && begin.elapsed() < patience {
            std::thread::sleep(PAUSE / 10);
        }
        self.ended()
    }

    fn output(&self) -> String {
        let output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&output).into_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.handle.kill();
        if let Some(waiter) = self.waiter.take() {
            // Its files can be looked at and removed when all of it has ended.
            let _ = waiter.join();
        }
    }
}

/// Reads to the end and keeps the last of it.
fn keep_end(mut pipe: impl Read, output: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 4096];
    while let Ok(read) = pipe.read(&mut buffer) {
        if read == 0 {
            break;
        }
        let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
        output.extend_from_slice(&buffer[..read]);
        let excess = output.len().saturating_sub(MAX_OUTPUT);
        output.drain(..excess);
    }
}
