//! A bill of materials in the same step: what an image is made of, as its lock file says it.
//!
//! Source: SPDX 2.3, its JSON form (`spdx-schema.json`), and the package URL specification with its type `deb`.
//! The same image gives the same bytes: there is no clock and no random number in it.

use kiln_oci::Descriptor;
use serde_json::{Value, json};

use crate::assemble::{Assembled, MadeImage};
use crate::lock::{Lock, LockedPackage};
use crate::time::rfc3339;

/// The document about all images that were made, as text. `name` is what to call it.
#[must_use]
pub fn sbom(name: &str, lock: &Lock, made: &Assembled) -> String {
    let mut packages = vec![];
    let mut relationships = vec![];
    for image in &made.images {
        let id = format!("SPDXRef-image-{}", image.architecture);
        packages.push(of_image(name, &id, &image.descriptor));
        relationships.push(json!({
            "spdxElementId": "SPDXRef-DOCUMENT",
            "relationshipType": "DESCRIBES",
            "relatedSpdxElement": id,
        }));
        for package in lock.of(image.architecture) {
            let package_id = spdx_id(package);
            packages.push(of_package(&package_id, package, image));
            relationships.push(json!({
                "spdxElementId": id,
                "relationshipType": "CONTAINS",
                "relatedSpdxElement": package_id,
            }));
        }
    }
    let document = json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": name,
        "documentNamespace": format!("urn:kiln:assembled:{}", made.descriptor.digest),
        "creationInfo": {
            "created": rfc3339(made.epoch),
            "creators": [format!("Tool: kiln-{}", env!("CARGO_PKG_VERSION"))],
        },
        "packages": packages,
        "relationships": relationships,
    });
    // A value of texts and lists can always be written.
    format!("{document:#}\n")
}

fn of_image(name: &str, id: &str, descriptor: &Descriptor) -> Value {
    json!({
        "SPDXID": id,
        "name": name,
        "versionInfo": descriptor.digest.to_string(),
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": false,
        "primaryPackagePurpose": "CONTAINER",
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "NOASSERTION",
        "copyrightText": "NOASSERTION",
        "checksums": [{ "algorithm": "SHA256", "checksumValue": descriptor.digest.hex() }],
    })
}

fn of_package(id: &str, package: &LockedPackage, image: &MadeImage) -> Value {
    json!({
        "SPDXID": id,
        "name": package.name,
        "versionInfo": package.version,
        "sourceInfo": format!("built from the source package {}", package.source),
        "downloadLocation": package.url,
        "filesAnalyzed": false,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "NOASSERTION",
        "copyrightText": "NOASSERTION",
        "checksums": [{ "algorithm": "SHA256", "checksumValue": package.sha256 }],
        "externalRefs": [{
            "referenceCategory": "PACKAGE-MANAGER",
            "referenceType": "purl",
            "referenceLocator": purl(package, image),
        }],
    })
}

/// `pkg:deb/debian/libc6@2.36-9?arch=amd64&distro=debian-12`.
fn purl(package: &LockedPackage, image: &MadeImage) -> String {
    // An archive for all architectures says so in its name.
    let architecture = match package.url.ends_with("_all.deb") {
        true => "all",
        false => image.architecture.debian(),
    };
    let (vendor, distribution) = match &image.distribution {
        Some(found) if found.version.is_empty() => {
            (&found.id[..], format!("&distro={}", encoded(&found.id)))
        }
        Some(found) => {
            let name = format!("{}-{}", found.id, found.version);
            (&found.id[..], format!("&distro={}", encoded(&name)))
        }
        None => ("debian", String::new()),
    };
    format!(
        "pkg:deb/{}/{}@{}?arch={architecture}{distribution}",
        encoded(vendor),
        encoded(&package.name),
        encoded(&package.version)
    )
}

/// Percent-encoding of a part of a package URL.
fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'~' | b':' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Identifiers have letters, digits, dots and hyphens only.
fn spdx_id(package: &LockedPackage) -> String {
    let plain = |text: &str| -> String {
        let mut out = String::new();
        for c in text.chars() {
            match c {
                'A'..='Z' | 'a'..='z' | '0'..='9' | '.' | '-' => out.push(c),
                _ => out.push_str(&format!(".{:x}.", u32::from(c))),
            }
        }
        out
    };
    format!(
        "SPDXRef-deb-{}-{}-{}",
        plain(&package.architecture),
        plain(&package.name),
        plain(&package.version)
    )
}

/// What an image says that it is, from its `os-release`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distribution {
    /// `debian`, `ubuntu` …
    pub id: String,
    /// `12`, `24.04` …; empty where there is none.
    pub version: String,
}

impl Distribution {
    /// Source: `os-release(5)`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let field = |name: &str| {
            let mut lines = text.lines().filter_map(|line| line.split_once('='));
            let (_, value) = lines.find(|(key, _)| *key == name)?;
            Some(value.trim().trim_matches(['"', '\'']).to_owned())
        };
        let id = field("ID").filter(|id| !id.is_empty())?;
        Some(Self {
            id,
            version: field("VERSION_ID").unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use kiln_oci::Digest;

    use super::*;
    use crate::lock::LockedRelease;

    fn package(name: &str, version: &str, file: &str) -> LockedPackage {
        LockedPackage {
            architecture: "amd64".to_owned(),
            name: name.to_owned(),
            version: version.to_owned(),
            source: name.to_owned(),
            url: format!("http://example.com/pool/{file}"),
            size: 1,
            sha256: "00".repeat(32),
        }
    }

    fn document(distribution: Option<Distribution>) -> Value {
        let digest = Digest::sha256(b"image");
        let release = LockedRelease {
            url: "http://example.com".to_owned(),
            suite: "stable".to_owned(),
            date: 0,
        };
        let packages = vec![
            package(
                "libstdc++6",
                "1:14.2.0-19",
                "libstdc++6_14.2.0-19_amd64.deb",
            ),
            package("tzdata", "2026a~rc1+x-0", "tzdata_2026a_all.deb"),
        ];
        let lock = Lock::new(digest, vec![release], packages);
        let descriptor = Descriptor::new("x", digest, 1);
        let image = MadeImage {
            architecture: "amd64".parse().unwrap(),
            descriptor: descriptor.clone(),
            distribution,
        };
        let made = Assembled {
            descriptor,
            images: vec![image],
            epoch: 0,
        };
        let text = sbom("mine", &lock, &made);
        assert_eq!(text, sbom("mine", &lock, &made));
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn packages_have_urls_that_scanners_know() {
        let debian = "PRETTY_NAME=\"Debian\"\nID=debian\nVERSION_ID=\"13\"\n";
        let document = document(Distribution::parse(debian));
        let locators: Vec<_> = document["packages"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|package| package["externalRefs"][0]["referenceLocator"].as_str())
            .collect();
        assert_eq!(
            locators,
            [
                "pkg:deb/debian/libstdc%2B%2B6@1:14.2.0-19?arch=amd64&distro=debian-13",
                "pkg:deb/debian/tzdata@2026a~rc1%2Bx-0?arch=all&distro=debian-13",
            ]
        );
        let ids: std::collections::BTreeSet<_> = document["packages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|package| package["SPDXID"].as_str().unwrap())
            .collect();
        assert_eq!(ids.len(), 3);
        let plain = |id: &&str| {
            id.chars()
                .all(|c| c.is_ascii_alphanumeric() || ".-".contains(c))
        };
        assert!(ids.iter().all(plain), "{ids:?}");
        assert_eq!(document["relationships"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn an_image_may_not_say_what_it_is() {
        let document = document(None);
        let locator = &document["packages"][1]["externalRefs"][0]["referenceLocator"];
        assert_eq!(
            locator,
            "pkg:deb/debian/libstdc%2B%2B6@1:14.2.0-19?arch=amd64"
        );
        assert_eq!(Distribution::parse("NAME=x\nID=\n"), None);
        let rolling = Distribution::parse("ID='sid'\n").unwrap();
        assert_eq!((rolling.id.as_str(), rolling.version.as_str()), ("sid", ""));
    }
}
