//! The client against a server that behaves as badly as servers do.

mod download;
mod proxy;
mod redirects;
mod requests;
mod resume;
mod retries;
mod server;
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
            connect: Duration::from_secs(5),
            stall: Duration::from_millis(300),
        },
        ..ClientOptions::default()
    }
}

fn client() -> Client {
    Client::new(quick()).expect("these options are good")
}
