//! Work that one of several servers does for all of them: collection, the indexes of layers.
//!
//! A row of the database says who does it and until when. Whoever does it renews that; a server that was
//! killed loses it by itself. The clocks of the servers may differ by less than the time that a duty
//! lasts. Nothing breaks when two of them do the same work: it only costs twice.

use std::time::Duration;

use crate::clock::{Clock, milliseconds};
use crate::database::{Database, DatabaseError};
use crate::storage::ObjectKey;

/// How long a duty lasts that is not renewed.
const LASTING: Duration = Duration::from_secs(120);

/// From one renewal to the next.
const RENEWAL: Duration = Duration::from_secs(30);

/// Does `work` if no other server is doing it and none did it within `pause`. Nothing where it was not
/// this server's turn. Where the database is not shared, it always is.
pub(crate) async fn on_duty<T>(
    database: &Database,
    clock: &Clock,
    name: &'static str,
    pause: Duration,
    work: impl Future<Output = T>,
) -> Result<Option<T>, DatabaseError> {
    if !database.is_shared() {
        return Ok(Some(work.await));
    }
    let holder = ObjectKey::unique().to_string();
    if !take(database, clock, name, &holder, pause).await? {
        return Ok(None);
    }
    let renewing = async {
        loop {
            tokio::time::sleep(RENEWAL).await;
            // If this fails, another server may begin; see above.
            let _ = renew(database, clock, name, &holder, LASTING).await;
        }
    };
    let result = tokio::select! {
        result = work => result,
        () = renewing => unreachable!("because it never ends"),
    };
    renew(database, clock, name, &holder, Duration::ZERO).await?;
    Ok(Some(result))
}

async fn take(
    database: &Database,
    clock: &Clock,
    name: &'static str,
    holder: &str,
    pause: Duration,
) -> Result<bool, DatabaseError> {
    let now = clock.now();
    let (due, before) = (now + milliseconds(LASTING), now - milliseconds(pause));
    let holder = holder.to_owned();
    let taking = database.write_relaxed(move |transaction| {
        // Its turn comes at once where nobody ever did it.
        let sql = "INSERT INTO duty (name, holder, due, done) VALUES ($1, '', 0, 0) \
                   ON CONFLICT (name) DO NOTHING";
        transaction.execute(sql, &[name.into()])?;
        let sql = "UPDATE duty SET holder = $2, due = $3 \
                   WHERE name = $1 AND due < $4 AND done <= $5";
        let parameters = [
            name.into(),
            holder.into(),
            due.into(),
            now.into(),
            before.into(),
        ];
        Ok::<_, DatabaseError>(transaction.execute(sql, &parameters)? > 0)
    });
    taking.await
}

/// Keeps a duty for a time, or ends it.
async fn renew(
    database: &Database,
    clock: &Clock,
    name: &'static str,
    holder: &str,
    lasting: Duration,
) -> Result<(), DatabaseError> {
    let now = clock.now();
    let (ends, holder) = (lasting.is_zero(), holder.to_owned());
    let due = if ends { 0 } else { now + milliseconds(lasting) };
    let renewing = database.write_relaxed(move |transaction| {
        let sql = "UPDATE duty SET due = $3, done = CASE WHEN $4 = 1 THEN $5 ELSE done END \
                   WHERE name = $1 AND holder = $2";
        let parameters = [
            name.into(),
            holder.into(),
            due.into(),
            ends.into(),
            now.into(),
        ];
        transaction.execute(sql, &parameters)
    });
    renewing.await.map(drop)
}
