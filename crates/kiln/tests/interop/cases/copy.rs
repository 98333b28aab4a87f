//! COPY: what is taken, where it lands, and as whose.

use crate::case::Case;

/// A tree with folders, links of both kinds and odd modes.
const TREE: &str = "
mkdir -p tree/sub/deep tree/empty
echo a > tree/a; echo b > tree/sub/b; echo c > tree/sub/deep/c
ln -s a tree/to-a; ln -s /etc/passwd tree/out; ln -s nowhere tree/dangling
ln tree/a tree/sub/hard
chmod 750 tree/sub; chmod 600 tree/sub/b; chmod 4755 tree/sub/deep/c; chmod 2775 tree/empty";

/// Files that patterns tell apart.
const NAMES: &str = "
mkdir -p d1 d2/x 'with space'
touch a.c b.c ab.c A.c a.h 'x[1].c' .hidden.c d1/one.c d1/two.h d2/x/deep.c 'with space/f.c'";

pub(super) const CASES: &[Case] = &[
    Case::new("copy-file", "FROM base:1\nCOPY f /f\nCOPY f /dir/\nCOPY f dir2/g\nCOPY f .\n").context("echo f > f"),
    Case::new("copy-everything", "FROM base:1\nCOPY . /all/\n").context(TREE),
    Case::new("copy-directory-contents", "FROM base:1\nCOPY tree /t1\nCOPY tree/ /t2/\nCOPY tree /tmp\n").context(TREE),
    Case::new("copy-onto-scratch", "FROM scratch\nCOPY tree /t\nCOPY tree/a /\n").context(TREE),
    Case::new("copy-several-sources", "FROM base:1\nCOPY a.c d1 d2 b.c /s/\nCOPY a.c b.c ./\n").context(NAMES),
    Case::new("copy-wildcards", "FROM base:1\nCOPY *.c /star/\nCOPY ?.c /mark/\nCOPY [ab].c /class/\nCOPY [^a].c /not/\nCOPY d*/*.c /deep/\n").context(NAMES),
    Case::new("copy-wildcard-directory", "FROM base:1\nCOPY d* /d/\nCOPY d[1] /one\n").context(NAMES),
    Case::new("copy-wildcard-nothing", "FROM base:1\nCOPY a.c *.none /n/\nCOPY *.none /m/\n").context(NAMES),
    Case::new("copy-wildcard-optional", "FROM base:1\nCOPY nothin[g] a.[c] /o/\n").context(NAMES),
    Case::new("copy-escaped-names", "FROM base:1\nCOPY [\"with space\", \"/w/\"]\nCOPY [\"x[[]1].c\", \"/x/\"]\n").context(NAMES),
    Case::new("copy-dotdot", "FROM base:1\nCOPY ../../tree/a /a\nCOPY tree/sub/../a /b\nCOPY /tree/a /c\nCOPY ./tree/./a /d/../e\n").context(TREE),
    Case::new("copy-through-link", "FROM base:1\nCOPY link/b /b\nCOPY link /l\nCOPY link/ /m\nCOPY file-link /f\nCOPY top/file-link /g/\n")
        .context("mkdir -p top/sub; echo b > top/sub/b; ln -s top/sub link; ln -s top/sub/b file-link; ln -s sub/b top/file-link"),
    Case::new("copy-absolute-link", "FROM base:1\nCOPY link/b /b\nCOPY link2 /f\n")
        .context("mkdir -p top/sub; echo b > top/sub/b; ln -s /top/sub link; ln -s /top/sub/b link2"),
    Case::new("copy-to-link", "FROM base:1\nRUN mkdir /real && ln -s /real /link && ln -s real/f /rf && ln -s /new/place /dangling\nCOPY f /link/\nCOPY f /link/sub/g\nCOPY f /rf\n").context("echo f > f"),
    Case::new("copy-to-dangling-link", "FROM base:1\nRUN ln -s /new/place /dangling\nCOPY f /dangling\n").context("echo f > f"),
    Case::new("copy-directory-to-link", "FROM base:1\nRUN mkdir /real && ln -s real /link\nCOPY tree /link\n").context(TREE),
    Case::new("copy-directory-over-directory", "FROM base:1\nRUN mkdir -p -m 700 /t/sub && chown 1:1 /t /t/sub && echo old > /t/a\nCOPY tree /t\n").context(TREE),
    Case::new("copy-over-link", "FROM base:1\nRUN mkdir /t && ln -s /etc/passwd /t/a\nCOPY tree /t/\n").context("mkdir tree; echo a > tree/a"),
    Case::new("copy-file-over-existing", "FROM base:1\nRUN echo old > /f && chmod 600 /f && chown 2:2 /f\nCOPY f /f\n").context("echo new > f"),
    Case::new("copy-same-twice", "FROM base:1\nCOPY f /f\nCOPY f /f\n").context("echo f > f"),
    Case::new("copy-chown-names", "FROM base:1\nCOPY --chown=daemon f /a\nCOPY --chown=daemon:bin f /b\nCOPY --chown=nobody tree /new/place/\nCOPY --chown=:bin f /c\n").context(TREE_AND_FILE),
    Case::new("copy-chown-numbers", "FROM base:1\nCOPY --chown=55 f /a\nCOPY --chown=55:66 f /b\nCOPY --chown=1:bin tree /x/y/z\nCOPY --chown=4294967294:1 f /big\n").context(TREE_AND_FILE),
    Case::new("copy-chown-from-stage", "FROM base:1 AS s\nCOPY --chown=daemon:bin tree /t\nFROM base:1\nCOPY --from=s /t /kept\nCOPY --from=s --chown=nobody /t /changed\n").context(TREE),
    Case::new("copy-chmod-octal", "FROM base:1\nCOPY --chmod=755 f /a\nCOPY --chmod=0600 tree /t\nCOPY --chmod=4711 f /n/b\nCOPY --chmod=0 f /zero\n").context(TREE_AND_FILE),
    Case::new("copy-chmod-symbolic", "FROM base:1\nCOPY --chmod=u=rwX,go=rX tree /t\nCOPY --chmod=+x f /a\nCOPY --chmod=g=u f /b\nCOPY --chmod=u+s,o-r f /c\nCOPY --chmod=a-w tree/sub /d\nCOPY --chmod=go= tree /e\n").context(TREE_AND_FILE),
    Case::new("copy-chmod-chown", "FROM base:1\nCOPY --chown=daemon --chmod=2750 tree /p/t\n").context(TREE),
    Case::new("copy-link", "FROM base:1\nCOPY --link tree /t\nCOPY --link f /new/f\nCOPY --link f /tmp/f\nCOPY --link f /etc/\n").context(TREE_AND_FILE),
    Case::new("copy-link-over-link", "FROM base:1\nRUN mkdir /real && ln -s real /l\nCOPY --link f /l/\n").context("echo f > f"),
    Case::new("copy-link-numeric-chown", "FROM base:1\nCOPY --link --chown=7:8 --chmod=640 f /x/y/\n").context("echo f > f"),
    Case::new("copy-parents", "FROM base:1\nCOPY --parents d1/one.c d2/x/deep.c /p/\nCOPY --parents d*/*.c /q/\nCOPY --parents d2 /r/\n").context(NAMES).judged_by_buildah(),
    Case::new("copy-parents-pivot", "FROM base:1\nCOPY --parents d2/./x/deep.c /p/\n").context(NAMES).judged_by_buildah(),
    Case::new("copy-parents-double-star", "FROM base:1\nCOPY --parents **/*.c /p/\nCOPY --parents d2/**/deep.c /q/\n").context(NAMES).judged_by_buildah(),
    Case::new("copy-parents-from", "FROM base:1 AS s\nRUN mkdir -p -m 700 /a/b && chown 3:4 /a/b && echo x > /a/b/x\nFROM base:1\nCOPY --parents --from=s /a/b/x /p/\nCOPY --parents --from=s /a/./b/x /q/\n").judged_by_buildah(),
    Case::new("copy-exclude", "FROM base:1\nCOPY --exclude=*.h --exclude=d2 . /e/\nCOPY --exclude=**/*.c . /f/\nCOPY --exclude=two.h d1 /g/\n").context(NAMES),
    Case::new("copy-exclude-negated", "FROM base:1\nCOPY --exclude=*.c --exclude=!a.c . /e/\n").context(NAMES),
    Case::new("copy-exclude-wildcard", "FROM base:1\nCOPY --exclude=b* *.c /e/\nCOPY --exclude=deep.c d* /f/\n").context(NAMES),
    Case::new("copy-hard-links", "FROM base:1\nCOPY . /h/\nCOPY one /i/one\nCOPY one two /j/\n").context("echo x > one; ln one two; mkdir d; ln one d/three"),
    Case::new("copy-parents-made", "FROM base:1\nCOPY f /a/b/c/f\nCOPY f /a/b/d/\nUSER daemon\nCOPY f /u/v/f\n").context("echo f > f"),
    Case::new("copy-relative", "FROM base:1\nWORKDIR /w/x\nCOPY f g\nCOPY f sub/\nCOPY f ../up\nCOPY f .\n").context("echo f > f"),
    Case::new("copy-special", "FROM base:1\nCOPY . /s/\n").context("mkfifo fifo; mknod dev c 1 3; truncate -s 1M sparse; printf x > empty-not; : > empty"),
    Case::new("copy-odd-names", "FROM base:1\nCOPY . /o/\n")
        .context("mkdir d; touch \"$(printf 'd/new\\nline')\" 'd/ü' 'd/a b' 'd/-x' 'd/.wh' 'd/back\\slash'; n=$(printf '%0250d' 1); touch d/$n; mkdir -p d/$n.d/$n; touch d/$n.d/$n/f"),
    Case::new("copy-name-of-bytes", "FROM base:1\nCOPY . /o/\n").context("mkdir d; touch \"$(printf 'd/\\377bytes')\"").judged_by_buildah(),
    Case::new("copy-several-without-slash", "FROM base:1\nCOPY a b /c\n").context("touch a b"),
    Case::new("copy-several-to-existing", "FROM base:1\nWORKDIR /app\nCOPY a b /app\nCOPY a b .\n").context("touch a b"),
    Case::new("copy-several-directories", "FROM base:1\nCOPY one two /x\n").context("mkdir one two; touch one/a two/b"),
    Case::new("copy-wildcard-without-slash", "FROM base:1\nCOPY *.a /d\nCOPY *.b /tmp\n").context("echo 1 > 1.a; touch 1.b 2.b"),
    Case::new("copy-chown-unknown", "FROM base:1\nCOPY --chown=nosuchuser f /f\n").context("touch f"),
    Case::new("copy-link-loop", "FROM base:1\nCOPY . /l/\n").context("mkdir d; ln -s d/up d/up; ln -s ../d d/self"),
    Case::new("copy-xattr-context", "FROM base:1\nCOPY . /x/\n").context("echo f > f; setfattr -n user.note -v hi f 2>/dev/null || true"),
    Case::new("copy-owner-context", "FROM base:1\nCOPY . /x/\n").context("echo f > f; mkdir d; chown 5:6 f d; chmod 1777 d"),
    Case::new("copy-empty-directory", "FROM base:1\nCOPY empty /e\nCOPY empty /f/g/\n").context("mkdir empty"),
];

const TREE_AND_FILE: &str = "
mkdir -p tree/sub; echo f > f; echo a > tree/a; echo b > tree/sub/b; ln -s a tree/l
chmod 750 tree/sub; chmod 755 tree/sub/b";
