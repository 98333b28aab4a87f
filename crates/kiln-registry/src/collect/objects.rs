//! Objects that were given up, uploads that were not continued, and what a crash left.

use std::collections::HashSet;

use super::{Collected, PAGE};
use crate::clock::milliseconds;
use crate::content::{Content, ContentError, discard_object};
use crate::database::{DatabaseError, Transaction, Value};
use crate::storage::ObjectKey;

/// Removes the objects that are noted as given up, and then the notes.
pub(super) async fn remove_garbage(
    content: &Content,
    collected: &mut Collected,
) -> Result<(), ContentError> {
    let now = content.clock().now();
    loop {
        let page = content.database().read(move |transaction| {
            let sql = "SELECT object FROM garbage WHERE due <= $1 ORDER BY object LIMIT $2";
            let rows = transaction.query(sql, &[now.into(), PAGE.into()])?;
            rows.iter().map(|row| row.get(0)).collect()
        });
        let page: Vec<ObjectKey> = page.await.map_err(|error: DatabaseError| error)?;
        if page.is_empty() {
            return Ok(());
        }
        for key in &page {
            content.storage().remove(key).await?;
            collected.objects += 1;
        }
        let forgotten = content.database().write_relaxed(move |transaction| {
            for key in &page {
                let sql = "DELETE FROM garbage WHERE object = $1";
                transaction.execute(sql, &[key.as_str().into()])?;
            }
            Ok::<_, DatabaseError>(())
        });
        forgotten.await?;
    }
}

/// Gives up uploads that were not continued for too long, and those that a crash of the machine took.
pub(super) async fn expire_uploads(
    content: &Content,
    collected: &mut Collected,
) -> Result<(), ContentError> {
    let now = content.clock().now();
    let before = now - milliseconds(content.options().upload_patience);
    let epoch = content.storage().epoch().to_owned();
    let busy = content.busy_uploads();
    let expired = content.database().write_relaxed(move |transaction| {
        let sql = "SELECT id, object FROM upload \
                   WHERE (touched < $1 OR epoch <> $2) AND claimed < $3";
        let mut expired = 0_u64;
        for row in transaction.query(sql, &[before.into(), epoch.into(), now.into()])? {
            let id: String = row.get(0)?;
            if busy.contains(&id) {
                continue;
            }
            transaction.execute("DELETE FROM upload WHERE id = $1", &[id.into()])?;
            if let Some(object) = row.get::<Option<String>>(1)? {
                discard_object(transaction, &object, now)?;
            }
            expired += 1;
        }
        Ok::<_, DatabaseError>(expired)
    });
    collected.uploads += expired.await?;
    remove_garbage(content, collected).await
}

/// Removes objects that no row names. A row names each object before it is begun, so what is seen in
/// the storage first and in no row then, nobody will ever ask for.
pub(super) async fn remove_orphans(
    content: &Content,
    collected: &mut Collected,
) -> Result<(), ContentError> {
    for part in 0..=u8::MAX {
        let listed = content.storage().list(part).await?;
        if listed.is_empty() {
            continue;
        }
        let keys: Vec<ObjectKey> = listed.into_iter().map(|(key, _)| key).collect();
        let wanted = keys.clone();
        let named = content.database().read(move |transaction| {
            let mut named = HashSet::new();
            for keys in wanted.chunks(PAGE as usize) {
                named.extend(of_these(transaction, keys)?);
            }
            Ok::<_, DatabaseError>(named)
        });
        let named = named.await?;
        for key in keys.iter().filter(|key| !named.contains(*key)) {
            content.storage().remove(key).await?;
            collected.objects += 1;
        }
    }
    Ok(())
}

/// Which of `keys` some row names.
fn of_these(
    transaction: &mut dyn Transaction,
    keys: &[ObjectKey],
) -> Result<Vec<ObjectKey>, DatabaseError> {
    let numbers: Vec<String> = (1..=keys.len())
        .map(|number| format!("${number}"))
        .collect();
    let numbers = numbers.join(", ");
    let parameters: Vec<Value> = keys.iter().map(|key| key.as_str().into()).collect();
    let tables = ["blob", "upload", "garbage", "layer_index"];
    let selects =
        tables.map(|table| format!("SELECT object FROM {table} WHERE object IN ({numbers})"));
    let rows = transaction.query(&selects.join(" UNION ALL "), &parameters)?;
    rows.iter().map(|row| row.get(0)).collect()
}
