//! Two images and what is said of their difference.

use kiln_analyze::Subject;
use kiln_analyze::diff::{self, DiffOptions, Difference, files::Change};
use kiln_layer::Entry;
use kiln_testkit::{ImageBuilder, Layer};

use crate::made::{of_image, subject};

fn compare(before: &Subject, after: &Subject) -> Difference {
    diff::diff(before, after, DiffOptions::default()).unwrap()
}

fn base() -> Layer {
    Layer::new()
        .directory("etc")
        .file("etc/a", "1")
        .file("etc/b", "2")
        .symlink("l", "etc/a")
}

fn paths(difference: &Difference) -> Vec<(&str, Change, Vec<&str>)> {
    let files = difference.files.iter();
    files
        .map(|file| (&*file.path, file.change, file.facts.clone()))
        .collect()
}

#[test]
fn an_image_does_not_differ_from_itself_nor_from_the_same_files_in_other_layers() {
    let whole = subject([base()]);
    assert!(compare(&whole, &whole).is_empty());
    let parts = subject([
        Layer::new().directory("etc").file("etc/a", "0"),
        Layer::new()
            .file("etc/b", "2")
            .file("etc/a", "1")
            .symlink("l", "etc/a"),
    ]);
    let difference = compare(&whole, &parts);
    assert!(difference.is_empty(), "{:?}", difference.files);
    assert_eq!(difference.shared_layers, 0);
    assert!(diff::text(&difference, 10).contains("No difference in files"));
}

#[test]
fn files_that_differ_are_told_by_how() {
    let changes = Layer::new()
        .file_with_mode("etc/a", "1", 0o600)
        .file("etc/b", "22")
        .symlink("l", "etc/b")
        .file("new/c", "333");
    let difference = compare(&subject([base()]), &subject([base(), changes]));
    assert_eq!(difference.shared_layers, 1);
    assert_eq!(
        paths(&difference),
        [
            ("etc/a", Change::Metadata, vec!["mode"]),
            ("etc/b", Change::Modified, vec!["content"]),
            ("l", Change::Modified, vec!["target"]),
            ("new", Change::Added, vec![]),
            ("new/c", Change::Added, vec![]),
        ]
    );
    let totals = &difference.totals;
    assert_eq!((totals.modified.before, totals.modified.after), (1, 2));
    assert_eq!((totals.added.paths, totals.added.after), (2, 3));
    let text = diff::text(&difference, 10);
    assert!(text.contains("M        +1 B  /etc/b  content"), "{text}");
}

#[test]
fn removals_and_kinds() {
    let changes = Layer::new().whiteout("etc").directory("l");
    let difference = compare(&subject([base()]), &subject([base(), changes]));
    let removed = ["etc", "etc/a", "etc/b"].map(|path| (path, Change::Removed, vec![]));
    let mut expected = removed.to_vec();
    expected.push(("l", Change::Modified, vec!["kind"]));
    assert_eq!(paths(&difference), expected);
}

#[test]
fn layers_of_the_same_numbers_are_not_taken_for_the_same() {
    // Both images have `x` as the first entry of their second layer.
    let one = subject([base(), Layer::new().file("x", "one")]);
    let two = subject([base(), Layer::new().file("x", "two!")]);
    assert_eq!(
        paths(&compare(&one, &two)),
        [("x", Change::Modified, vec!["content"])]
    );
}

#[test]
fn times_and_attributes() {
    let at = |seconds, capability: &[u8]| {
        let mut entry = Entry::directory("d", 0o755);
        entry.mtime.seconds = seconds;
        if !capability.is_empty() {
            entry
                .xattrs
                .insert(b"security.capability".to_vec(), capability.to_vec());
        }
        subject([Layer::new().entry(&entry)])
    };
    assert!(compare(&at(1, b""), &at(2, b"")).is_empty());
    let times = DiffOptions { times: true };
    let difference = diff::diff(&at(1, b""), &at(2, b""), times).unwrap();
    assert_eq!(paths(&difference), [("d", Change::Metadata, vec!["time"])]);
    let difference = compare(&at(1, b""), &at(1, b"cap"));
    assert_eq!(
        paths(&difference),
        [("d", Change::Metadata, vec!["attributes"])]
    );
}

fn with_status(status: &str, apk: &str) -> Subject {
    let layer = Layer::new()
        .file("var/lib/dpkg/status", status)
        .file("lib/apk/db/installed", apk)
        .file("var/lib/rpm/rpmdb.sqlite", "x");
    let image = ImageBuilder::new().layer(&layer.tar()).build();
    of_image("image", image)
}

#[test]
fn packages_are_compared_by_version() {
    let package = |name: &str, version: &str| {
        format!(
            "Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n\n"
        )
    };
    let before = with_status(
        &(package("libc6", "2.41-1") + &package("old", "1")),
        "P:musl\nV:1.2.5-r0\n\n",
    );
    let after = with_status(
        &(package("libc6", "2.42-1") + &package("new", "3")),
        "P:musl\nV:1.2.5-r0\n\n",
    );
    let difference = compare(&before, &after);
    let changes: Vec<_> = difference
        .packages
        .iter()
        .map(|change| {
            (
                &*change.name,
                change.before.as_deref(),
                change.after.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        changes,
        [
            ("libc6:amd64", Some("2.41-1"), Some("2.42-1")),
            ("new:amd64", None, Some("3")),
            ("old:amd64", Some("1"), None),
        ]
    );
    assert_eq!(difference.unread_packages, ["/var/lib/rpm/rpmdb.sqlite"]);
    let text = diff::text(&difference, 10);
    assert!(
        text.contains("M  libc6:amd64  2.41-1  2.42-1  deb"),
        "{text}"
    );
    assert!(text.contains("not compared: the packages in /var/lib/rpm/rpmdb.sqlite"));
}

#[test]
fn a_damaged_database_is_an_error_that_names_it() {
    let bad = with_status(
        "Package: a\nStatus: what\nVersion: 1\nArchitecture: all\n",
        "",
    );
    let error = diff::diff(&bad, &with_status("", ""), DiffOptions::default()).unwrap_err();
    assert!(
        error.to_string().contains("/var/lib/dpkg/status"),
        "{error}"
    );
}

#[test]
fn config_and_history_are_compared() {
    let tar = base().tar();
    let image = |change: fn(&mut kiln_oci::ImageConfig)| {
        of_image("x", ImageBuilder::new().layer(&tar).config(change).build())
    };
    let before = image(|config| {
        config.config.set_env("PATH", "/bin");
        config.config.user = "app".to_owned();
        config.created = Some("2026-01-01T00:00:00Z".to_owned());
    });
    let after = image(|config| {
        config.config.set_env("PATH", "/usr/bin");
        config.config.cmd = Some(vec!["sh".to_owned()]);
        config.history[0].created_by = Some("COPY x /".to_owned());
    });
    let difference = compare(&before, &after);
    let fields: Vec<_> = difference
        .config
        .iter()
        .map(|change| &*change.field)
        .collect();
    assert_eq!(fields, ["CMD", "ENV PATH", "USER"]);
    assert_eq!(difference.config[0].after.as_deref(), Some("[\"sh\"]"));
    assert_eq!(difference.history.before, ["layer 0"]);
    assert_eq!(difference.history.after, ["COPY x /"]);
    let markdown = diff::markdown(&difference, 10);
    assert!(
        markdown.contains("| ENV PATH | /bin | /usr/bin |"),
        "{markdown}"
    );
}
