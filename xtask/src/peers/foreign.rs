//! Programs for other processors: a static busybox of each, to be run under an emulator or by a kernel that
//! runs both kinds. They are a plus: where they cannot be had, their checks say that they were not made.

use std::path::Path;

use super::{enter, run_logged};

/// Debian's names.
const ARCHITECTURES: [&str; 2] = ["arm64", "i386"];

const SCRIPT: &str = include_str!("foreign.sh");

/// Brings what is missing into the root at `sid` of the folder `dir`.
pub(crate) fn prepare(dir: &Path, sid: &Path) {
    for architecture in ARCHITECTURES {
        if sid
            .join("foreign")
            .join(architecture)
            .join("busybox")
            .exists()
        {
            continue;
        }
        println!("peers: fetching a busybox for {architecture}");
        let mut command = enter(dir);
        command.args(["sh", "-c", SCRIPT, "sh", architecture]);
        let log = dir.join(format!("foreign-{architecture}.log"));
        if let Err(error) = run_logged(&mut command, &log, "apt-get") {
            println!("peers: there is none, go on without it: {error}");
        }
    }
}
