//! The text of `trust.toml`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::condition::Written;
use super::{
    Condition, ConditionError, Demand, Identity, Pattern, Platforms, Policy, Requirement,
    Revocation, Role, Rule, TrustedKey,
};
use crate::clock::{Time, parse_span};
use crate::format::statement::predicate_type;
use crate::key::{InvalidKey, PublicKey};
use crate::rotation::{Rotation, RotationError};
use crate::x509::{Authority, CertificateError};

/// A policy that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// Not TOML, or with words that kiln does not know.
    #[error("the policy cannot be read")]
    Toml(#[from] Box<toml::de::Error>),
    /// Of a later kiln.
    #[error("the policy has version {0}; this kiln reads version 1")]
    Version(u32),
    /// Two things have one name.
    #[error("two of the policy's {what} are called `{name}`")]
    Twice {
        /// Keys, roles or authorities.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A name that stands for nothing.
    #[error("`{by}` names the {what} `{name}`, which the policy does not have")]
    Unknown {
        /// Key, role or authority.
        what: &'static str,
        /// The name.
        name: String,
        /// Who names it.
        by: String,
    },
    /// A file that cannot be read.
    #[error("cannot read `{file}`, which the policy names")]
    File {
        /// Its path, as it stands in the policy.
        file: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A key that is none.
    #[error("the key `{name}` cannot be used")]
    Key {
        /// The key's name.
        name: String,
        /// Why.
        #[source]
        source: InvalidKey,
    },
    /// A succession that is not believed.
    #[error("the rotation `{file}` cannot be used")]
    Rotation {
        /// Its path, as it stands in the policy.
        file: String,
        /// Why.
        #[source]
        source: RotationError,
    },
    /// Certificates that are none.
    #[error("the authority `{name}` cannot be used")]
    Authority {
        /// The authority's name.
        name: String,
        /// Why.
        #[source]
        source: CertificateError,
    },
    /// Neither or both of two ways to say one thing.
    #[error("`{name}` needs either `file` or `pem`")]
    Content {
        /// The key's or authority's name.
        name: String,
    },
    /// A condition that says nothing clear.
    #[error("a requirement on `{role}` cannot be read")]
    Condition {
        /// The requirement's role.
        role: String,
        /// Why.
        #[source]
        source: ConditionError,
    },
    /// A value that makes no sense.
    #[error("{0}")]
    Value(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    #[serde(default)]
    key: Vec<Key>,
    #[serde(default)]
    authority: Vec<Named>,
    #[serde(default, rename = "timestamp-authority")]
    timestamp_authority: Vec<Named>,
    #[serde(default)]
    role: Vec<WrittenRole>,
    #[serde(default)]
    image: Vec<Image>,
    revocation: Option<WrittenRevocation>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Key {
    name: String,
    file: Option<String>,
    pem: Option<String>,
    not_before: Option<Time>,
    not_after: Option<Time>,
    /// Statements of `kiln key rotate`, each of the key before.
    #[serde(default)]
    rotations: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Named {
    name: String,
    file: Option<String>,
    pem: Option<String>,
    /// What the subject or an alternative name of a signer's certificate must be like.
    #[serde(default)]
    subjects: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRole {
    name: String,
    #[serde(default)]
    keys: Vec<String>,
    #[serde(default)]
    authorities: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Image {
    repositories: Vec<String>,
    #[serde(default)]
    identity: Identity,
    #[serde(default)]
    platforms: Platforms,
    #[serde(default)]
    named_as: BTreeMap<String, String>,
    require: Vec<Require>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Require {
    role: String,
    threshold: Option<usize>,
    predicate: Option<OneOrMany>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    max_age: Option<String>,
    time_at: Option<String>,
    #[serde(default)]
    r#where: Vec<Written>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRevocation {
    file: String,
    role: String,
    threshold: Option<usize>,
}

type Load<'a> = &'a dyn Fn(&str) -> std::io::Result<Vec<u8>>;

pub(super) fn parse(text: &str, load: Load<'_>) -> Result<Policy, PolicyError> {
    let file: File = toml::from_str(text).map_err(Box::new)?;
    if file.version != 1 {
        return Err(PolicyError::Version(file.version));
    }
    unique("keys", file.key.iter().map(|key| key.name.as_str()))?;
    let keys = file
        .key
        .into_iter()
        .map(|key| trusted(key, load))
        .collect::<Result<Vec<_>, _>>()?
        .concat();
    let authorities = authorities(file.authority, load)?;
    unique(
        "authorities",
        authorities.iter().map(|one| one.name.as_str()),
    )?;
    unique("roles", file.role.iter().map(|role| role.name.as_str()))?;
    let mut roles = BTreeMap::new();
    for role in file.role {
        // A key's successors have its name.
        let members = role.keys.iter().map(|name| {
            let places = (0..keys.len())
                .filter(|place| keys[*place].name == *name)
                .collect::<Vec<_>>();
            if places.is_empty() {
                Err(unknown("key", name, &role.name))
            } else {
                Ok(places)
            }
        });
        let members = members.collect::<Result<Vec<_>, _>>()?.concat();
        let certified = role.authorities.iter().map(|name| {
            let place = authorities.iter().position(|one| one.name == *name);
            place.ok_or_else(|| unknown("authority", name, &role.name))
        });
        let authorities = certified.collect::<Result<_, _>>()?;
        roles.insert(
            role.name,
            Role {
                keys: members,
                authorities,
            },
        );
    }
    let rules = file
        .image
        .into_iter()
        .map(|image| rule(image, &roles))
        .collect::<Result<_, _>>()?;
    let revocation = file.revocation.map(|written| {
        let threshold = threshold(&roles, &written.role, written.threshold, "revocation")?;
        Ok::<_, PolicyError>(Revocation {
            file: written.file,
            role: written.role,
            threshold,
        })
    });
    Ok(Policy {
        timestamps: self::authorities(file.timestamp_authority, load)?,
        revocation: revocation.transpose()?,
        keys,
        authorities,
        roles,
        rules,
    })
}

fn unknown(what: &'static str, name: &str, by: &str) -> PolicyError {
    PolicyError::Unknown {
        what,
        name: name.to_owned(),
        by: by.to_owned(),
    }
}

fn unique<'a>(what: &'static str, names: impl Iterator<Item = &'a str>) -> Result<(), PolicyError> {
    let mut seen = std::collections::BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(PolicyError::Twice {
                what,
                name: name.to_owned(),
            });
        }
    }
    Ok(())
}

fn content(
    name: &str,
    file: Option<String>,
    pem: Option<String>,
    load: Load<'_>,
) -> Result<Vec<u8>, PolicyError> {
    match (file, pem) {
        (Some(file), None) => load(&file).map_err(|source| PolicyError::File { file, source }),
        (None, Some(pem)) => Ok(pem.into_bytes()),
        _ => Err(PolicyError::Content {
            name: name.to_owned(),
        }),
    }
}

/// A key and its successors, which have its name: together they are one member of a role.
fn trusted(key: Key, load: Load<'_>) -> Result<Vec<TrustedKey>, PolicyError> {
    let name = key.name;
    let pem = content(&name, key.file, key.pem, load)?;
    let public = PublicKey::from_pem(&pem).map_err(|source| PolicyError::Key {
        name: name.clone(),
        source,
    })?;
    let mut all = vec![TrustedKey {
        name,
        key: public,
        not_before: key.not_before,
        not_after: key.not_after,
    }];
    for file in key.rotations {
        let last = &all[all.len() - 1];
        let bytes = load(&file).map_err(|source| PolicyError::File {
            file: file.clone(),
            source,
        })?;
        let (successor, at) = Rotation::read(&bytes, &last.key)
            .map_err(|source| PolicyError::Rotation { file, source })?;
        all.push(TrustedKey {
            name: last.name.clone(),
            key: successor,
            not_before: Some(at),
            not_after: None,
        });
    }
    Ok(all)
}

fn authorities(written: Vec<Named>, load: Load<'_>) -> Result<Vec<Authority>, PolicyError> {
    let read = |one: Named| {
        let pem = content(&one.name, one.file, one.pem, load)?;
        let subjects = one.subjects.iter().map(|text| Pattern::new(text)).collect();
        Authority::from_pem(&one.name, &pem, subjects).map_err(|source| PolicyError::Authority {
            name: one.name.clone(),
            source,
        })
    };
    written.into_iter().map(read).collect()
}

fn rule(image: Image, roles: &BTreeMap<String, Role>) -> Result<Rule, PolicyError> {
    if image.require.is_empty() {
        let names = image.repositories.join(", ");
        return Err(PolicyError::Value(format!(
            "the rule of {names} requires nothing"
        )));
    }
    Ok(Rule {
        repositories: image
            .repositories
            .iter()
            .map(|text| Pattern::new(text))
            .collect(),
        require: image
            .require
            .into_iter()
            .map(|one| requirement(one, roles))
            .collect::<Result<_, _>>()?,
        identity: image.identity,
        named_as: image.named_as,
        platforms: image.platforms,
    })
}

fn threshold(
    roles: &BTreeMap<String, Role>,
    role: &str,
    wanted: Option<usize>,
    by: &str,
) -> Result<usize, PolicyError> {
    let known = roles.get(role).ok_or_else(|| unknown("role", role, by))?;
    let wanted = wanted.unwrap_or(1);
    if wanted == 0 {
        return Err(PolicyError::Value(format!(
            "a threshold of 0 for `{role}` requires nothing"
        )));
    }
    // Successors make this an upper bound; the exact number is counted when signatures are.
    if known.authorities.is_empty() && known.keys.len() < wanted {
        return Err(PolicyError::Value(format!(
            "{wanted} members of `{role}` can never sign: it has {} keys",
            known.keys.len()
        )));
    }
    Ok(wanted)
}

fn requirement(
    written: Require,
    roles: &BTreeMap<String, Role>,
) -> Result<Requirement, PolicyError> {
    let threshold = threshold(roles, &written.role, written.threshold, "require")?;
    let max_age = written.max_age.map(|text| {
        let span = parse_span(&text);
        span.ok_or_else(|| {
            PolicyError::Value(format!("`{text}` is no length of time like 7d or 12h"))
        })
    });
    let conditions = written.r#where.into_iter().map(Condition::try_from);
    let conditions: Vec<_> =
        conditions
            .collect::<Result<_, _>>()
            .map_err(|source| PolicyError::Condition {
                role: written.role.clone(),
                source,
            })?;
    let subject = match written.predicate {
        None if conditions.is_empty() => Demand::Signature {
            annotations: written.annotations,
        },
        None => {
            return Err(PolicyError::Value(
                "`where` needs a `predicate` that it is about".to_owned(),
            ));
        }
        Some(_) if !written.annotations.is_empty() => {
            return Err(PolicyError::Value(
                "`annotations` are for signatures; use `where` on a predicate".to_owned(),
            ));
        }
        Some(types) => {
            let names = match types {
                OneOrMany::One(name) => vec![name],
                OneOrMany::Many(names) => names,
            };
            let types = names.iter().map(|name| {
                let uri = predicate_type(name).map(str::to_owned);
                uri.ok_or_else(|| PolicyError::Value(format!("`{name}` is no type of predicate")))
            });
            Demand::Predicate {
                types: types.collect::<Result<_, _>>()?,
                conditions,
            }
        }
    };
    Ok(Requirement {
        role: written.role,
        threshold,
        subject,
        max_age: max_age.transpose()?,
        time_at: written.time_at,
    })
}
