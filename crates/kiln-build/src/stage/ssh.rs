//! RUN --mount=type=ssh: a socket for one step, with the owner and mode that it asks for, behind which is
//! the person's ssh agent.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::agent::SshAgent;

/// A step's way to an agent; dropping it closes the socket and removes it.
#[derive(Debug)]
pub(super) struct AgentRelay {
    socket: PathBuf,
    closed: Arc<AtomicBool>,
}

impl AgentRelay {
    /// Listens at `socket` and has `agent` answer whoever comes.
    ///
    /// # Errors
    /// If the socket cannot be made, or nobody answers.
    pub(super) fn start(
        agent: &SshAgent,
        socket: PathBuf,
        mode: u32,
        owner: (u32, u32),
    ) -> io::Result<Self> {
        agent.check()?;
        let listener = UnixListener::bind(&socket)?;
        fs::set_permissions(&socket, fs::Permissions::from_mode(mode))?;
        chown(&socket, Some(owner.0), Some(owner.1))?;
        let closed = Arc::new(AtomicBool::new(false));
        let (stop, agent) = (Arc::clone(&closed), agent.clone());
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let agent = agent.clone();
                // A client that breaks off, or talks nonsense, is hung up on.
                std::thread::spawn(move || agent.serve(client?));
            }
        });
        Ok(Self { socket, closed })
    }

    /// Where it listens.
    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Drop for AgentRelay {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::SeqCst);
        // The listener waits for a connection; this is the last one.
        let _ = UnixStream::connect(&self.socket);
        let _ = fs::remove_file(&self.socket);
    }
}
