//! `kiln admin gc`.

use std::time::Duration;

use serde_json::Value;

use super::client::Client;
use super::output::Output;
use crate::ui::report::Report;
use crate::ui::size::Size;

/// Remove from a registry what no tag, index or signature keeps
#[derive(Debug, clap::Args)]
pub(super) struct GcArgs {
    /// Only say what would be removed
    #[arg(long)]
    preview: bool,
}

pub(super) fn run(client: &Client, output: Output, args: &GcArgs) -> Result<(), Report> {
    if args.preview {
        return show(output, &client.get("/collection/preview")?);
    }
    client.post("/collection", None)?;
    let job = wait(client, "/collection")?;
    show(output, &job["result"])
}

fn show(output: Output, collected: &Value) -> Result<(), Report> {
    let mut shown = collected.clone();
    if !output.json
        && let Some(bytes) = collected["bytes"].as_u64()
    {
        shown["bytes"] = Value::from(Size(bytes).to_string());
    }
    output.one(&shown)
}

/// Looks at a job until it has ended.
pub(super) fn wait(client: &Client, path: &str) -> Result<Value, Report> {
    let mut pause = Duration::from_millis(50);
    loop {
        let job = client.get(path)?;
        if job["running"] == true {
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_secs(2));
            continue;
        }
        return match job["error"].as_str() {
            Some(error) => Err(Report::new(error)),
            // Another server answers, or this one was started anew.
            None if job["result"].is_null() => {
                Err(Report::new("the server does not know what came out")
                    .hint("it may have been started anew; with replicas, each knows its own"))
            }
            None => Ok(job),
        };
    }
}
