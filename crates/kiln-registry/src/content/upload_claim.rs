//! One request at a time sends to an upload: among those of this server, and among those of all
//! servers that share the database.
//!
//! Within the server a set in memory says which uploads are busy. Between servers the upload's row
//! does: it names the claim that holds it and until when. A claim is renewed while bytes come, and ends
//! by itself where its server was killed. What a server writes that lost its claim without noticing is
//! refused: each statement about a claimed upload names the claim.

use std::time::Duration;

use super::{Content, ContentError, UploadError, UploadId};
use crate::database::DatabaseError;
use crate::storage::ObjectKey;

/// How long a claim holds that is not renewed.
const LASTING: Duration = Duration::from_secs(60);

/// From one renewal to the next.
const RENEWAL: Duration = Duration::from_secs(20);

/// An upload that one request may send to, until this is dropped.
#[derive(Debug)]
pub(super) struct Claim {
    content: Content,
    id: UploadId,
    /// What the row calls it; empty where there are no other servers.
    token: String,
}

impl Claim {
    /// Claims an upload among the requests of this server.
    pub(super) fn of(content: &Content, id: &UploadId) -> Result<Self, UploadError> {
        let mut busy = content.0.busy.lock();
        let busy = busy
            .as_mut()
            .expect("because nothing panics while it holds the lock");
        let token = match content.database().is_shared() {
            true => format!("{}.{}", content.0.name, ObjectKey::unique()),
            false => String::new(),
        };
        match busy.insert(id.clone()) {
            true => Ok(Self {
                content: content.clone(),
                id: id.clone(),
                token,
            }),
            false => Err(UploadError::Busy { id: id.clone() }),
        }
    }

    /// What the statements about the upload have to name.
    pub(super) fn token(&self) -> &str {
        &self.token
    }

    /// Until when it holds, from now.
    pub(super) fn until(&self) -> i64 {
        match self.token.is_empty() {
            true => 0,
            false => self.content.clock().now() + crate::clock::milliseconds(LASTING),
        }
    }

    /// Claims it among all servers, too. An upload that is not there can be claimed: whoever looks for
    /// it finds out.
    pub(super) async fn among_all(self) -> Result<Self, UploadError> {
        if self.token.is_empty() {
            return Ok(self);
        }
        let (now, until) = (self.content.clock().now(), self.until());
        let (id, token) = (self.id.to_string(), self.token.clone());
        let claiming = self.content.database().write_relaxed(move |transaction| {
            let sql = "UPDATE upload SET claim = $2, claimed = $3 WHERE id = $1 AND claimed < $4";
            let parameters = [id.as_str().into(), token.into(), until.into(), now.into()];
            if transaction.execute(sql, &parameters)? > 0 {
                return Ok(true);
            }
            let sql = "SELECT 1 FROM upload WHERE id = $1";
            Ok(transaction.first(sql, &[id.into()])?.is_none())
        });
        match claiming.await.map_err(|error: DatabaseError| error)? {
            true => Ok(self),
            false => Err(UploadError::Busy {
                id: self.id.clone(),
            }),
        }
    }

    /// Does `work` and renews the claim meanwhile.
    pub(super) async fn keep<T>(&self, work: impl Future<Output = T>) -> T {
        if self.token.is_empty() {
            return work.await;
        }
        let renewing = async {
            loop {
                tokio::time::sleep(RENEWAL).await;
                // What could not be renewed is found out by the next statement that names the claim.
                let _ = self.set(self.until()).await;
            }
        };
        tokio::select! {
            result = work => result,
            () = renewing => unreachable!("because it never ends"),
        }
    }

    /// Lets others have it before the claim ends by itself.
    pub(super) async fn release(&self) {
        if !self.token.is_empty() {
            // It ends by itself where this fails.
            let _ = self.set(0).await;
        }
    }

    async fn set(&self, until: i64) -> Result<(), DatabaseError> {
        let now = self.content.clock().now();
        let (id, token) = (self.id.to_string(), self.token.clone());
        let set = self.content.database().write_relaxed(move |transaction| {
            let sql = "UPDATE upload SET claimed = $3, touched = $4 WHERE id = $1 AND claim = $2";
            let parameters = [id.into(), token.into(), until.into(), now.into()];
            transaction.execute(sql, &parameters)
        });
        set.await.map(drop)
    }
}

impl Content {
    /// Lets others have the uploads that requests of this server are still sending to, because it ends:
    /// what was recorded of them goes on elsewhere at once.
    pub(crate) async fn give_up_claims(&self) -> Result<(), ContentError> {
        if !self.database().is_shared() {
            return Ok(());
        }
        let name = self.0.name.clone();
        let given = self.database().write_relaxed(move |transaction| {
            let sql = "UPDATE upload SET claimed = 0 WHERE claimed > 0 \
                       AND substr(claim, 1, 32) = $1";
            transaction.execute(sql, &[name.into()])
        });
        given.await.map_err(|error: DatabaseError| error)?;
        Ok(())
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let busy = self.content.0.busy.lock();
        busy.unwrap_or_else(std::sync::PoisonError::into_inner)
            .remove(&self.id);
    }
}
