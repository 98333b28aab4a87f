//! ADD of local files and archives.

use crate::case::Case;

/// The same archive in every encoding: owners, modes and links in it are kept.
const ARCHIVES: &str = "
mkdir -p in/d; echo a > in/a; echo b > in/d/b; ln in/a in/hard; ln -s a in/soft; chmod 700 in/d; chmod 4755 in/a
chown 11:12 in/a; chown 13:14 in/d
tar --numeric-owner --mtime=@1400000000 -C in -cf plain.tar .
gzip -n -k plain.tar; bzip2 -k plain.tar; xz -k plain.tar
zstd -q -k plain.tar 2>/dev/null || cp plain.tar plain.tar.zst
cp plain.tar.gz no-suffix; rm -r in; echo text > text.tar";

pub(super) const CASES: &[Case] = &[
    Case::new("add-tar", "FROM base:1\nADD plain.tar /t/\n").context(ARCHIVES),
    Case::new("add-encodings", "FROM base:1\nADD plain.tar.gz /gz/\nADD plain.tar.bz2 /bz2/\nADD plain.tar.xz /xz/\nADD plain.tar.zst /zst/\nADD no-suffix /by-content/\n").context(ARCHIVES),
    Case::new("add-tar-without-slash", "FROM base:1\nADD plain.tar /new\nADD plain.tar /tmp\n").context(ARCHIVES),
    Case::new("add-tar-chown", "FROM base:1\nADD --chown=daemon:bin plain.tar /t/\n").context(ARCHIVES),
    Case::new("add-tar-chmod", "FROM base:1\nADD --chmod=640 plain.tar /t/\n").context(ARCHIVES),
    Case::new("add-no-archive", "FROM base:1\nADD text.tar /t/\nADD text.tar /u\n").context(ARCHIVES),
    Case::new("add-unpack-off", "FROM base:1\nADD --unpack=false plain.tar /t/\nADD --unpack=true plain.tar.gz /u/\n").context(ARCHIVES),
    Case::new("add-link", "FROM base:1\nADD --link plain.tar /t/\nADD --link text.tar /u/\n").context(ARCHIVES),
    Case::new("add-over-existing", "FROM base:1\nRUN mkdir -p /t/d && echo old > /t/a && chmod 711 /t\nADD plain.tar /t\n").context(ARCHIVES),
    Case::new("add-directory", "FROM base:1\nADD d /d\nADD d/*.txt /e/\n").context("mkdir d; echo 1 > d/1.txt; echo 2 > d/2.txt; echo 3 > d/3"),
    Case::new("add-exclude", "FROM base:1\nADD --exclude=3 d /d\n").context("mkdir d; echo 1 > d/1.txt; echo 3 > d/3"),
    Case::new("add-wildcard-archives", "FROM base:1\nADD *.tar /t/\n").context(ARCHIVES),
    Case::new("add-tar-in-directory", "FROM base:1\nADD d /t/\n").context("mkdir d in; echo x > in/x; tar -C in -cf d/x.tar .; rm -r in"),
];
