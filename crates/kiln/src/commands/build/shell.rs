//! `--shell-on-fail`: a shell in the root file system of a failed step, with its environment and user.

use kiln_build::Kept;
use kiln_run::sandbox::{Stdio, Stream};
use kiln_run::{Rootfs, spawn};
use kiln_store::Store;

use crate::ui::{self, report::Report};

/// Starts the image's shell and waits until it ends. What is changed in it is gone afterwards.
pub(super) fn shell(store: &Store, kept: &Kept) -> Result<(), Report> {
    ui::note("---- a shell where the step failed; leave it with `exit`");
    let lease = store.lease()?;
    let lowers = store.snapshot(&lease, &kept.chain)?;
    let rootfs = Rootfs {
        lowers,
        upper: kept.upper.clone(),
        work: kept.work.clone(),
    };
    let mut process = kept.process.clone();
    process.args = vec!["/bin/sh".to_owned()];
    let stdio = Stdio {
        stdin: Stream::Inherit,
        stdout: Stream::Inherit,
        stderr: Stream::Inherit,
    };
    spawn(&process, &rootfs, stdio)?.wait()?;
    Ok(())
}
