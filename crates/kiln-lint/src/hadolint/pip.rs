//! What rules know of pip's command line.

use crate::shell::Invocation;

/// Options that take the next word.
pub(super) const WITH_VALUE: [&str; 30] = [
    "abi",
    "b",
    "build",
    "cache-dir",
    "cert",
    "client-cert",
    "config-settings",
    "default-timeout",
    "exists-action",
    "extra-index-url",
    "f",
    "find-links",
    "i",
    "implementation",
    "index-url",
    "log",
    "no-binary",
    "only-binary",
    "platform",
    "prefix",
    "progress-bar",
    "proxy",
    "python-version",
    "retries",
    "root",
    "src",
    "t",
    "target",
    "timeout",
    "trusted-host",
];

/// Whether the command is `pip install`, or the same by `python -m pip`.
pub(super) fn installs(command: &Invocation) -> bool {
    let module = command.name.starts_with("python")
        && command
            .args
            .windows(2)
            .any(|pair| pair[0].text == "-m" && pair[1].text == "pip");
    (command.name.starts_with("pip") || module) && command.has(&["install"])
}

/// Whether a requirement names a version, a file or a commit.
pub(super) fn is_pinned(name: &str) -> bool {
    if name.starts_with("git+") {
        return name.contains('@');
    }
    let file = [".whl", ".tar.gz", ".zip", ".tar"]
        .iter()
        .any(|end| name.ends_with(end));
    let compared = name.contains(['=', '<', '>', '~']);
    compared || file || name.contains('/') || name == "."
}
