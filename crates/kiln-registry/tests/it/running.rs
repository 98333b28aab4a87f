//! A server on a free loopback port, on a runtime of its own, with its state in a folder that goes
//! with it.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::mpsc::channel;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use kiln_registry::config::Config;
use kiln_registry::{Log, Server, ServerHandle};
use kiln_testkit::TempDir;

use crate::backing::Backing;
use crate::backing::bucket::{Bucket, Rules};
use crate::conformance::client::{Request, Target};

/// Much longer than anything takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server that runs until it is dropped.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) handle: ServerHandle,
    /// The first administrator's, on a server with accounts.
    pub(crate) password: Option<String>,
    folder: Option<TempDir>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// An open server with the settings of `toml`.
    pub(crate) fn open(toml: &str) -> Self {
        Self::start(toml, Log::none())
    }

    /// The same, with a log.
    pub(crate) fn start(toml: &str, log: Log) -> Self {
        Self::start_in(TempDir::new(), toml, log)
    }

    /// The same, with the state that another server left.
    pub(crate) fn start_in(folder: TempDir, toml: &str, log: Log) -> Self {
        Self::launch(folder, &format!("open = true\n{toml}"), log)
    }

    /// An open server on a bucket of its own, with further settings of it.
    pub(crate) fn on_bucket(settings: &str) -> Self {
        let folder = TempDir::new();
        let backing = Backing {
            postgres: None,
            bucket: Some(Bucket::new(Rules::real())),
        };
        let backing = backing.settings(folder.path());
        Self::launch_on(
            folder,
            &format!("open = true\n{backing}{settings}"),
            Log::none(),
        )
    }

    /// A server on whatever database and store `toml` says.
    pub(crate) fn on(folder: TempDir, toml: &str) -> Self {
        Self::launch_on(folder, &format!("open = true\n{toml}"), Log::none())
    }

    /// A server with accounts.
    pub(crate) fn with_accounts(toml: &str) -> Self {
        Self::launch(TempDir::new(), toml, Log::none())
    }

    fn launch(folder: TempDir, toml: &str, log: Log) -> Self {
        let backing = Backing::of(folder.path()).settings(folder.path());
        Self::launch_on(folder, &format!("{toml}\n{backing}"), log)
    }

    fn launch_on(folder: TempDir, toml: &str, log: Log) -> Self {
        let text = format!("listen = ['127.0.0.1:0']\n{toml}");
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
                let (server, first) = Server::open(config, &data, log).await.unwrap();
                let password = first.and_then(|first| first.password);
                let started = (server.addresses()[0], server.handle(), password);
                sender.send(started).unwrap();
                server.run().await;
            });
        });
        let (address, handle, password) = receiver.recv().unwrap();
        Self {
            address,
            handle,
            password,
            folder: Some(folder),
            thread: Some(thread),
        }
    }

    /// Waits until the server has ended; its state.
    pub(crate) fn ended(mut self) -> TempDir {
        self.join();
        self.folder.take().unwrap()
    }

    fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            // A test that failed already must not panic again.
            let _ = thread.join();
        }
    }

    /// A connection of one's own.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// What `/metrics` says of a series.
    pub(crate) fn metric(&self, series: &str) -> f64 {
        let page = self
            .target()
            .send(&Request::new("GET", "/metrics"))
            .unwrap();
        let page = String::from_utf8(page.body).unwrap();
        let line = page.lines().find_map(|line| line.strip_prefix(series));
        line.map_or(0.0, |value| value.trim().parse().unwrap())
    }

    /// Waits until a series has a value. What is waited for is certain to come; the limit only ends a
    /// test that hangs.
    pub(crate) fn wait_for(&self, series: &str, value: f64) {
        let start = Instant::now();
        while self.metric(series) != value {
            assert!(start.elapsed() < PATIENCE, "{series} never is {value}");
            std::thread::sleep(Duration::from_millis(20));
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
        self.join();
    }
}
