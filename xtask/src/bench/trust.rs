//! `cargo xtask bench trust`: kiln and cosign sign and verify on `kiln serve`, over loopback.
//!
//! Both sign as a bundle that refers to the image, without a log. kiln writes the older form as well in one contender, as it does by
//! default.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use super::registry::compile;
use super::registry::servers::{self, Server};
use super::{Contender, Settings, Suite};
use crate::peers;

/// Referrers of a stranger.
const JUNK: f64 = 300.0;

const PASSWORD: &str = "bench";

/// A registry with one image, and keys of both tools.
struct Lab {
    kiln: PathBuf,
    peers: PathBuf,
    server: Server,
}

impl Lab {
    fn start(root: &Path, settings: &Settings) -> Result<Rc<Self>, String> {
        let kiln = match &settings.kiln {
            Some(kiln) => kiln.clone(),
            None => compile(root, &["--package", "kiln"])?.join("kiln"),
        };
        let kiln =
            fs::canonicalize(&kiln).map_err(|error| format!("{}: {error}", kiln.display()))?;
        let server = servers::kiln(&kiln)?;
        let lab = Self {
            kiln,
            peers: peers::folder(None)?,
            server,
        };
        fs::create_dir_all(lab.folder().join("rootfs")).map_err(|error| error.to_string())?;
        fs::write(lab.folder().join("rootfs/motd"), "hello\n")
            .map_err(|error| error.to_string())?;
        lab.inside("tar -C rootfs -cf layer.tar . && crane --insecure append --oci-empty-base --new_layer layer.tar --new_tag $IMAGE")?;
        lab.inside("cosign generate-key-pair && cosign signing-config create --out signing.json && cosign trusted-root create --out root.json")?;
        lab.outside("$KILN key generate -o kiln && $KILN key generate -o stranger")?;
        Ok(Rc::new(lab))
    }

    fn folder(&self) -> &Path {
        self.server.folder()
    }

    /// What both tools find in their environment.
    fn with(&self, mut command: Command, script: &str) -> Command {
        let image = format!("{}/bench/image:1", self.server.address());
        command.args(["-ec", &format!("cd {}; {script}", self.folder().display())]);
        command
            .env("IMAGE", image)
            .env("KILN", &self.kiln)
            .env("KILN_HOME", self.folder().join("home"))
            .env("COSIGN_PASSWORD", PASSWORD)
            .env("DOCKER_CONFIG", self.folder().join("docker"));
        command
    }

    fn kiln(&self, script: &str) -> Command {
        self.with(Command::new("sh"), script)
    }

    fn cosign(&self, script: &str) -> Command {
        let mut command = peers::enter(&self.peers);
        command.arg("--share").arg(self.folder()).arg("sh");
        self.with(command, script)
    }

    fn outside(&self, script: &str) -> Result<(), String> {
        run(self.kiln(script))
    }

    fn inside(&self, script: &str) -> Result<(), String> {
        run(self.cosign(script))
    }

    fn suite(&self, title: String, contenders: Vec<Contender>) -> Suite {
        Suite {
            title,
            folder: self.folder().to_owned(),
            contenders,
        }
    }
}

fn run(mut command: Command) -> Result<(), String> {
    let output = command.output().map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

const COSIGN_SIGN: &str =
    "cosign sign --yes --allow-http-registry --key cosign.key --signing-config signing.json $IMAGE";
const COSIGN_VERIFY: &str = "cosign verify --allow-http-registry --key cosign.pub --trusted-root root.json --insecure-ignore-tlog $IMAGE";

/// A signature is made and verified.
pub(crate) fn sign(root: &Path, settings: &Settings) -> Result<Suite, String> {
    let lab = Lab::start(root, settings)?;
    let (one, two, three) = (Rc::clone(&lab), Rc::clone(&lab), Rc::clone(&lab));
    let contenders = vec![
        Contender::new("kiln, a bundle", move || {
            one.kiln("$KILN sign --format bundle --key kiln.key $IMAGE && $KILN verify --key kiln.pub $IMAGE")
        }),
        Contender::new("kiln, both forms", move || {
            two.kiln("$KILN sign --key kiln.key $IMAGE && $KILN verify --key kiln.pub $IMAGE")
        }),
        Contender::new("cosign, a bundle", move || {
            three.cosign(&format!("{COSIGN_SIGN} && {COSIGN_VERIFY}"))
        }),
    ];
    Ok(lab.suite("sign an image and verify it".to_owned(), contenders))
}

/// A signature is found among those of a stranger.
pub(crate) fn junk(root: &Path, settings: &Settings) -> Result<Suite, String> {
    let lab = Lab::start(root, settings)?;
    let count = ((JUNK * settings.scale) as usize).max(1);
    lab.outside("$KILN sign --format bundle --key kiln.key $IMAGE")?;
    lab.inside(COSIGN_SIGN)?;
    let strangers = format!(
        "for i in $(seq {count}); do $KILN sign --format bundle --key stranger.key -a n=$i $IMAGE; done"
    );
    lab.outside(&strangers)?;
    let (one, two, three) = (Rc::clone(&lab), Rc::clone(&lab), Rc::clone(&lab));
    let contenders = vec![
        Contender::new("kiln, its own signature", move || {
            one.kiln("$KILN verify --key kiln.pub $IMAGE")
        }),
        Contender::new("kiln, cosign's signature", move || {
            two.kiln("$KILN verify --key cosign.pub $IMAGE")
        }),
        Contender::new("cosign, its own signature", move || {
            three.cosign(COSIGN_VERIFY)
        }),
    ];
    Ok(lab.suite(
        format!("verify among {count} signatures of a stranger"),
        contenders,
    ))
}
