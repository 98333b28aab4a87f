//! `kiln explore`: looking around in an image, in a terminal.

use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use kiln_analyze::explore::{Action, App, AppOptions, Extract};
use kiln_analyze::{Analysis, Subject};
use kiln_layer::ContentAt as _;
use kiln_oci::Platform;
use ratatui::backend::{Backend, TestBackend};
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use ratatui::{DefaultTerminal, Terminal};

use super::{Context, analyze};
use crate::registries::RegistryArgs;
use crate::transfer::look::Places;
use crate::transfer::partial::Partial;
use crate::ui::{self, report::Report, size::Size};

/// How long a key is waited for before the screen is looked after.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Look around in an image: layers, files, changes, waste
///
/// IMAGE is a name or id of the store, an OCI layout or archive (a path, oci-layout://PATH[:TAG], docker-archive://FILE),
/// docker-daemon://NAME, or a name of a registry. `?` shows the keys.
#[derive(Debug, clap::Args)]
pub(crate) struct ExploreArgs {
    /// The image, wherever it is
    image: String,
    /// Which of several platforms, for example linux/arm64
    #[arg(long)]
    platform: Option<Platform>,
    /// Print the first screen of this size and leave, for example 120x40
    #[arg(long, value_name = "COLUMNSxROWS", value_parser = screen)]
    screen: Option<(u16, u16)>,
    #[command(flatten)]
    registry: RegistryArgs,
}

fn screen(text: &str) -> Result<(u16, u16), String> {
    let wrong = || format!("`{text}` is not a size of a screen; write for example 120x40");
    let (columns, rows) = text.split_once('x').ok_or_else(wrong)?;
    match (columns.parse(), rows.parse()) {
        (Ok(columns @ 1..=1000), Ok(rows @ 1..=1000)) => Ok((columns, rows)),
        _ => Err(wrong()),
    }
}

/// Shows the image until the person leaves.
pub(crate) fn explore(context: &Context, args: &ExploreArgs) -> Result<ExitCode, Report> {
    let is_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    if args.screen.is_none() && !is_terminal {
        return Err(Report::new("there is no terminal to show the image in")
            .hint("`kiln analyze` reports without one; --screen 120x40 prints the first screen"));
    }
    let places = Places::open(context, &args.registry)?;
    let subject = Arc::new(places.subject(&args.image, args.platform.as_ref())?);
    let color = context.environment.color && args.screen.is_none();
    let mut app = App::new(Arc::clone(&subject), AppOptions { color })?;
    if let Some(size) = args.screen {
        return print_screen(&mut app, size);
    }
    // It comes when it is ready; the first screen does not wait for it.
    let (send, analyzed) = channel();
    let of = Arc::clone(&subject);
    thread::spawn(move || drop(send.send(analyze::of(&of))));
    let mut terminal = ratatui::try_init()?;
    let result = interact(&mut terminal, &mut app, &subject, &analyzed, context);
    ratatui::try_restore()?;
    result.map(|()| ExitCode::SUCCESS)
}

fn interact(
    terminal: &mut DefaultTerminal,
    app: &mut App,
    subject: &Subject,
    analyzed: &Receiver<Result<Analysis, Report>>,
    context: &Context,
) -> Result<(), Report> {
    loop {
        terminal.draw(|frame| app.draw(frame))?;
        while !event::poll(LOOK_EVERY)? {
            if let Ok(analysis) = analyzed.try_recv() {
                app.analyzed(analysis?);
                break;
            }
        }
        // All that was typed meanwhile comes before the next drawing.
        while event::poll(Duration::ZERO)? {
            let Event::Key(key) = event::read()? else {
                continue;
            };
            if key.kind == KeyEventKind::Release {
                continue;
            }
            match app.key(key) {
                None => {}
                Some(Action::Quit) => return Ok(()),
                Some(Action::Extract(extract)) => {
                    let path = context.environment.absolute(&extract.to);
                    match write(subject, &extract, &path) {
                        Ok(bytes) => {
                            app.say(format!("{} written to {}", Size(bytes), path.display()));
                        }
                        Err(report) => app.say(report.message()),
                    }
                }
            }
        }
    }
}

/// Writes a file of the image. What is there already is not touched.
fn write(subject: &Subject, extract: &Extract, path: &Path) -> Result<u64, Report> {
    if path.symlink_metadata().is_ok() {
        let message = format!("`{}` is there already", path.display());
        return Err(Report::new(message));
    }
    let layer = &subject.layers[extract.layer].index;
    let entry = &layer.entries[extract.entry];
    let mut content = subject.content().open_at(&layer.diff_id, entry)?;
    let partial = Partial::create(path)?;
    let mut out = partial.writer()?;
    let bytes = io::copy(&mut content, &mut out)?;
    io::Write::flush(&mut out)?;
    drop(out);
    partial.publish()?;
    Ok(bytes)
}

fn print_screen(app: &mut App, (columns, rows): (u16, u16)) -> Result<ExitCode, Report> {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows))
        .expect("because drawing into memory does not fail");
    terminal
        .draw(|frame| app.draw(frame))
        .expect("because drawing into memory does not fail");
    let size = terminal
        .backend()
        .size()
        .expect("because memory has a size");
    let buffer = terminal.backend().buffer();
    let row = |y| {
        let cells = (0..size.width).map(|x| buffer[(x, y)].symbol());
        let line: String = cells.collect();
        format!("{}\n", line.trim_end())
    };
    ui::print(&(0..size.height).map(row).collect::<String>())?;
    Ok(ExitCode::SUCCESS)
}
