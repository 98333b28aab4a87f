//! `refs.db`: the names of images. The one thing in the store that cannot be made again.

use kiln_oci::{Descriptor, Reference};
use rusqlite::{OptionalExtension as _, params};

use crate::database::{Database, Durability};
use crate::error::StoreError;
use crate::store::{Store, now};

const FORMAT: i64 = 1;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS refs (name TEXT PRIMARY KEY, descriptor TEXT NOT NULL, created INTEGER NOT NULL);
";

/// A name and what it points to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredReference {
    /// The name.
    pub reference: Reference,
    /// A manifest or an index.
    pub descriptor: Descriptor,
    /// When the name was given to it, in seconds since 1970.
    pub created: i64,
}

/// Opens `refs.db`.
pub(crate) fn open(path: &std::path::Path) -> Result<Database, StoreError> {
    Database::open(path, Durability::Full, FORMAT, SCHEMA)
}

impl Store {
    /// Names a manifest or index of the store. An image that had the name loses it. Everything that the
    /// image needs is on disk before the name is.
    ///
    /// # Errors
    /// If content is missing or cannot be synced, or the database fails.
    pub fn set_reference(
        &self,
        reference: &Reference,
        descriptor: &Descriptor,
    ) -> Result<(), StoreError> {
        self.sync_all()?;
        if !self.has_blob(&descriptor.digest)? {
            return Err(StoreError::NoBlob {
                digest: descriptor.digest,
            });
        }
        let text = serde_json::to_string(descriptor).expect("because descriptors have a JSON form");
        self.refs.write(|db| {
            db.execute(
                "INSERT INTO refs VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE
                 SET descriptor = excluded.descriptor, created = excluded.created",
                params![reference.to_string(), text, now()],
            )
            .map(drop)
        })
    }

    /// What `reference` points to, if anything.
    ///
    /// # Errors
    /// If the database fails.
    pub fn reference(&self, reference: &Reference) -> Result<Option<Descriptor>, StoreError> {
        let text: Option<String> = self.refs.read(|db| {
            let query = "SELECT descriptor FROM refs WHERE name = ?1";
            db.query_row(query, [reference.to_string()], |row| row.get(0))
                .optional()
        })?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// All names, sorted.
    ///
    /// # Errors
    /// If the database fails.
    pub fn references(&self) -> Result<Vec<StoredReference>, StoreError> {
        let rows: Vec<(String, String, i64)> = self.refs.read(|db| {
            let mut query =
                db.prepare("SELECT name, descriptor, created FROM refs ORDER BY name")?;
            let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            rows.collect()
        })?;
        let parse = |(name, text, created): (String, String, i64)| {
            let (reference, descriptor) = (name.parse().ok()?, serde_json::from_str(&text).ok()?);
            Some(StoredReference {
                reference,
                descriptor,
                created,
            })
        };
        Ok(rows.into_iter().filter_map(parse).collect())
    }

    /// Takes a name away. Says whether it was there. Content is removed by the next prune.
    ///
    /// # Errors
    /// If the database fails.
    pub fn remove_reference(&self, reference: &Reference) -> Result<bool, StoreError> {
        self.refs.write(|db| {
            db.execute("DELETE FROM refs WHERE name = ?1", [reference.to_string()])
                .map(|count| count > 0)
        })
    }
}
