//! The client against a registry in memory that can be as bad as registries are.

mod auth;
mod credentials;
mod daemon;
mod hosts;
mod listing;
mod pull;
mod push;
mod referrers;
mod tls;
mod transfer;

use std::sync::Arc;
use std::time::Duration;

use kiln_fetch::{ClientOptions, Retries};
use kiln_oci::Reference;
use kiln_remote::credentials::Fixed;
use kiln_remote::{Credential, Remote, RemoteOptions, Repository};
use kiln_testkit::MemoryRegistry;

/// Options with which a test does not wait.
fn options() -> RemoteOptions {
    RemoteOptions {
        client: ClientOptions {
            retries: Retries {
                max: 4,
                base_delay: Duration::from_millis(1),
                max_delay: Duration::from_secs(5),
            },
            ..ClientOptions::default()
        },
        ..RemoteOptions::default()
    }
}

fn with_password(registry: &MemoryRegistry, password: &str) -> RemoteOptions {
    let credential = Credential::Password {
        username: "kiln".to_owned(),
        password: password.to_owned(),
    };
    RemoteOptions {
        credentials: Arc::new(Fixed {
            registry: registry.host(),
            credential,
        }),
        ..options()
    }
}

fn reference(registry: &MemoryRegistry, rest: &str) -> Reference {
    format!("{}/{rest}", registry.host())
        .parse()
        .expect("a reference")
}

/// A repository on the registry, by a client with these options.
fn repository_with(registry: &MemoryRegistry, name: &str, options: RemoteOptions) -> Repository {
    let remote = Remote::new(options).expect("good options");
    remote.repository(&reference(registry, name))
}

fn repository(registry: &MemoryRegistry, name: &str) -> Repository {
    repository_with(registry, name, options())
}

/// Bytes that repeat late, so that a part in the wrong place is noticed.
fn noise(length: usize) -> Vec<u8> {
    kiln_testkit::noise(7, length)
}
