//! What a request does, and how a pull ends: the labels of the metrics. Both are small closed sets.
//! Digests, tags and repositories are never labels, because their number has no bound.

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Operation {
    Base,
    BlobDelete,
    BlobGet,
    BlobHead,
    Catalog,
    Discover,
    ManifestDelete,
    ManifestGet,
    ManifestHead,
    ManifestPut,
    Referrers,
    TagHistory,
    Tags,
    UploadAppend,
    UploadCancel,
    UploadFinish,
    UploadStart,
    UploadStatus,
    Token,
    Api,
    Probe,
    Other,
}

impl Operation {
    /// Every one, in the order of its number.
    pub(crate) const ALL: [Self; 22] = [
        Self::Base,
        Self::BlobDelete,
        Self::BlobGet,
        Self::BlobHead,
        Self::Catalog,
        Self::Discover,
        Self::ManifestDelete,
        Self::ManifestGet,
        Self::ManifestHead,
        Self::ManifestPut,
        Self::Referrers,
        Self::TagHistory,
        Self::Tags,
        Self::UploadAppend,
        Self::UploadCancel,
        Self::UploadFinish,
        Self::UploadStart,
        Self::UploadStatus,
        Self::Token,
        Self::Api,
        Self::Probe,
        Self::Other,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::BlobDelete => "blob_delete",
            Self::BlobGet => "blob_get",
            Self::BlobHead => "blob_head",
            Self::Catalog => "catalog",
            Self::Discover => "discover",
            Self::ManifestDelete => "manifest_delete",
            Self::ManifestGet => "manifest_get",
            Self::ManifestHead => "manifest_head",
            Self::ManifestPut => "manifest_put",
            Self::Referrers => "referrers",
            Self::TagHistory => "tag_history",
            Self::Tags => "tags",
            Self::UploadAppend => "upload_append",
            Self::UploadCancel => "upload_cancel",
            Self::UploadFinish => "upload_finish",
            Self::UploadStart => "upload_start",
            Self::UploadStatus => "upload_status",
            Self::Token => "token",
            Self::Api => "api",
            Self::Probe => "probe",
            Self::Other => "other",
        }
    }

    /// Whether it counts for the pull success rate.
    pub(crate) fn is_pull(self) -> bool {
        matches!(
            self,
            Self::BlobGet | Self::BlobHead | Self::ManifestGet | Self::ManifestHead
        )
    }
}

/// How a GET or HEAD of a manifest or blob ended. The pull success rate is
/// `1 - (server_error + truncated) / (server_error + truncated + ok)`: what the client did or may not
/// do is counted apart and in neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Pull {
    Ok,
    ServerError,
    Truncated,
    Denied,
    NotFound,
    Limited,
    BadRequest,
    ClientGone,
}

impl Pull {
    /// Every one, in the order of its number.
    pub(crate) const ALL: [Self; 8] = [
        Self::Ok,
        Self::ServerError,
        Self::Truncated,
        Self::Denied,
        Self::NotFound,
        Self::Limited,
        Self::BadRequest,
        Self::ClientGone,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::ServerError => "server_error",
            Self::Truncated => "truncated",
            Self::Denied => "denied",
            Self::NotFound => "not_found",
            Self::Limited => "limited",
            Self::BadRequest => "bad_request",
            Self::ClientGone => "client_gone",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_in_the_order_of_the_numbers() {
        for (number, operation) in Operation::ALL.into_iter().enumerate() {
            assert_eq!(operation as usize, number);
        }
        for (number, pull) in Pull::ALL.into_iter().enumerate() {
            assert_eq!(pull as usize, number);
        }
    }
}
