//! Contexts and sources that are git repositories.

use crate::case::Case;

const FILES: &str = "
mkdir -p bin sub/deep; echo main > main; echo '#!/bin/sh' > bin/run; chmod 755 bin/run; chmod 600 main
ln -s ../main bin/link; echo deep > sub/deep/file; echo ignored > left-out; echo left-out > .dockerignore
printf 'FROM base:1\\nCOPY . /sub/\\n' > sub/Dockerfile; printf 'FROM base:1\\nRUN echo other > /o\\n' > other.Dockerfile";

pub(super) const CASES: &[Case] = &[
    Case::new("git-context", "FROM base:1\nCOPY . /all/\n")
        .context(FILES)
        .repository(""),
    Case::new("git-tag", "FROM base:1\nCOPY bin /b/\n")
        .context(FILES)
        .repository("#v1"),
    Case::new("git-subdirectory", "FROM base:1\nCOPY nothing /\n")
        .context(FILES)
        .repository("#main:sub"),
    Case::new(
        "git-subdirectory-of-default",
        "FROM base:1\nCOPY nothing /\n",
    )
    .context(FILES)
    .repository("#:sub"),
    Case::new("git-file", "FROM base:1\nCOPY nothing /\n")
        .context(FILES)
        .repository("")
        .flags(&["--file", "other.Dockerfile"]),
    Case::new(
        "git-add",
        "FROM base:1\nARG REPOSITORY\nADD $REPOSITORY /from/\n",
    )
    .context(FILES)
    .repository(""),
    Case::new(
        "git-add-modes",
        "FROM base:1\nARG REPOSITORY\nADD --chmod=711 --chown=3:4 $REPOSITORY#v1:sub /from/\n",
    )
    .context(FILES)
    .repository(""),
    Case::new("git-no-such-branch", "FROM base:1\n")
        .context(FILES)
        .repository("#none")
        .refused(),
    Case::new("git-no-such-directory", "FROM base:1\n")
        .context(FILES)
        .repository("#main:none")
        .refused(),
];
