//! Measures how long a process takes from the request to its end: `spawn_true LOWER RUNS`.
//!
//! LOWER is a root file system with `/bin/true`. Each run has an overlay of its own, as a RUN step has.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measuring program prints its result"
)]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use kiln_sandbox::{Overlay, Root, Spec, Stdio, Upper, spawn};

fn main() {
    kiln_sandbox::init_if_requested();
    let mut args = std::env::args().skip(1);
    let (Some(lower), Some(runs)) = (args.next(), args.next().and_then(|text| text.parse().ok()))
    else {
        eprintln!("usage: spawn_true LOWER RUNS");
        return;
    };
    let scratch = PathBuf::from(format!("{lower}.scratch"));
    let mut times: Vec<Duration> = vec![];
    for run in 0..runs {
        let place = scratch.join(run.to_string());
        let (upper, work) = (place.join("upper"), place.join("work"));
        for directory in [&upper, &work] {
            std::fs::create_dir_all(directory)
                .expect("because the scratch directory can be written");
        }
        let upper = Some(Upper {
            upper,
            work,
            volatile: true,
        });
        let overlay = Overlay {
            lowers: vec![lower.clone().into()],
            upper,
        };
        let start = Instant::now();
        let spec = Spec::new(Root::Overlay(overlay), ["/bin/true"]);
        let mut process = spawn(&spec, Stdio::default()).expect("because /bin/true can be run");
        let exit = process.wait().expect("because it ends");
        assert!(exit.status.success());
        times.push(start.elapsed());
    }
    let _ = std::fs::remove_dir_all(&scratch);
    times.sort();
    let show = |at: usize| {
        times
            .get(at)
            .map_or(0.0, |time| time.as_secs_f64() * 1000.0)
    };
    println!(
        "runs {runs}, min {:.2} ms, median {:.2} ms, max {:.2} ms",
        show(0),
        show(times.len() / 2),
        show(times.len().max(1) - 1)
    );
}
