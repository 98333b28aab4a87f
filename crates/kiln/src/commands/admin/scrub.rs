//! `kiln admin scrub`.

use std::process::ExitCode;

use serde_json::json;

use super::client::Client;
use super::gc::wait;
use super::output::{Output, parse_duration, text};
use crate::ui;
use crate::ui::report::Report;
use crate::ui::size::Size;

/// Read everything that a registry has, and compare it with its digests
///
/// Ends with exit code 1 when something is wrong. What is damaged counts as missing afterwards: pushing it again
/// heals it.
#[derive(Debug, clap::Args)]
pub(super) struct ScrubArgs {
    /// Most bytes to read in a second
    #[arg(long, value_name = "BYTES")]
    bytes_per_second: Option<u64>,
    /// Leave out what was read within this time: 12h, 30d, 4w
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    not_within: Option<i64>,
}

pub(super) fn run(client: &Client, output: Output, args: &ScrubArgs) -> Result<ExitCode, Report> {
    let body = json!({
        "bytes_per_second": args.bytes_per_second,
        "not_within": args.not_within.unwrap_or(0) / 1_000,
    });
    client.post("/scrub", Some(&body))?;
    let job = wait(client, "/scrub")?;
    let seen = &job["result"];
    let wrong = seen["wrong"].as_u64().unwrap_or(0);
    if output.json {
        output.one(seen)?;
    } else {
        let findings = seen["findings"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let lines: String = findings
            .iter()
            .map(|line| format!("{}\n", text(line)))
            .collect();
        ui::print(&lines)?;
        ui::note(&format!(
            "{} blobs with {} and {} manifests were read; {wrong} things are wrong, {} were healed",
            text(&seen["blobs"]),
            Size(seen["bytes"].as_u64().unwrap_or(0)),
            text(&seen["manifests"]),
            text(&seen["healed"]),
        ));
    }
    Ok(ExitCode::from(u8::from(wrong > 0)))
}
