//! How fast a layer is unpacked, and made of the directory again: `cargo run --release --example unpack_speed -- LAYER.tar [ROUNDS]`,
//! with an uncompressed tar. Prints entries per second of
//! each round.

#![allow(
    clippy::print_stdout,
    reason = "because an example talks to whoever runs it"
)]

use std::error::Error;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use kiln_layer::{LayerIndex, LayerWriter, Tree, index_tar};
use kiln_oci::Digest;
use kiln_store::snapshot::{CommitOptions, Layers, Marks, Snapshots};

struct One {
    index: Arc<LayerIndex>,
    tar: PathBuf,
}

type BoxError = Box<dyn Error + Send + Sync>;

impl Layers for One {
    fn index(&self, _: &Digest) -> Result<Arc<LayerIndex>, BoxError> {
        Ok(Arc::clone(&self.index))
    }

    fn tar(&self, _: &Digest) -> Result<File, BoxError> {
        Ok(File::open(&self.tar)?)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let tar = PathBuf::from(arguments.next().ok_or("give the path of a tar")?);
    let rounds = arguments
        .next()
        .map_or(Ok(3), |text| text.to_string_lossy().parse::<u32>())?;
    let index = Arc::new(index_tar(File::open(&tar)?, &mut io::sink())?);
    let (diff_id, entries) = (index.diff_id, index.entries.len());
    let layers = One { index, tar };
    let scratch = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tmp/unpack-speed");
    for directory in ["snapshots", "work"] {
        fs::create_dir_all(scratch.join(directory))?;
    }
    let snapshots = Snapshots::new(scratch.join("snapshots"), Marks::Trusted);
    let work = scratch.join("work");
    for _ in 0..rounds {
        let began = Instant::now();
        drop(snapshots.snapshot(&layers, &work, &[diff_id])?);
        let took = began.elapsed();
        let rate = entries as f64 / took.as_secs_f64();
        println!("{entries} entries in {took:?}: {rate:.0}/s");
        diff(&snapshots, &layers, &work)?;
        for snapshot in snapshots.list()? {
            snapshots.remove(&snapshot.name, &work)?;
        }
    }
    fs::remove_dir_all(&scratch)?;
    Ok(())
}

/// Takes the unpacked layer for an upper directory over nothing.
fn diff(snapshots: &Snapshots, layers: &One, work: &Path) -> Result<(), Box<dyn Error>> {
    let diff_id = layers.index.diff_id;
    let unpacked = snapshots.snapshot(layers, work, &[diff_id])?;
    let upper = snapshots.upper(work)?;
    fs::remove_dir(upper.dir())?;
    fs::rename(unpacked[0].path(), upper.dir())?;
    let began = Instant::now();
    let mut layer = LayerWriter::new(File::create(work.join("layer.tar"))?);
    snapshots.diff(&upper, &Tree::new(), &CommitOptions::default(), &mut layer)?;
    let (_, index) = layer.finish()?;
    let took = began.elapsed();
    let rate = index.entries.len() as f64 / took.as_secs_f64();
    println!(
        "{} entries back in {took:?}: {rate:.0}/s",
        index.entries.len()
    );
    Ok(())
}
