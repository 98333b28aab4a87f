//! A server on a free loopback port, on a runtime of its own, with its state in a folder that goes
//! with it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::mpsc::channel;
use std::thread::JoinHandle;

use kiln_registry::config::Config;
use kiln_registry::{Log, Server, ServerHandle};
use kiln_testkit::TempDir;

use crate::conformance::client::Target;

/// A server that runs until it is dropped.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) handle: ServerHandle,
    /// Removed with the server.
    _folder: TempDir,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// An open server with the settings of `toml`.
    pub(crate) fn open(toml: &str) -> Self {
        Self::start(toml, Log::none())
    }

    /// The same, with a log.
    pub(crate) fn start(toml: &str, log: Log) -> Self {
        let folder = TempDir::new();
        let text = format!("listen = ['127.0.0.1:0']\nopen = true\n{toml}");
        let config = Config::parse(&text, Path::new("test.toml")).unwrap();
        let data = folder.path().to_owned();
        let (sender, receiver) = channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let (server, _) = Server::open(config, &data, log).await.unwrap();
                let started = (server.addresses()[0], server.handle());
                sender.send(started).unwrap();
                server.run().await;
            });
        });
        let (address, handle) = receiver.recv().unwrap();
        Self {
            address,
            handle,
            _folder: folder,
            thread: Some(thread),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn target(&self) -> Target {
        Target::new(&self.url(), None, None).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.handle.stop();
        if let Some(thread) = self.thread.take() {
            // A test that failed already must not panic again.
            let _ = thread.join();
        }
    }
}
