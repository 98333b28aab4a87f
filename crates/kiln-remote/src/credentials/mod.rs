//! Who we are at a registry.
//!
//! [`Credentials`] is where the answers come from: nowhere ([`Anonymous`]), one fixed login ([`Fixed`]), or the files of
//! docker and podman with their helper programs ([`ConfigFiles`]).

mod config;
mod login;
mod program;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

pub use config::ConfigFiles;
pub use login::Keeper;

/// A proof of identity.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// A user and a password, or a token that is used like one.
    Password {
        /// The user.
        username: String,
        /// The password.
        password: String,
    },
    /// An OAuth2 refresh token, which a token server exchanges for tokens of short life.
    IdentityToken {
        /// The user, where known.
        username: String,
        /// The token.
        token: String,
    },
    /// A token that is sent to the registry as it is.
    RegistryToken(String),
}

impl Credential {
    /// The user, for messages.
    #[must_use]
    pub fn username(&self) -> Option<&str> {
        match self {
            Self::Password { username, .. } | Self::IdentityToken { username, .. } => {
                Some(username.as_str()).filter(|name| !name.is_empty())
            }
            Self::RegistryToken(_) => None,
        }
    }

    /// Whether it goes to token servers, too.
    pub(crate) fn is_secret(&self) -> bool {
        !matches!(self, Self::RegistryToken(_))
    }
}

/// Without the secret.
impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, user) = match self {
            Self::Password { username, .. } => ("Password", username.as_str()),
            Self::IdentityToken { username, .. } => ("IdentityToken", username.as_str()),
            Self::RegistryToken(_) => ("RegistryToken", ""),
        };
        write!(f, "{kind}({user})")
    }
}

/// Why credentials could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// A credential file cannot be read.
    #[error("the credential file {} cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A credential file is not what it should be.
    #[error("the credential file {} is not valid", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where it is not.
        #[source]
        source: serde_json::Error,
    },
    /// An entry of a credential file is not Base64 of `user:password`.
    #[error("the credential file {} has an entry for {registry} that cannot be decoded", path.display())]
    Encoding {
        /// The file.
        path: PathBuf,
        /// The registry.
        registry: String,
    },
    /// A credential file cannot be written.
    #[error("the credential file {} cannot be written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// There is no file that a login could be kept in.
    #[error("there is no credential file to keep a login in")]
    NoFile,
    /// The name of a helper cannot be part of a program's name.
    #[error("`{name}` cannot be the name of a credential helper")]
    HelperName {
        /// The name.
        name: String,
    },
    /// A helper cannot be run.
    #[error("the credential helper `{program}` cannot be run")]
    HelperStart {
        /// The program.
        program: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A helper does not come to an end.
    #[error("the credential helper `{program}` did not answer within {} seconds", after.as_secs())]
    HelperTimeout {
        /// The program.
        program: String,
        /// How long it had.
        after: Duration,
    },
    /// A helper says that it failed.
    #[error("the credential helper `{program}` failed: {message}")]
    Helper {
        /// The program.
        program: String,
        /// Its words.
        message: String,
    },
    /// Another place that credentials come from failed.
    #[error("the credentials for {registry} cannot be had")]
    Other {
        /// The registry.
        registry: String,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl CredentialsError {
    /// Advice for the person who sees the error, where there is any.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::HelperStart { program, source } if source.kind() == io::ErrorKind::NotFound => {
                Some(format!(
                    "install {program}, or remove it from `credsStore` and `credHelpers` in the credential file"
                ))
            }
            Self::Encoding { registry, .. } => {
                Some(format!("log in anew with `kiln login {registry}`"))
            }
            _ => None,
        }
    }
}

/// Where credentials come from. Asked when a registry wants to know who asks, once for each repository.
pub trait Credentials: Send + Sync {
    /// The credential for `repository` on `registry` (`docker.io`, `localhost:5000`); `repository` is empty when the
    /// registry as a whole is asked. `None` stands for anonymous.
    ///
    /// # Errors
    /// When there may be credentials and they cannot be read: going on as anonymous would only confuse.
    fn find(
        &self,
        registry: &str,
        repository: &str,
    ) -> Result<Option<Credential>, CredentialsError>;
}

/// No credentials for anyone.
#[derive(Clone, Copy, Debug)]
pub struct Anonymous;

impl Credentials for Anonymous {
    fn find(&self, _: &str, _: &str) -> Result<Option<Credential>, CredentialsError> {
        Ok(None)
    }
}

/// One credential for one registry, as `kiln login` has it before it is known to be right.
#[derive(Clone, Debug)]
pub struct Fixed {
    /// The registry it is for.
    pub registry: String,
    /// The credential.
    pub credential: Credential,
}

impl Credentials for Fixed {
    fn find(&self, registry: &str, _: &str) -> Result<Option<Credential>, CredentialsError> {
        Ok((registry == self.registry).then(|| self.credential.clone()))
    }
}
