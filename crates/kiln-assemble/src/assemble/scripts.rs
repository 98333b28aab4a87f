//! Maintainer scripts: run in the sandbox, over the packages' layers, by the dpkg that is in them.
//!
//! ```text
//! layers of packages + links of a merged /usr + dpkg's database ("unpacked")
//!   -> in the sandbox, without a network: preinst of all, dpkg --configure
//!   -> what that changed, and the database, are one layer
//! ```
//!
//! Files are not unpacked a second time, so that packages still share layers between images. Services are kept
//! from starting by a `policy-rc.d` that exists only while the scripts run.

use std::fmt::Write as _;
use std::io::Read as _;
use std::sync::Arc;

use kiln_layer::{Entry, Kind, LayerIndex, Tree, squash};
use kiln_oci::Digest;
use kiln_packages::deb::Package;
use kiln_run::sandbox::{Mount, Network, Stdio, Stream};
use kiln_run::{Process, Rootfs, check_platform, spawn};
use kiln_store::CommitOptions;

use super::last::{Content, Last};
use super::package::Sifted;
use super::{AssembleContext, AssembleError, database, made};
use crate::spec::Architecture;

const DRIVER: &str = include_str!("driver.sh");

/// Where results are remembered.
const SPACE: &str = "assemble-scripts";

/// The most of the scripts' output that an error shows.
const MAX_OUTPUT: usize = 16 << 10;

/// Says to `invoke-rc.d` that nothing may be started.
const POLICY: &str = "#!/bin/sh\nexit 101\n";

/// The layer of what scripts and dpkg leave.
pub(super) fn write(
    context: &AssembleContext<'_>,
    architecture: Architecture,
    layers: &[Sifted],
    epoch: i64,
) -> Result<Arc<LayerIndex>, AssembleError> {
    let indexes: Vec<Arc<LayerIndex>> = layers
        .iter()
        .map(|layer| Arc::clone(&layer.index))
        .collect();
    let base = Tree::of(indexes.iter())?;
    let unpacked = unpacked(context, &base, layers, epoch)?;
    let process = process(context, architecture, layers, epoch);
    let key = key(&indexes, &unpacked, &process, epoch);
    if let Some(known) = known(context, &key)? {
        return Ok(known);
    }
    check_platform(&architecture.platform()).map_err(|error| failed("started", error))?;
    let changed = run(context, &indexes, &unpacked, &process, epoch)?;
    let mut writer = context.store.layer_writer(context.lease)?;
    squash(
        Some(&base),
        &[unpacked, changed],
        context.store,
        &mut writer,
    )
    .map_err(|error| failed("kept", error))?;
    let layer = context.store.commit_layer(context.lease, writer)?;
    let text = layer.diff_id.to_string();
    context.store.cache_put(SPACE, &key, text.as_bytes())?;
    Ok(layer)
}

fn failed(
    step: &'static str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> AssembleError {
    AssembleError::Sandbox {
        step,
        source: source.into(),
    }
}

/// The layer with dpkg's database, and with what must be there for anything to run.
fn unpacked(
    context: &AssembleContext<'_>,
    base: &Tree,
    layers: &[Sifted],
    epoch: i64,
) -> Result<Arc<LayerIndex>, AssembleError> {
    let all = layers.iter().flat_map(|layer| &layer.packages);
    let mut packages: Vec<_> = all
        .filter_map(|contents| Some((contents, contents.unpacked.as_ref()?)))
        .collect();
    packages.sort_by(|a, b| a.0.name().cmp(b.0.name()));
    let mut layer = Last::new(context, base, epoch)?;
    for (entry, content) in made::for_scripts(base).into_values() {
        layer.put(entry, Content::Here(content))?;
    }
    for name in database::DIRECTORIES {
        let path = format!("{}/{name}", database::ROOT);
        if base.get(path.as_bytes()).is_none() {
            layer.put(Entry::directory(path, 0o755), Content::Here(vec![]))?;
        }
    }
    for (path, mode, bytes) in database::files(&packages) {
        let size = bytes.len() as u64;
        let entry = Entry {
            mode,
            ..Entry::new(path, Kind::File { size })
        };
        layer.put(entry, Content::Here(bytes))?;
    }
    layer.finish(context)
}

/// What runs: the driver, told about the packages by its environment.
fn process(
    context: &AssembleContext<'_>,
    architecture: Architecture,
    layers: &[Sifted],
    epoch: i64,
) -> Process {
    let contents = layers.iter().flat_map(|layer| &layer.packages);
    let mut packages: Vec<&Package> = contents.map(|contents| &contents.package).collect();
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    let first = database::first(&packages);
    let mut lists = [String::new(), String::new()];
    for package in &packages {
        let list = &mut lists[usize::from(!first.contains(&package.name))];
        let _ = write!(list, "{}={} ", package.name, database::stem(package));
    }
    let [first, rest] = lists;
    let dpkg = packages.iter().find(|package| package.name == "dpkg");
    let version = dpkg.map_or_else(String::new, |dpkg| dpkg.version.to_string());
    // Who asks not to follow some relations means it here, too.
    let flags = match context.spec.assume.is_empty() {
        true => "--force-unsafe-io",
        false => "--force-unsafe-io --force-depends",
    };
    let mut process = Process::new(vec![
        "/bin/sh".to_owned(),
        "-c".to_owned(),
        DRIVER.to_owned(),
    ]);
    let epoch = epoch.to_string();
    process.env = [
        (
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        ),
        ("HOME", "/root"),
        ("LC_ALL", "C.UTF-8"),
        ("TZ", "UTC"),
        ("DEBIAN_FRONTEND", "noninteractive"),
        ("DEBCONF_NONINTERACTIVE_SEEN", "true"),
        ("DEBCONF_NOWARNINGS", "yes"),
        ("SOURCE_DATE_EPOCH", &epoch),
        ("ARCHITECTURE", architecture.debian()),
        ("VERSION", &version),
        ("FLAGS", flags),
        ("FIRST", first.trim_end()),
        ("REST", rest.trim_end()),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec();
    process.network = Network::None;
    process.hostname = "kiln".to_owned();
    process.mounts.push(Mount::File {
        target: "/usr/sbin/policy-rc.d".into(),
        content: POLICY.as_bytes().to_vec(),
        mode: 0o755,
        uid: 0,
        gid: 0,
        read_only: true,
    });
    process
}

/// Everything that the result depends on.
fn key(below: &[Arc<LayerIndex>], unpacked: &LayerIndex, process: &Process, epoch: i64) -> Digest {
    let mut text = format!("scripts 1\n{epoch}\n");
    for layer in below {
        let _ = writeln!(text, "{}", layer.diff_id);
    }
    let _ = writeln!(text, "{}", unpacked.diff_id);
    let _ = writeln!(
        text,
        "{:?} {:?} {:?}",
        process.args, process.env, process.mounts
    );
    Digest::sha256(text.as_bytes())
}

/// What the same scripts left the last time, if it is still there.
fn known(
    context: &AssembleContext<'_>,
    key: &Digest,
) -> Result<Option<Arc<LayerIndex>>, AssembleError> {
    let bytes = context.store.cache_get(SPACE, key)?;
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    let Some(diff_id) = text.and_then(|text| text.parse::<Digest>().ok()) else {
        return Ok(None);
    };
    // Held before it is looked for: a prune that runs beside cannot take it in between.
    context.lease.hold_blob(&diff_id)?;
    match context.store.has_blob(&diff_id)? {
        true => Ok(Some(context.store.layer_index(&diff_id)?)),
        false => Ok(None),
    }
}

/// Runs the scripts, and gives what they changed.
fn run(
    context: &AssembleContext<'_>,
    below: &[Arc<LayerIndex>],
    unpacked: &Arc<LayerIndex>,
    process: &Process,
    epoch: i64,
) -> Result<Arc<LayerIndex>, AssembleError> {
    let layers = below.iter().chain([unpacked]);
    let chain: Vec<Digest> = layers.clone().map(|layer| layer.diff_id).collect();
    let tree = Tree::of(layers)?;
    let lowers = context
        .store
        .snapshot(context.lease, &chain)
        .map_err(|error| failed("started", error))?;
    let upper = context
        .store
        .upper(context.lease)
        .map_err(|error| failed("started", error))?;
    let rootfs = Rootfs {
        lowers,
        upper: upper.dir().to_owned(),
        work: upper.work().to_owned(),
    };
    let (mut output, input) = std::io::pipe().map_err(|error| failed("started", error))?;
    let second = input
        .try_clone()
        .map_err(|error| failed("started", error))?;
    let stdio = Stdio {
        stdin: Stream::Null,
        stdout: Stream::Fd(input.into()),
        stderr: Stream::Fd(second.into()),
    };
    let mut child = spawn(process, &rootfs, stdio).map_err(|error| failed("started", error))?;
    let mut said = vec![];
    let mut buffer = vec![0; 64 << 10];
    // Whatever ends the reading, how the scripts ended counts.
    while let Ok(read @ 1..) = output.read(&mut buffer) {
        said.extend_from_slice(&buffer[..read]);
        let over = said.len().saturating_sub(MAX_OUTPUT);
        said.drain(..over);
    }
    let exit = child.wait().map_err(|error| failed("waited for", error))?;
    if !exit.status.success() {
        return Err(AssembleError::Scripts {
            code: exit.status.code(),
            output: String::from_utf8_lossy(&said).trim_end().to_owned(),
        });
    }
    let options = CommitOptions {
        clamp_mtime: Some(epoch),
        mount_points: exit.created_mount_points,
    };
    context
        .store
        .commit_upper(context.lease, upper, &chain, &tree, &options)
        .map_err(|error| failed("kept", error))
}
