//! Whether a registry has a blob.

use kiln_fetch::Method;
use kiln_oci::Descriptor;

use crate::answer::Question;
use crate::auth::Scope;
use crate::endpoint::Call;
use crate::error::RemoteError;
use crate::repository::{Name, Repository};

impl Repository {
    /// Whether the registry has the blob. Mirrors are not asked.
    ///
    /// # Errors
    /// When there is no usable answer. A blob of another size than `descriptor` says is [`RemoteError::WrongSize`].
    pub fn blob_exists(&self, descriptor: &Descriptor) -> Result<bool, RemoteError> {
        self.blob_exists_for(descriptor, self.pull_scope())
    }

    pub(crate) fn blob_exists_for(
        &self,
        descriptor: &Descriptor,
        scope: Scope,
    ) -> Result<bool, RemoteError> {
        let what = self.what(Name::Digest(&descriptor.digest));
        let path = self.path(&format!("blobs/{}", descriptor.digest));
        let registry = self.home()?;
        let endpoint = &registry.origin;
        let (mut response, proof) =
            endpoint.send(&Call::new(Method::Head, path, &what, self.name(), scope))?;
        match response.status {
            200 => match response.headers.content_length() {
                Some(actual) if actual != descriptor.size => Err(RemoteError::WrongSize {
                    what,
                    expected: descriptor.size,
                    actual,
                }),
                _ => Ok(true),
            },
            404 => Ok(false),
            _ => {
                let user = proof.user.as_deref();
                Err(Question {
                    user,
                    ..endpoint.question(&what)
                }
                .refused(&mut response))
            }
        }
    }
}
