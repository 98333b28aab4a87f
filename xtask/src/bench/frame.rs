//! The frame measured by itself: a pause, one twice as long, and a process that takes memory.
//!
//! Shows at a glance whether this machine is quiet enough to measure on: the second row's ratio
//! should be near 0.5 and its times close together.

use std::path::Path;
use std::process::Command;

use super::{Contender, Settings, Suite};

/// Three contenders of known behaviour.
pub(crate) fn suite(root: &Path, _: &Settings) -> Result<Suite, String> {
    let shell = |script: &'static str| {
        move || {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            command
        }
    };
    Ok(Suite {
        title: "the frame itself".to_owned(),
        folder: root.to_path_buf(),
        contenders: vec![
            Contender::new("sleep 0.1", shell("sleep 0.1")),
            Contender::new("sleep 0.2", shell("sleep 0.2")),
            // dd holds its whole block in memory.
            Contender::new(
                "dd bs=64M",
                shell("dd if=/dev/zero of=/dev/null bs=64M count=4"),
            ),
        ],
    })
}
