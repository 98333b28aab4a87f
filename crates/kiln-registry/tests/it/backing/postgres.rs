//! PostgreSQL servers of the tests' own: as an ordinary user, in a throw-away directory.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU64, Ordering};

use kiln_registry::database::{Database, DatabaseError, PostgresOptions};
use kiln_testkit::TempDir;

use super::runtime;

/// Where Debian keeps the programs of a version.
const PROGRAMS: &str = "/usr/lib/postgresql";

/// A user that owns nothing, for where the tests are root: PostgreSQL refuses to be.
const NOBODY: u32 = 65534;

/// A server that runs until this is dropped. It listens on a socket in its directory.
pub(crate) struct Cluster {
    directory: TempDir,
    programs: PathBuf,
}

impl Cluster {
    /// Starts one; or says why there is none.
    pub(crate) fn start() -> Result<Self, String> {
        let cluster = Self::prepare()?;
        cluster.begin(&[])?;
        Ok(cluster)
    }

    /// Makes one that is still to begin.
    pub(crate) fn prepare() -> Result<Self, String> {
        let programs = programs().ok_or("PostgreSQL is not installed")?;
        let directory = TempDir::new();
        // Fails where this is not root, and then it need not be done.
        let _ = std::os::unix::fs::chown(directory.path(), Some(NOBODY), Some(NOBODY));
        let cluster = Self {
            directory,
            programs,
        };
        let made = cluster
            .program("initdb")
            .args(["--username=kiln", "--auth=trust", "--no-sync"])
            .args(["--encoding=UTF8", "--locale=C.UTF-8", "--pgdata=data"])
            .output();
        let made = made.map_err(|error| error.to_string())?;
        if !made.status.success() {
            return Err(said(&made));
        }
        Ok(cluster)
    }

    /// Lets it begin, with further settings.
    pub(crate) fn begin(&self, settings: &[&str]) -> Result<(), String> {
        let path = self.directory();
        // Nothing that is written has to survive the machine.
        let mut options = format!(
            "-k {} -c fsync=off -c full_page_writes=off -c max_connections=400 \
             -c autovacuum=off",
            path.display()
        );
        if !settings
            .iter()
            .any(|setting| setting.starts_with("listen_addresses"))
        {
            options.push_str(" -c listen_addresses=");
        }
        for setting in settings {
            options.push_str(&format!(" -c {setting}"));
        }
        let started = self
            .program("pg_ctl")
            .args(["start", "--wait", "--timeout=300", "--pgdata=data"])
            .args(["--log=log", "--options", &options])
            .status();
        match started {
            Ok(status) if status.success() => Ok(()),
            Ok(_) => Err(std::fs::read_to_string(path.join("log")).unwrap_or_default()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Where it is, and where its socket is.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// One of PostgreSQL's programs, run as somebody who is not root.
    pub(crate) fn program(&self, name: &str) -> Command {
        use std::os::unix::fs::MetadataExt as _;
        use std::os::unix::process::CommandExt as _;
        let mut command = Command::new(self.programs.join(name));
        // The directory was given to nobody where this is root.
        if std::fs::metadata(self.directory()).unwrap().uid() == NOBODY {
            command.uid(NOBODY).gid(NOBODY);
        }
        command.current_dir(self.directory());
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self
            .program("pg_ctl")
            .args(["stop", "--mode=immediate", "--pgdata=data", "--silent"])
            .status();
    }
}

/// The newest version's.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir(PROGRAMS).ok()?;
    let found = versions.filter_map(|version| {
        let version = version.ok()?;
        let number: u32 = version.file_name().to_str()?.parse().ok()?;
        let programs = version.path().join("bin");
        programs
            .join("initdb")
            .exists()
            .then_some((number, programs))
    });
    found.max().map(|(_, programs)| programs)
}

pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Gives a file to whoever runs the servers, who alone may read it.
pub(crate) fn write_private(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    // Fails where this is not root, and then it need not be done.
    let _ = std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY));
}

/// The address of a new database on the server whose socket is in `directory`.
pub(super) fn new_database(directory: &Path) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("test{}_{number}", std::process::id());
    let host = directory.to_str().unwrap();
    let url = format!("host={host} user=kiln dbname=");
    let (config, sql) = (format!("{url}postgres"), format!("CREATE DATABASE {name}"));
    off_the_runtime(async move {
        let connected = tokio_postgres::connect(&config, tokio_postgres::NoTls).await;
        let (client, connection) = connected.unwrap();
        tokio::spawn(async {
            let _ = connection.await;
        });
        client.batch_execute(&sql).await.unwrap();
    });
    format!("{url}{name}")
}

/// Opens a database at an address.
pub(crate) fn open(url: &str) -> Database {
    let options = PostgresOptions {
        url: url.to_owned(),
        ..PostgresOptions::default()
    };
    try_open(options).unwrap()
}

pub(crate) fn try_open(options: PostgresOptions) -> Result<Database, DatabaseError> {
    off_the_runtime(Database::open_postgres(options))
}

/// Waits for work on the runtime that outlives every test, wherever this is called from.
pub(crate) fn off_the_runtime<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> T {
    let waiting = std::thread::spawn(move || runtime().block_on(work));
    waiting.join().unwrap()
}
