//! What refers to a manifest: the list that the referrers endpoint answers with.
//!
//! Source: OCI distribution specification, "Listing Referrers".

use kiln_oci::{Descriptor, Digest};

use super::catalog::limit;
use super::{Content, ContentError, Page};
use crate::database::{DatabaseError, Row};
use crate::name::RepositoryName;

impl Content {
    /// Descriptors of the manifests of a repository whose subject is `subject`, with their artifact
    /// types and annotations: at most `n` whose digests, as text, come after `last`; with
    /// `artifact_type`, only those. An unknown subject or repository has none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        artifact_type: Option<&str>,
        n: usize,
        last: Option<&Digest>,
    ) -> Result<Page<Descriptor>, ContentError> {
        let (name, subject) = (repository.clone(), *subject);
        let last = last.map(ToString::to_string).unwrap_or_default();
        let only = artifact_type.map(str::to_owned);
        let found = self.database().read(move |transaction| {
            let of_type = match &only {
                Some(_) => "AND artifact_type = $5",
                None => "",
            };
            let sql = format!(
                "SELECT media_type, digest, LENGTH(bytes), artifact_type, annotations \
                 FROM manifest WHERE repository = (SELECT id FROM repository WHERE name = $1) \
                 AND subject = $2 AND digest > $3 {of_type} ORDER BY digest LIMIT $4"
            );
            let mut parameters = vec![(&name).into(), subject.into(), last.into(), limit(n)];
            parameters.extend(only.map(Into::into));
            let rows = transaction.query(&sql, &parameters)?;
            Page::of(rows, n, |row| descriptor(&row))
        });
        found.await.map_err(|error: DatabaseError| error.into())
    }
}

fn descriptor(row: &Row) -> Result<Descriptor, DatabaseError> {
    let media_type: String = row.get(0)?;
    let mut descriptor = Descriptor::new(&media_type, row.get(1)?, row.get(2)?);
    descriptor.artifact_type = row.get(3)?;
    if let Some(text) = row.get::<Option<String>>(4)? {
        let annotations = serde_json::from_str(&text);
        descriptor.annotations = annotations.map_err(|_| DatabaseError::Unexpected {
            column: 4,
            expected: "annotations as JSON",
            found: "other text",
        })?;
    }
    Ok(descriptor)
}
