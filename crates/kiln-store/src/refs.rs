//! `refs.db`: the names of images. The one thing in the store that cannot be made again, so every
//! commit is on disk before it counts, and damage is an error and never repaired behind one's back.

use std::path::Path;
use std::time::Duration;

use kiln_oci::{Descriptor, Document, Reference};
use rusqlite::{OptionalExtension as _, params};

use crate::database::{self, Database, Plan};
use crate::error::StoreError;
use crate::lock::FileLock;
use crate::store::{Store, now};

const PLAN: Plan = Plan {
    format: 1,
    droppable: false,
    schema: "
        CREATE TABLE IF NOT EXISTS refs (
            name TEXT PRIMARY KEY, descriptor TEXT NOT NULL, created INTEGER NOT NULL);
    ",
};

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

pub(crate) fn open(path: &Path, busy: Duration) -> Result<Database, StoreError> {
    Database::open(path, PLAN, busy)
}

impl Store {
    /// Names a manifest or index of the store. An image that had the name loses it.
    ///
    /// Everything that the image consists of is in the store and on disk before the name is. Only an
    /// index may name manifests that are not here: those of other platforms.
    ///
    /// # Errors
    /// If content is missing or cannot be synced, the database fails, or the store is read-only.
    pub fn set_reference(
        &self,
        reference: &Reference,
        descriptor: &Descriptor,
    ) -> Result<(), StoreError> {
        self.check_writable()?;
        self.sync_all()?;
        // Nothing is collected between the look and the name.
        let _shared = FileLock::shared(&self.lock_path())?;
        self.check_complete(descriptor)?;
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

    fn check_complete(&self, descriptor: &Descriptor) -> Result<(), StoreError> {
        let needed = match self.document(&descriptor.digest)? {
            Document::Manifest(manifest) => {
                let layers = manifest.layers.iter().map(|layer| layer.digest);
                layers.chain([manifest.config.digest]).collect()
            }
            Document::Index(_) => vec![],
        };
        for digest in needed {
            if !self.has_blob(&digest)? {
                return Err(StoreError::NoBlob { digest });
            }
        }
        Ok(())
    }

    /// What `reference` points to, if anything.
    ///
    /// # Errors
    /// If the database fails or is damaged.
    pub fn reference(&self, reference: &Reference) -> Result<Option<Descriptor>, StoreError> {
        let text: Option<String> = self.refs.read(|db| {
            let query = "SELECT descriptor FROM refs WHERE name = ?1";
            db.query_row(query, [reference.to_string()], |row| row.get(0))
                .optional()
        })?;
        text.map(|text| self.stored_descriptor(&text)).transpose()
    }

    fn stored_descriptor(&self, text: &str) -> Result<Descriptor, StoreError> {
        serde_json::from_str(text)
            .map_err(|error| database::damaged(self.refs.path(), error.into()))
    }

    /// All names, sorted.
    ///
    /// # Errors
    /// If the database fails or is damaged.
    pub fn references(&self) -> Result<Vec<StoredReference>, StoreError> {
        let rows: Vec<(String, String, i64)> = self.refs.read(|db| {
            let mut query =
                db.prepare("SELECT name, descriptor, created FROM refs ORDER BY name")?;
            let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            rows.collect()
        })?;
        let parse = |(name, text, created): (String, String, i64)| {
            let reference = name.parse().map_err(|error: kiln_oci::InvalidReference| {
                database::damaged(self.refs.path(), error.into())
            })?;
            Ok(StoredReference {
                reference,
                descriptor: self.stored_descriptor(&text)?,
                created,
            })
        };
        rows.into_iter().map(parse).collect()
    }

    /// Takes a name away. Says whether it was there. Content is removed by the next prune.
    ///
    /// # Errors
    /// If the database fails or the store is read-only.
    pub fn remove_reference(&self, reference: &Reference) -> Result<bool, StoreError> {
        self.check_writable()?;
        self.refs.write(|db| {
            db.execute("DELETE FROM refs WHERE name = ?1", [reference.to_string()])
                .map(|count| count > 0)
        })
    }
}
