//! (g): a process in a small image, with nothing unpacked and with everything ready.

use std::path::PathBuf;
use std::rc::Rc;

use super::lab::{Lab, quietly, ulimits};
use super::{Contender, input, remove};

const IMAGE: &str = "base:1";
/// A container for crun: the root file system beside it, nothing that needs a cgroup.
const BUNDLE: &str = r#"{"ociVersion":"1.0.2","process":{"terminal":false,"user":{"uid":0,"gid":0},
"args":["true"],"env":["PATH=/bin"],"cwd":"/","noNewPrivileges":true},"root":{"path":"rootfs"},
"mounts":[{"destination":"/proc","type":"proc","source":"proc"}],
"linux":{"namespaces":[{"type":"pid"},{"type":"ipc"},{"type":"uts"},{"type":"mount"},{"type":"network"}]}}"#;

/// kiln and podman, cold and warm, and crun, which has neither images nor layers.
pub(super) fn contenders(lab: &Rc<Lab>) -> Result<Vec<Contender>, String> {
    // The image that every podman round starts from.
    let archive = lab.work().join("podman.tar");
    let mut save = lab.containers("buildah");
    save.args(["push", "--quiet", IMAGE]);
    quietly(save.arg(format!("oci-archive:{}:{IMAGE}", archive.display())))?;

    let bundle = lab.context("bundle")?;
    let rootfs = lab.rootfs("bundle/rootfs")?;
    // crun wants these to be there; engines make them.
    for folder in ["dev", "proc"] {
        std::fs::create_dir_all(rootfs.join(folder)).map_err(|error| error.to_string())?;
    }
    input::write(&bundle.join("config.json"), BUNDLE)?;

    let kiln = |name: &str, home: &'static str| {
        let lab = Rc::clone(lab);
        Contender::new(name, move || {
            let mut command = lab.kiln(home);
            command.args(["run", "--rm", "--network", "none", IMAGE, "true"]);
            command
        })
    };
    let podman = |name: &str| {
        let lab = Rc::clone(lab);
        Contender::new(name, move || {
            let mut command = lab.containers("podman");
            command.args(["run", "--rm", "--network", "none", "--cgroups", "disabled"]);
            command
                .args(["--pull", "never", "--log-driver", "none"])
                .args(ulimits());
            command.args([IMAGE, "true"]);
            command
        })
    };
    let (cold, load) = (Rc::clone(lab), Rc::clone(lab));
    let runs = Rc::clone(lab);
    Ok(vec![
        kiln("kiln, warm", "kiln"),
        podman("podman, warm"),
        Contender::new("crun, unpacked by hand", move || {
            let mut command = runs.tool("crun");
            command.args(["--cgroup-manager", "disabled", "run", "--bundle"]);
            command
                .arg(&bundle)
                .arg(format!("bench-{}", std::process::id()));
            command
        }),
        Contender {
            prepare: Box::new(move || {
                remove(&cold.work().join("kiln-cold"))?;
                cold.kiln_import("kiln-cold")
            }),
            ..kiln("kiln, cold", "kiln-cold")
        },
        Contender {
            // podman unpacks when it loads: a cold start includes that.
            name: "podman, cold (load and run)".to_owned(),
            prepare: Box::new(move || {
                quietly(load.containers("podman").args(["rmi", "--all", "--force"]))
            }),
            ..loads_and_runs(lab, archive)
        },
    ])
}

fn loads_and_runs(lab: &Rc<Lab>, archive: PathBuf) -> Contender {
    let lab = Rc::clone(lab);
    Contender::new("", move || {
        let mut command = lab.tool("sh");
        // $0 is podman's storage, $1 the archive, and the rest are flags of `run` and what to run.
        command.arg("-ec").arg(
            "podman() { command podman --root \"$storage\" --runroot \"$storage-run\" \
             --storage-driver overlay \"$@\"; }
             storage=$0 archive=$1; shift; podman load --quiet --input \"$archive\"
             podman run --rm --network none --cgroups disabled --log-driver none \"$@\"",
        );
        command.arg(lab.work().join("containers")).arg(&archive);
        command.args(ulimits()).args([IMAGE, "true"]);
        command
    })
}
