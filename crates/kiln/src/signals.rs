//! Ctrl-C, a polite kill, and a terminal that goes away.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use crate::ui::report::Report;

/// Calls `interrupt` at each of them, which says whether this is the first. At a second one kiln ends at
/// once, as it would without a handler.
///
/// # Errors
/// If signals cannot be watched.
pub(crate) fn watch(interrupt: impl Fn() -> bool + Send + 'static) -> Result<(), Report> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    std::thread::spawn(move || {
        for signal in signals.forever() {
            let is_first = interrupt();
            if !is_first {
                // If that fails, there is a third time.
                let _ = emulate_default_handler(signal);
            }
        }
    });
    Ok(())
}
