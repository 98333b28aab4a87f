//! The same tests on PostgreSQL: a server of their own, as an ordinary user, on a socket in a throw-away
//! directory.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use kiln_registry::database::{Database, DatabaseError};
use kiln_testkit::TempDir;
use tokio::runtime::Runtime;

use crate::content::{blobs, collect, index, manifests, scrub, tags, together, uploads};

/// Where Debian keeps the programs of version 15.
const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";

/// A user that owns nothing, for where the tests are root: PostgreSQL refuses to be.
const NOBODY: u32 = 65534;

thread_local! {
    /// The server that this thread's registries are to use, and how many there were.
    static SERVER: RefCell<Option<(PathBuf, u32)>> = const { RefCell::new(None) };
}

/// The runtime that the connections live in: a registry may be opened where a test's own waits.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().unwrap())
}

/// The address of a new database, if this thread uses PostgreSQL.
pub(crate) fn new_database() -> Option<String> {
    let (directory, number) = SERVER.with_borrow_mut(|server| {
        let (directory, number) = server.as_mut()?;
        *number += 1;
        Some((directory.clone(), *number))
    })?;
    let name = format!("test{number}");
    let made = program("createdb", &directory)
        .args(["--username", "kiln", "--host"])
        .arg(&directory)
        .arg(&name)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", said(&made));
    let host = directory.to_str().unwrap();
    Some(format!(
        "host={host} user=kiln dbname={name} sslmode=disable"
    ))
}

/// Opens a database at an address.
pub(crate) fn open(url: &str) -> Database {
    let url = url.to_owned();
    let opening = std::thread::spawn(move || {
        let opened = Database::open_postgres(&url, vec![]);
        runtime().block_on(opened).unwrap()
    });
    opening.join().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// One of PostgreSQL's programs, run as somebody who is not root.
fn program(name: &str, directory: &Path) -> Command {
    use std::os::unix::fs::MetadataExt as _;
    use std::os::unix::process::CommandExt as _;
    let mut command = Command::new(Path::new(PROGRAMS).join(name));
    // The directory was given to nobody where this is root.
    if std::fs::metadata(directory).unwrap().uid() == NOBODY {
        command.uid(NOBODY).gid(NOBODY);
    }
    command.current_dir(directory);
    command
}

/// A server that runs until this is dropped.
struct Server(TempDir);

impl Server {
    fn start() -> Result<Self, String> {
        if !Path::new(PROGRAMS).join("initdb").exists() {
            return Err("PostgreSQL 15 is not installed".to_owned());
        }
        let directory = TempDir::new();
        // Fails where this is not root, and then it need not be done.
        let _ = std::os::unix::fs::chown(directory.path(), Some(NOBODY), Some(NOBODY));
        let path = directory.path().to_owned();
        let made = program("initdb", &path)
            .args([
                "--username=kiln",
                "--auth=trust",
                "--no-sync",
                "--encoding=UTF8",
            ])
            .args(["--locale=C.UTF-8", "--pgdata=data"])
            .output();
        let made = made.map_err(|error| error.to_string())?;
        if !made.status.success() {
            return Err(said(&made));
        }
        let options = format!("-k {} -c listen_addresses= -c fsync=off", path.display());
        let started = program("pg_ctl", &path)
            .args([
                "start",
                "--wait",
                "--timeout=300",
                "--pgdata=data",
                "--log=log",
            ])
            .args(["--options", &options])
            .status();
        match started {
            Ok(status) if status.success() => Ok(Self(directory)),
            Ok(_) => Err(std::fs::read_to_string(path.join("log")).unwrap_or_default()),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = program("pg_ctl", self.0.path())
            .args(["stop", "--mode=immediate", "--pgdata=data", "--silent"])
            .status();
    }
}

macro_rules! suite {
    ($($module:ident::$test:ident,)*) => {
        &[$((concat!(stringify!($module), "::", stringify!($test)), $module::$test as fn()),)*]
    };
}

/// Every test of content.
const SUITE: &[(&str, fn())] = suite![
    blobs::what_was_put_comes_out_whole_and_in_parts,
    blobs::small_blobs_need_no_file,
    blobs::a_blob_is_only_where_it_was_pushed_or_mounted,
    blobs::pushing_what_is_there_keeps_one_object,
    blobs::a_deleted_blob_is_gone_where_it_was_deleted_and_can_be_pushed_again,
    blobs::a_blob_that_a_manifest_names_is_not_deleted,
    blobs::asking_renews_the_lease_when_half_of_it_is_over,
    blobs::everything_is_there_after_a_restart,
    collect::leases_hold_what_no_manifest_names_yet,
    collect::what_a_tag_leads_to_stays_for_ever,
    collect::a_blob_stays_for_the_repository_that_needs_it,
    collect::a_layer_that_two_images_share_goes_with_the_last,
    collect::uploads_that_nobody_continues_are_given_up,
    collect::files_that_nothing_names_are_removed_and_foreign_ones_are_not,
    collect::a_deletion_that_was_interrupted_is_finished_by_the_next_collection,
    index::a_layer_is_pending_and_then_indexed,
    index::what_is_no_layer_is_said_to_be_none,
    index::layers_that_arrive_are_indexed_in_the_background,
    manifests::a_manifest_comes_out_as_it_went_in,
    manifests::what_a_manifest_needs_must_be_there,
    manifests::what_is_wrong_with_a_manifest_is_said,
    manifests::layers_that_are_elsewhere_need_not_be_here,
    manifests::referrers_are_listed_filtered_and_paged,
    manifests::what_refers_to_a_deleted_manifest_goes_with_it,
    manifests::an_index_keeps_what_it_names,
    manifests::immutable_tags_stay_whatever_is_tried,
    scrub::a_sound_registry_has_no_findings,
    scrub::damage_is_found_hidden_and_healed_by_a_push,
    scrub::a_disk_that_comes_back_heals_without_a_push,
    scrub::references_that_lead_nowhere_are_found,
    tags::tags_come_in_pages_in_the_order_of_their_bytes,
    tags::repositories_are_listed_when_they_have_manifests,
    tags::every_change_of_a_tag_can_be_undone,
    together::no_push_loses_a_blob_that_it_was_told_of,
    uploads::chunks_of_any_size_make_the_blob,
    uploads::chunks_out_of_order_are_refused_and_change_nothing,
    uploads::a_broken_body_keeps_what_came,
    uploads::an_upload_goes_on_after_a_restart,
    uploads::wrong_content_and_too_much_of_it_leave_nothing,
    uploads::a_cancelled_upload_and_one_of_another_repository_are_unknown,
    uploads::one_request_at_a_time_sends_to_an_upload,
    uploads::a_caller_that_goes_away_does_not_stop_the_writing,
];

#[test]
#[ignore = "takes minutes: cargo test -p kiln-registry --test it -- --ignored postgres"]
fn the_tests_of_content_pass_on_postgresql() {
    let server = match Server::start() {
        Ok(server) => server,
        Err(why) => {
            let test = "postgres::the_tests_of_content_pass_on_postgresql";
            return crate::not_checked(test, &why);
        }
    };
    SERVER.set(Some((server.0.path().to_owned(), 0)));
    for (name, test) in SUITE {
        eprintln!("on PostgreSQL: {name}");
        test();
    }
    broken_connections_are_made_anew();
    SERVER.set(None);
}

/// An administrator ends every connection; the next statements find new ones.
fn broken_connections_are_made_anew() {
    let url = new_database().unwrap();
    let database = open(&url);
    let insert = |name: &'static str| {
        let database = database.clone();
        async move {
            let work = database.write(move |transaction| {
                let sql = "INSERT INTO garbage (object, due) VALUES ($1, 0)";
                transaction.execute(sql, &[name.into()])
            });
            work.await.map_err(|error: DatabaseError| error)
        }
    };
    let count = || {
        let database = database.clone();
        async move {
            let work = database.read(|transaction| {
                let row = transaction.first("SELECT COUNT(*) FROM garbage", &[])?;
                row.unwrap().get::<i64>(0)
            });
            work.await.map_err(|error: DatabaseError| error)
        }
    };
    runtime().block_on(async {
        insert("before").await.unwrap();
        assert_eq!(count().await.unwrap(), 1);
        let again = insert("before").await;
        assert!(matches!(again, Err(DatabaseError::Duplicate { .. })));
        let ending = database.write(|transaction| {
            let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                       WHERE datname = current_database()";
            transaction.query(sql, &[])
        });
        let ended: Result<_, DatabaseError> = ending.await;
        assert!(ended.is_err());
        // A connection may be found broken only by being used.
        while insert("after").await.is_err() {
            tokio::task::yield_now().await;
        }
        while count().await.is_err() {
            tokio::task::yield_now().await;
        }
        assert_eq!(count().await.unwrap(), 2);
    });
}
