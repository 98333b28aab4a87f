//! Which endpoint a path below `/v2/` means.
//!
//! Source: distribution specification, "Endpoints", and the extensions `_catalog` (Docker's) and
//! `_oci` ("extensions/_oci.md"). Repository names contain slashes, so a path is read from its end:
//! the last two or three segments say what it is, what is left is the name. Names, digests and
//! references are checked by whoever uses them, because what is wrong decides the error.

/// An endpoint with the texts from its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route<'a> {
    /// `/v2/`
    Base,
    /// `/v2/_catalog`
    Catalog,
    /// `/v2/_oci/ext/discover`, of the registry or of one repository.
    Discover(Option<&'a str>),
    /// `/v2/NAME/_oci/tag-history/TAG`
    TagHistory(&'a str, &'a str),
    /// `/v2/NAME/blobs/DIGEST`
    Blob(&'a str, &'a str),
    /// `/v2/NAME/blobs/uploads/`
    Uploads(&'a str),
    /// `/v2/NAME/blobs/uploads/ID`
    Upload(&'a str, &'a str),
    /// `/v2/NAME/manifests/REFERENCE`
    Manifest(&'a str, &'a str),
    /// `/v2/NAME/tags/list`
    Tags(&'a str),
    /// `/v2/NAME/referrers/DIGEST`
    Referrers(&'a str, &'a str),
}

impl<'a> Route<'a> {
    /// Reads a decoded path; none when there is no such endpoint.
    pub(crate) fn parse(path: &'a str) -> Option<Self> {
        let rest = path.strip_prefix("/v2")?;
        let rest = match rest.strip_prefix('/') {
            Some(rest) => rest,
            None if rest.is_empty() => "",
            None => return None,
        };
        match rest {
            "" => return Some(Self::Base),
            "_catalog" => return Some(Self::Catalog),
            "_oci/ext/discover" => return Some(Self::Discover(None)),
            _ => {}
        }
        if let Some(name) = rest.strip_suffix("/_oci/ext/discover") {
            return Some(Self::Discover(Some(name)));
        }
        if let Some(name) = rest.strip_suffix("/tags/list") {
            return Some(Self::Tags(name));
        }
        let uploads = rest.strip_suffix('/').unwrap_or(rest);
        if let Some(name) = uploads.strip_suffix("/blobs/uploads") {
            return Some(Self::Uploads(name));
        }
        let (before, last) = rest.rsplit_once('/')?;
        if last.is_empty() {
            return None;
        }
        if let Some(name) = before.strip_suffix("/blobs/uploads") {
            return Some(Self::Upload(name, last));
        }
        if let Some(name) = before.strip_suffix("/_oci/tag-history") {
            return Some(Self::TagHistory(name, last));
        }
        let (name, kind) = before.rsplit_once('/')?;
        match kind {
            "blobs" => Some(Self::Blob(name, last)),
            "manifests" => Some(Self::Manifest(name, last)),
            "referrers" => Some(Self::Referrers(name, last)),
            _ => None,
        }
    }

    /// The methods that it answers, as in `Allow`.
    pub(crate) fn methods(&self) -> &'static str {
        match self {
            Self::Base
            | Self::Catalog
            | Self::Discover(_)
            | Self::TagHistory(..)
            | Self::Tags(_)
            | Self::Referrers(..) => "GET, HEAD",
            Self::Blob(..) => "GET, HEAD, DELETE",
            Self::Uploads(_) => "POST",
            Self::Upload(..) => "GET, PATCH, PUT, DELETE",
            Self::Manifest(..) => "GET, HEAD, PUT, DELETE",
        }
    }

    /// The repository's name as it stands in the path.
    pub(crate) fn name(&self) -> Option<&'a str> {
        match *self {
            Self::Base | Self::Catalog | Self::Discover(None) => None,
            Self::Discover(Some(name))
            | Self::TagHistory(name, _)
            | Self::Blob(name, _)
            | Self::Uploads(name)
            | Self::Upload(name, _)
            | Self::Manifest(name, _)
            | Self::Tags(name)
            | Self::Referrers(name, _) => Some(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_endpoint_is_found() {
        let routes = [
            ("/v2", Route::Base),
            ("/v2/", Route::Base),
            ("/v2/_catalog", Route::Catalog),
            ("/v2/_oci/ext/discover", Route::Discover(None)),
            ("/v2/a/b/_oci/ext/discover", Route::Discover(Some("a/b"))),
            ("/v2/a/_oci/tag-history/v1", Route::TagHistory("a", "v1")),
            ("/v2/a/blobs/sha256:00", Route::Blob("a", "sha256:00")),
            ("/v2/a/b/c/blobs/x", Route::Blob("a/b/c", "x")),
            ("/v2/a/blobs/uploads", Route::Uploads("a")),
            ("/v2/a/blobs/uploads/", Route::Uploads("a")),
            ("/v2/a/blobs/uploads/id", Route::Upload("a", "id")),
            ("/v2/a/manifests/v1", Route::Manifest("a", "v1")),
            ("/v2/a/tags/list", Route::Tags("a")),
            (
                "/v2/a/referrers/sha256:00",
                Route::Referrers("a", "sha256:00"),
            ),
        ];
        for (path, route) in routes {
            assert_eq!(Route::parse(path), Some(route), "{path}");
        }
    }

    /// Names may be made of the words that endpoints are made of.
    #[test]
    fn names_of_endpoint_words_are_names() {
        let routes = [
            ("/v2/tags/list/tags/list", Route::Tags("tags/list")),
            (
                "/v2/blobs/uploads/blobs/uploads/",
                Route::Uploads("blobs/uploads"),
            ),
            (
                "/v2/manifests/manifests/manifests",
                Route::Manifest("manifests", "manifests"),
            ),
            (
                "/v2/blobs/uploads/manifests/v1",
                Route::Manifest("blobs/uploads", "v1"),
            ),
        ];
        for (path, route) in routes {
            assert_eq!(Route::parse(path), Some(route), "{path}");
        }
    }

    #[test]
    fn other_paths_are_none() {
        for path in [
            "/",
            "/v1/",
            "/v2x",
            "/v2/a",
            "/v2/a/",
            "/v2/a/blobs/",
            "/v2/a/manifests/",
            "/v2/a/tags",
            "/v2/manifests/v1",
            "/v2/a/things/x",
            "/v2/tags/list",
            "",
        ] {
            assert_eq!(Route::parse(path), None, "{path}");
        }
    }
}
