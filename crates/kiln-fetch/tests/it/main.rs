//! The client against a server that behaves as badly as servers do.

mod download;
mod proxy;
mod redirects;
mod requests;
mod resume;
mod retries;
mod server;
#[cfg(unix)]
mod socket;
mod tls;

use std::time::Duration;

use kiln_fetch::{Client, ClientOptions, Retries, Timeouts};

/// Options with which a test does not wait.
fn quick() -> ClientOptions {
    ClientOptions {
        retries: Retries {
            max: 3,
            base_delay: Duration::from_millis(1),
            max_delay: Duration::from_secs(2),
        },
        timeouts: Timeouts {
            connect: Duration::from_secs(20),
            stall: Duration::from_secs(20),
        },
        ..ClientOptions::default()
    }
}

/// A client that gives up on a silent server before the server goes on. Only for tests of silence:
/// on a busy machine it may give up on a server that is merely slow.
fn impatient_client() -> Client {
    let stall = Duration::from_millis(500);
    let timeouts = Timeouts {
        stall,
        ..quick().timeouts
    };
    Client::new(ClientOptions {
        timeouts,
        ..quick()
    })
    .expect("these options are good")
}

fn client() -> Client {
    Client::new(quick()).expect("these options are good")
}
