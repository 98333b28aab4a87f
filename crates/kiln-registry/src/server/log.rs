//! The log: lines of JSON to a sink that whoever starts the server gives.
//!
//! A thread of its own writes them, many at a time. A request never waits for the disk: when the
//! sink is slower than the requests, lines are dropped and counted.

use std::io::Write;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde_json::{Map, Value};

/// Lines that may wait for the sink.
const WAITING: usize = 8192;
/// Bytes that are written at once, if so many wait.
const BLOCK: usize = 64 << 10;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Info,
    /// Someone should look at it some time.
    Warning,
    /// Something broke.
    Error,
}

/// Where the server's lines go. Clones write to the same sink.
#[derive(Clone, Debug, Default)]
pub struct Log(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    /// None only while it is dropped.
    lines: Option<SyncSender<Vec<u8>>>,
    dropped: AtomicU64,
    writer: Option<JoinHandle<()>>,
}

/// A finished exchange, as it stands in the log.
#[derive(Serialize)]
pub(crate) struct Request<'a> {
    pub(crate) id: &'a str,
    pub(crate) peer: IpAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) caller: Option<&'a str>,
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) operation: &'a str,
    pub(crate) status: u16,
    pub(crate) received: u64,
    pub(crate) sent: u64,
    #[serde(serialize_with = "rounded")]
    pub(crate) milliseconds: f64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) abandoned: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<&'a str>,
}

impl Log {
    /// Lines go to `sink`. The last clone that is dropped waits until all are written.
    ///
    /// # Errors
    ///
    /// When no thread can be started.
    pub fn to(sink: impl Write + Send + 'static) -> std::io::Result<Self> {
        let (sender, receiver) = sync_channel(WAITING);
        let writer = std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write_all(&receiver, sink))?;
        Ok(Self(Some(Arc::new(Inner {
            lines: Some(sender),
            dropped: AtomicU64::new(0),
            writer: Some(writer),
        }))))
    }

    /// Lines go nowhere.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }

    /// Writes that something happened: `event` is what, in a few words that stay the same, `fields`
    /// are the particulars.
    pub fn event(&self, level: Level, event: &str, fields: &[(&str, &str)]) {
        let particulars: Map<String, Value> = fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Value::from(*value)))
            .collect();
        self.line(level, event, &particulars);
    }

    pub(crate) fn request(&self, level: Level, request: &Request<'_>) {
        self.line(level, "request", request);
    }

    /// Lines that were dropped because the sink was too slow.
    pub(crate) fn dropped(&self) -> u64 {
        self.0
            .as_ref()
            .map_or(0, |inner| inner.dropped.load(Ordering::Relaxed))
    }

    fn line(&self, level: Level, event: &str, rest: &impl Serialize) {
        let Some(inner) = &self.0 else {
            return;
        };
        let line = Line {
            time: timestamp(SystemTime::now()),
            level,
            event,
            rest,
        };
        let sent = serde_json::to_vec(&line).ok().and_then(|mut line| {
            line.push(b'\n');
            inner.lines.as_ref()?.try_send(line).ok()
        });
        if sent.is_none() {
            inner.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Without a sender the writer ends when it has written what is waiting.
        self.lines = None;
        if let Some(writer) = self.writer.take() {
            // It panics only if the sink does, and then there is nobody left to tell.
            let _ = writer.join();
        }
    }
}

#[derive(Serialize)]
struct Line<'a, T> {
    time: String,
    level: Level,
    event: &'a str,
    #[serde(flatten)]
    rest: &'a T,
}

fn write_all(lines: &Receiver<Vec<u8>>, mut sink: impl Write) {
    let mut block = Vec::new();
    while let Ok(first) = lines.recv() {
        block.extend(first);
        while block.len() < BLOCK {
            let Ok(next) = lines.try_recv() else {
                break;
            };
            block.extend(next);
        }
        // A log that cannot be written has no log to say so in.
        let _ = sink.write_all(&block).and_then(|()| sink.flush());
        block.clear();
    }
}

/// Microseconds are enough.
fn rounded<S: serde::Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((value * 1e3).round() / 1e3)
}

/// UTC with milliseconds, as in RFC 3339.
pub(crate) fn timestamp(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = since.as_secs();
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute) = (seconds / 3600 % 24, seconds / 60 % 60);
    format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}.{:03}Z",
        seconds % 60,
        since.subsec_millis()
    )
}

/// Year, month and day of a number of days since 1970, in the Gregorian calendar. Counts from
/// March, so that the leap day is a year's last.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468; // since 1 March of the year 0
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_are_json_in_order_and_all_there_after_the_end() {
        let sink = Sink::default();
        let log = Log::to(sink.clone()).unwrap();
        for number in 0..100 {
            log.event(Level::Info, "counted", &[("number", &number.to_string())]);
        }
        assert_eq!(log.dropped(), 0);
        drop(log);
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        for (number, line) in text.lines().enumerate() {
            let line: Value = serde_json::from_str(line).unwrap();
            assert_eq!(line["event"], "counted");
            assert_eq!(line["level"], "info");
            assert_eq!(line["number"], number.to_string());
        }
        assert_eq!(text.lines().count(), 100);
    }

    /// A sink that never returns must not stop a request.
    #[test]
    fn a_stuck_sink_loses_lines_and_stops_nobody() {
        struct Stuck(Arc<Mutex<()>>);
        impl Write for Stuck {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                drop(self.0.lock());
                Ok(bytes.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let gate = Arc::new(Mutex::new(()));
        let guard = gate.lock().unwrap();
        let log = Log::to(Stuck(gate.clone())).unwrap();
        // A block is taken out of the queue before the sink gets stuck.
        for _ in 0..2 * WAITING + BLOCK {
            log.event(Level::Info, "lost", &[]);
        }
        assert!(log.dropped() > 0);
        drop(guard);
    }

    #[test]
    fn times_are_dates() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_735_689_599, "2024-12-31T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(timestamp(UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }
}
