//! Copies an image with all its platforms and all that is attached to it: `copy FROM TO`. Registries of this machine may
//! speak plain HTTP. Prints what was done and the peak of memory.

#![expect(clippy::print_stdout, reason = "the result is what it is run for")]

use std::error::Error;
use std::fs;
use std::time::Instant;

use kiln_oci::Reference;
use kiln_remote::{Remote, RemoteOptions, TransferOptions, transfer};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [from, to] = &arguments[..] else {
        return Err("expected FROM and TO".into());
    };
    let (from, to): (Reference, Reference) = (from.parse()?, to.parse()?);
    let remote = Remote::new(RemoteOptions::default())?;
    let (source, target) = (remote.repository(&from), remote.repository(&to));
    let begin = Instant::now();
    let root = source.resolve(&from)?;
    let options = TransferOptions {
        tag: to.tag().map(str::to_owned),
        referrers: true,
        companions: true,
        ..TransferOptions::default()
    };
    let done = transfer(&source, &target, &root, &options)?;
    println!("{} {done:?} in {:?}", root.digest, begin.elapsed());
    // Only Linux tells.
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    for line in status.lines().filter(|line| line.starts_with("VmHWM")) {
        println!("{line}");
    }
    Ok(())
}
