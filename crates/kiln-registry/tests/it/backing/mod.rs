//! What a registry under test keeps its state in: SQLite or PostgreSQL, files or a bucket.
//!
//! Tests ask for a [`Backing`] and do not know which it is. By default it is SQLite and files; this
//! binary runs itself again ([`suites`]) with the others, told so by its environment. So every test of
//! content, accounts and protocol is a test of every backing, and none is listed anywhere.

pub(crate) mod bucket;
pub(crate) mod postgres;
mod real_store;
mod store;
mod suites;
mod tls;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use kiln_registry::database::Database;
use kiln_registry::storage::{S3Options, Storage};
use tokio::runtime::Runtime;

use bucket::Bucket;

/// The directory of the PostgreSQL server that tests are to use.
pub(crate) const POSTGRES: &str = "KILN_TEST_POSTGRES";

/// Set where tests are to use a bucket.
pub(crate) const BUCKET: &str = "KILN_TEST_BUCKET";

/// A file in a registry's directory that says what it uses, for the next who opens it.
const NOTE: &str = "backing";

/// Where a registry keeps its state, beside its directory.
#[derive(Clone, Default)]
pub(crate) struct Backing {
    /// The address of its database.
    pub(crate) postgres: Option<String>,
    /// Its bucket.
    pub(crate) bucket: Option<Bucket>,
}

/// The runtime that connections live in: a registry may be opened where a test's own waits.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().unwrap())
}

#[expect(clippy::disallowed_methods, reason = "the binary tells itself so")]
fn told(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).map(PathBuf::from)
}

impl Backing {
    /// An empty one, as this run of the tests wants it.
    pub(crate) fn new() -> Self {
        Self {
            postgres: told(POSTGRES).map(|directory| postgres::new_database(&directory)),
            bucket: told(BUCKET).map(|_| Bucket::new(bucket::Rules::small())),
        }
    }

    /// The one that belongs to a directory: a new one the first time, also in another process.
    pub(crate) fn of(directory: &Path) -> Self {
        let note = directory.join(NOTE);
        if let Ok(text) = std::fs::read_to_string(&note) {
            let mut lines = text
                .lines()
                .map(|line| Some(line).filter(|line| !line.is_empty()));
            let mut next = || lines.next().flatten().map(str::to_owned);
            return Self {
                postgres: next(),
                bucket: next().map(|url| Bucket::at(&url)),
            };
        }
        let backing = Self::new();
        let postgres = backing.postgres.as_deref().unwrap_or_default();
        let bucket = backing.bucket.as_ref().map(Bucket::url).unwrap_or_default();
        std::fs::write(note, format!("{postgres}\n{bucket}\n")).unwrap();
        backing
    }

    pub(crate) fn database(&self, directory: &Path) -> Database {
        match &self.postgres {
            Some(url) => postgres::open(url),
            None => Database::open_sqlite(&directory.join("registry.db")).unwrap(),
        }
    }

    pub(crate) fn storage(&self, directory: &Path) -> Storage {
        match &self.bucket {
            Some(bucket) => open_bucket(bucket.options()),
            None => Storage::open_files(directory).unwrap(),
        }
    }

    /// The settings of a server.
    pub(crate) fn settings(&self, directory: &Path) -> String {
        let mut toml = String::new();
        if let Some(url) = &self.postgres {
            toml.push_str(&format!("\n[database]\npostgres = '{url}'\n"));
        }
        if let Some(bucket) = &self.bucket {
            let options = bucket.options();
            let secret = directory.join("s3-secret");
            std::fs::write(&secret, format!("{}\n", options.secret_key)).unwrap();
            toml.push_str(&format!(
                "\n[s3]\nendpoint = '{}'\nbucket = '{}'\nprefix = '{}'\n\
                 region = '{}'\naccess_key = '{}'\n\
                 secret_key_file = '{}'\npart = '5 MiB'\n",
                options.endpoint,
                options.bucket,
                options.prefix,
                options.region,
                options.access_key,
                secret.display()
            ));
        }
        toml
    }
}

pub(crate) fn open_bucket(options: S3Options) -> Storage {
    postgres::off_the_runtime(Storage::open_s3(options)).unwrap()
}
