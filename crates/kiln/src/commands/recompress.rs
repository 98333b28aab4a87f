//! `kiln recompress`: the same image in another compression.

use std::num::NonZero;
use std::process::ExitCode;

use kiln_analyze::rewrite::{Candidate, Measured};
use kiln_layer::Compression;
use kiln_layer::compression::ZSTD_MAX_WINDOW_LOG;
use serde_json::json;

use super::Context;
use crate::rewriting::{self, Outcome, RewriteArgs, failed};
use crate::ui::{self, report::Report, size::Size, table::Table};

/// Write an image's layers in another compression
///
/// The files, the config and so the image's id stay; layers and manifest get other digests. --explain says what each
/// compression would make of this image before you choose.
#[derive(Debug, clap::Args)]
pub(crate) struct RecompressArgs {
    #[command(flatten)]
    rewrite: RewriteArgs,
    /// zstd, gzip or none
    #[arg(long, value_name = "CODEC", default_value = "zstd")]
    to: String,
    /// Level: 1 to 22 for zstd, 0 to 9 for gzip
    #[arg(long, value_name = "N")]
    level: Option<i32>,
    /// How far zstd looks back, as a power of two: 10 to 27. Readers need as much memory [default: 26, 64 MiB]
    #[arg(long, value_name = "N")]
    window: Option<u32>,
    /// Only measure what the compressions would make of this image; `all` tries slow ones, too
    #[arg(long, value_enum, value_name = "WHICH", num_args = 0..=1, default_missing_value = "fast")]
    explain: Option<Which>,
}

/// Which compressions are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Which {
    /// Those that take seconds.
    Fast,
    /// The slow ones, too.
    All,
}

/// Recompresses, or explains.
pub(crate) fn recompress(context: &Context, args: &RecompressArgs) -> Result<ExitCode, Report> {
    if let Some(which) = args.explain {
        return explain(context, args, which);
    }
    let compression = args.compression()?;
    rewriting::rewrite(context, &args.rewrite, |desk, image| {
        let made = desk
            .rewriter
            .recompress(image, &compression)
            .map_err(failed)?;
        Ok(Outcome::from(made))
    })
}

fn explain(context: &Context, args: &RecompressArgs, which: Which) -> Result<ExitCode, Report> {
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let (before, rows) = rewriting::look(context, &args.rewrite.look, |desk, image| {
        let before = desk.rewriter.extent(image).map_err(failed)?;
        let mut rows = vec![];
        for candidate in Candidate::all() {
            if candidate.is_slow && which == Which::Fast {
                continue;
            }
            let compression = candidate.compression;
            rows.push(
                desk.rewriter
                    .explain(image, compression, threads)
                    .map_err(failed)?,
            );
        }
        Ok((before, rows))
    })?;
    let text = match args.rewrite.json {
        true => explained_json(before.uncompressed, threads, &rows),
        false => explained(before.uncompressed, threads, &rows),
    };
    ui::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Codec, level and window of a compression.
fn parts(compression: &Compression) -> (&'static str, String, String) {
    match compression {
        Compression::None => ("none", "-".to_owned(), "-".to_owned()),
        Compression::Gzip { level } => ("gzip", level.to_string(), "-".to_owned()),
        Compression::Zstd { level, window_log } => {
            ("zstd", level.to_string(), window_log.to_string())
        }
    }
}

fn explained(whole: u64, threads: usize, rows: &[Measured]) -> String {
    let mut table = Table::new(&[
        "CODEC",
        "LEVEL",
        "WINDOW",
        "SIZE",
        "SHARE",
        "COMPRESS",
        "DECOMPRESS",
    ]);
    for row in rows {
        let (codec, level, window) = parts(&row.compression);
        #[expect(
            clippy::cast_precision_loss,
            reason = "one digit behind the point is shown"
        )]
        let share = row.bytes as f64 * 100.0 / whole.max(1) as f64;
        table.row(vec![
            codec.to_owned(),
            level,
            window,
            Size(row.bytes).to_string(),
            format!("{share:.1} %"),
            format!("{:.1} s", row.compressing.as_secs_f64()),
            format!("{:.1} s", row.decompressing.as_secs_f64()),
        ]);
    }
    format!(
        "{}of {} uncompressed; compressed on {threads} threads, decompressed on one\n",
        table.render(),
        Size(whole)
    )
}

fn explained_json(whole: u64, threads: usize, rows: &[Measured]) -> String {
    let row = |row: &Measured| {
        let (codec, level, window) = parts(&row.compression);
        json!({
            "codec": codec,
            "level": level.parse::<i32>().ok(),
            "window_log": window.parse::<u32>().ok(),
            "bytes": row.bytes,
            "compress_seconds": row.compressing.as_secs_f64(),
            "decompress_seconds": row.decompressing.as_secs_f64(),
        })
    };
    let all = json!({
        "schema": 1,
        "uncompressed": whole,
        "threads": threads,
        "compressions": rows.iter().map(row).collect::<Vec<_>>(),
    });
    format!("{all:#}\n")
}

impl RecompressArgs {
    fn compression(&self) -> Result<Compression, Report> {
        let compression = Compression::parse(&self.to, self.level)?;
        match (compression, self.window) {
            (compression, None) => Ok(compression),
            (Compression::Zstd { level, .. }, Some(window_log))
                if (10..=ZSTD_MAX_WINDOW_LOG).contains(&window_log) =>
            {
                Ok(Compression::Zstd { level, window_log })
            }
            (Compression::Zstd { .. }, Some(window)) => Err(Report::usage(format!(
                "--window {window}: expected 10 to {ZSTD_MAX_WINDOW_LOG}"
            ))
            .hint("readers refuse larger windows unless they are asked to take them")),
            _ => Err(Report::usage("--window is for zstd")),
        }
    }
}
