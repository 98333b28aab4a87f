//! Here-documents in RUN and COPY.

use crate::case::Case;

pub(super) const CASES: &[Case] = &[
    Case::new(
        "heredoc-copy",
        "FROM base:1\nARG who=world\nCOPY <<a <<\"b\" /d/\nhello $who\na\nhello $who\nb\nCOPY <<EOF /one\nline 1\n\n  line 3 \\$who ${who}\nEOF\n",
    ),
    Case::new(
        "heredoc-copy-flags",
        "FROM base:1\nCOPY --chown=daemon --chmod=750 <<-'EOF' /x/script.sh\n\t#!/bin/sh\n\t\techo $1\n\tEOF\n",
    ),
    Case::new(
        "heredoc-copy-mixed",
        "FROM base:1\nCOPY f <<here /m/\ninline\nhere\n",
    )
    .context("echo f > f"),
    Case::new("heredoc-add", "FROM base:1\nADD <<EOF /added\ntext\nEOF\n"),
    Case::new(
        "heredoc-run",
        "FROM base:1\nARG x=1\nRUN <<EOF\nset -e\necho \"x is $x\" > /out\nmkdir /d\nEOF\n",
    ),
    Case::new(
        "heredoc-run-script",
        "FROM base:1\nRUN <<EOF\n#!/bin/sh\necho \"$0\" | sed 's/[0-9]//g' > /out\necho done >> /out\nEOF\n",
    ),
    Case::new(
        "heredoc-run-shell-words",
        "FROM base:1\nRUN cat <<A > /a && cat <<'B' > /b\nhome $HOME\nA\nhome $HOME\nB\nRUN <<E cat > /c\ntext\nE\n",
    ),
    Case::new(
        "heredoc-run-chomp",
        "FROM base:1\nRUN <<-EOF\n\techo tab > /out\n\tEOF\n",
    ),
    Case::new("heredoc-empty", "FROM base:1\nCOPY <<EOF /empty\nEOF\n"),
    Case::new("heredoc-onbuild", "FROM parent:1\nRUN true\n")
        .parent("FROM base:1\nONBUILD RUN <<EOF\necho one > /onbuild\nEOF\n"),
];
