//! Who we are at a registry.
//!
//! [`Credentials`] is where the answers come from: nowhere ([`Anonymous`]), one fixed login ([`Fixed`]), or the files of
//! docker and podman with their helper programs.

use std::fmt;

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
        None
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
