//! RUN --mount=type=ssh: a socket for one step, with the owner and mode that it asks for, behind which is
//! the person's ssh agent.

use std::fs;
use std::io;
use std::net::Shutdown;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A relay to an agent; dropping it closes the socket and removes it.
#[derive(Debug)]
pub(super) struct AgentRelay {
    socket: PathBuf,
    closed: Arc<AtomicBool>,
}

impl AgentRelay {
    /// Listens at `socket` and connects whoever comes to `agent`.
    ///
    /// # Errors
    /// If the socket cannot be made, or the agent does not answer.
    pub(super) fn start(
        agent: &Path,
        socket: PathBuf,
        mode: u32,
        owner: (u32, u32),
    ) -> io::Result<Self> {
        drop(UnixStream::connect(agent)?);
        let listener = UnixListener::bind(&socket)?;
        fs::set_permissions(&socket, fs::Permissions::from_mode(mode))?;
        chown(&socket, Some(owner.0), Some(owner.1))?;
        let closed = Arc::new(AtomicBool::new(false));
        let (stop, agent) = (Arc::clone(&closed), agent.to_owned());
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let agent = UnixStream::connect(&agent);
                if let (Ok(client), Ok(agent)) = (client, agent) {
                    relay(client, agent);
                }
            }
        });
        Ok(Self { socket, closed })
    }

    /// Where it listens.
    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }
}

/// Passes bytes both ways until both sides have said all.
fn relay(client: UnixStream, agent: UnixStream) {
    let copy = |mut from: UnixStream, mut to: UnixStream| {
        std::thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
    };
    if let (Ok(client_too), Ok(agent_too)) = (client.try_clone(), agent.try_clone()) {
        copy(client, agent);
        copy(agent_too, client_too);
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
