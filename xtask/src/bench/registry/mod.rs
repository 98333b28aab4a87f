//! `cargo xtask bench registry`: `kiln serve` and Debian's docker-registry under the same load, in turn.
//!
//! Both run the whole time, open and on loopback, with a directory each on the same file system; one is
//! idle while the other works. The load comes from an example of kiln-registry, so that what the client
//! takes is the same for both.

pub(super) mod servers;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use serde_json::Value;

use super::report::{median, write_table};
use super::{Settings, machine};
use servers::Server;

/// A load and for how many clients at once.
struct Work {
    title: &'static str,
    /// As the example calls it.
    name: &'static str,
    /// Bytes of a blob.
    size: usize,
    /// Operations in a round for one client; more clients share more, up to this times eight.
    operations: usize,
    clients: &'static [usize],
}

const FEW: &[usize] = &[1, 8];
const MANY: &[usize] = &[1, 8, 64, 128];

const WORKS: &[Work] = &[
    work("manifest HEAD", "manifest-head", 1 << 10, 1000, MANY),
    work("manifest GET", "manifest-get", 1 << 10, 1000, MANY),
    work("blob HEAD", "blob-head", 1 << 10, 1000, MANY),
    work("pull 4 kB", "pull", 4 << 10, 1000, MANY),
    work("pull 1 MB", "pull", 1_000_000, 100, MANY),
    work("pull 10 MB", "pull", 10_000_000, 20, FEW),
    work("pull 100 MB", "pull", 100_000_000, 4, FEW),
    work("push 1,000 blobs of 4 kB", "push", 4 << 10, 125, FEW),
    work("push 1 MB", "push", 1_000_000, 25, FEW),
    work("push 10 MB", "push", 10_000_000, 5, FEW),
    work("push 100 MB", "push", 100_000_000, 1, &[1, 4]),
    work("all tags by 1,000", "tags", 0, 5, &[1]),
];

const fn work(
    title: &'static str,
    name: &'static str,
    size: usize,
    operations: usize,
    clients: &'static [usize],
) -> Work {
    Work {
        title,
        name,
        size,
        operations,
        clients,
    }
}

const TAGS: usize = 100_000;

/// What one run of the example said.
struct Sample {
    seconds: f64,
    operations: f64,
    p50: f64,
    p99: f64,
}

/// Runs every load on both and prints what came out.
pub(crate) fn run(root: &Path, settings: &Settings) -> Result<ExitCode, String> {
    let kiln = match &settings.kiln {
        Some(kiln) => kiln.clone(),
        None => compile(root, &["--package", "kiln"])?.join("kiln"),
    };
    let load = compile(root, &["--package", "kiln-registry", "--example", "load"])?;
    let load = load.join("examples/load");
    let tags = ((TAGS as f64 * settings.scale) as usize).max(1);
    let mut pair = [servers::kiln(&kiln)?, servers::peer()?];
    for server in &mut pair {
        let filled = loaded(&load, server, &["fill", "--size", "1024"])?;
        server.make_tags(&filled, tags)?;
    }
    println!("### a registry\n");
    let folder = pair[0].folder();
    println!(
        "{}. Medians of {} rounds in turn; {tags} tags.\n",
        machine::describe(folder),
        settings.rounds
    );
    let mut table = vec![head()];
    for work in WORKS {
        for clients in work.clients {
            table.push(compare(&load, &pair, work, *clients, settings)?);
        }
    }
    println!("{}", Table(table));
    println!("{}", Table(servers::memory(&pair)?));
    Ok(ExitCode::SUCCESS)
}

fn head() -> Vec<String> {
    let columns = [
        "work",
        "clients",
        "kiln /s",
        "peer /s",
        "kiln ÷ peer",
        "kiln p50, p99 ms",
        "peer p50, p99 ms",
    ];
    columns.map(str::to_owned).to_vec()
}

/// One row: both under one load.
fn compare(
    load: &Path,
    pair: &[Server; 2],
    work: &Work,
    clients: usize,
    settings: &Settings,
) -> Result<Vec<String>, String> {
    let operations = (work.operations * clients.min(8)) as f64 * settings.scale;
    let operations = (operations as usize).max(1).to_string();
    let (clients_text, size) = (clients.to_string(), work.size.to_string());
    if matches!(work.name, "pull" | "blob-head") {
        for server in pair {
            loaded(load, server, &["fill", "--size", &size])?;
        }
    }
    let arguments = [
        work.name,
        "--clients",
        &clients_text,
        "--operations",
        &operations,
        "--size",
        &size,
    ];
    let mut samples: [Vec<Sample>; 2] = [vec![], vec![]];
    for round in 0..=settings.rounds {
        for (server, samples) in pair.iter().zip(&mut samples) {
            let sample = sample(&loaded(load, server, &arguments)?)?;
            // The first warms the caches.
            if round > 0 {
                samples.push(sample);
            }
        }
    }
    let [kiln, peer] = samples.map(|samples| {
        let of = |value: fn(&Sample) -> f64| median(samples.iter().map(value).collect());
        (
            of(|sample| sample.operations / sample.seconds),
            of(|sample| sample.p50),
            of(|sample| sample.p99),
        )
    });
    eprintln!(
        "{} with {clients}: {:.0} and {:.0} /s",
        work.title, kiln.0, peer.0
    );
    let rate = |rate: f64| match rate < 100.0 {
        true => format!("{rate:.1}"),
        false => format!("{rate:.0}"),
    };
    Ok(vec![
        work.title.to_owned(),
        clients_text,
        rate(kiln.0),
        rate(peer.0),
        format!("{:.2}", kiln.0 / peer.0),
        format!("{:.2}, {:.2}", kiln.1, kiln.2),
        format!("{:.2}, {:.2}", peer.1, peer.2),
    ])
}

/// Runs the example on a server; what it printed.
fn loaded(load: &Path, server: &Server, arguments: &[&str]) -> Result<Value, String> {
    let output = Command::new(load)
        .arg(server.address())
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{}: {error}", load.display()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{} {arguments:?}: {}", server.name(), said.trim()));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())
}

fn sample(said: &Value) -> Result<Sample, String> {
    let number = |key: &str| said[key].as_f64().ok_or(format!("no {key} in {said}"));
    Ok(Sample {
        seconds: number("seconds")?,
        operations: number("operations")?,
        p50: number("p50")?,
        p99: number("p99")?,
    })
}

/// Makes a release build; the folder that it is in.
pub(super) fn compile(root: &Path, what: &[&str]) -> Result<PathBuf, String> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--release"])
        .args(what)
        .current_dir(root);
    let status = cargo.status().map_err(|error| format!("cargo: {error}"))?;
    if !status.success() {
        return Err(format!("{what:?} does not compile"));
    }
    let target = std::env::var_os("CARGO_TARGET_DIR");
    let target = target.map_or_else(|| root.join("target"), PathBuf::from);
    Ok(target.join("release"))
}

struct Table(Vec<Vec<String>>);

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write_table(f, &self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_example_says_is_read() {
        let said = serde_json::json!({
            "seconds": 2.0, "operations": 10, "bytes": 5, "p50": 1.0, "p99": 3.5,
        });
        let read = sample(&said).expect("all is there");
        assert!((read.operations / read.seconds - 5.0).abs() < 1e-9);
        assert!(sample(&serde_json::json!({ "seconds": 1.0 })).is_err());
    }
}
