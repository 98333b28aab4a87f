//! A docker daemon that a thread plays.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;

use kiln_remote::daemon::{Daemon, DaemonError};

use super::options;

/// A daemon that answers each request with this, and sends what it was asked through the channel.
fn daemon(answer: &'static str) -> (Daemon, std::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("tcp://{}", listener.local_addr().expect("an address"));
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let mut stream = BufReader::new(stream);
            let mut asked = String::new();
            while stream.read_line(&mut asked).is_ok_and(|length| length > 2) {}
            while asked.contains("chunked")
                && !asked.ends_with("\r\n0\r\n\r\n")
                && stream.read_line(&mut asked).is_ok_and(|length| length > 0)
            {}
            let _ = stream.get_mut().write_all(answer.as_bytes());
            if sender.send(asked).is_err() {
                return;
            }
        }
    });
    (
        Daemon::new(&address, options().client).expect("a good address"),
        receiver,
    )
}

#[test]
fn an_image_comes_out_as_it_is_sent() {
    let (daemon, asked) =
        daemon("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\narchive\r\n0\r\n\r\n");
    let archive = std::io::read_to_string(daemon.export(&["a:1", "b/c@x"]).unwrap()).unwrap();
    assert_eq!(archive, "archive");
    assert!(
        asked
            .recv()
            .unwrap()
            .starts_with("GET /images/get?names=a%3A1&names=b%2Fc%40x HTTP/1.1")
    );
}

#[test]
fn an_archive_that_breaks_off_is_noticed() {
    let (daemon, _asked) = daemon(
        "HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n7\r\narch",
    );
    let mut archive = Vec::new();
    assert!(
        daemon
            .export(&["a"])
            .unwrap()
            .read_to_end(&mut archive)
            .is_err()
    );
}

#[test]
fn an_archive_goes_in_and_the_daemon_says_what_it_loaded() {
    let (daemon, asked) = daemon(
        "HTTP/1.1 200 OK\r\nContent-Length: 61\r\n\r\n{\"stream\":\"Loaded image: a:1\\n\"}\n{\"stream\":\"\\u001b[2JLoaded\"}",
    );
    assert_eq!(
        daemon.import(&mut "tar".as_bytes()).unwrap(),
        ["Loaded image: a:1", "[2JLoaded"]
    );
    let asked = asked.recv().unwrap();
    assert!(
        asked.starts_with("POST /images/load?quiet=1 HTTP/1.1"),
        "{asked}"
    );
    assert!(asked.ends_with("3\r\ntar\r\n0\r\n\r\n"), "{asked:?}");
}

#[test]
fn what_the_daemon_says_is_said() {
    let (missing, _asked) =
        daemon("HTTP/1.1 404 No\r\nContent-Length: 27\r\n\r\n{\"message\":\"no such image\"}");
    let error = missing.export(&["a"]).unwrap_err();
    assert!(matches!(error, DaemonError::NotFound { .. }), "{error:?}");
    assert!(
        error.to_string().ends_with("has no image a: no such image"),
        "{error}"
    );
    let (full, _asked) =
        daemon("HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n{\"error\":\"no space on device\"} ");
    let error = full.import(&mut "tar".as_bytes()).unwrap_err();
    assert!(matches!(error, DaemonError::Load { .. }), "{error:?}");
    let (cut, _asked) = daemon(
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 90\r\n\r\n{\"stream\":\"Lo",
    );
    let error = cut.import(&mut "tar".as_bytes()).unwrap_err();
    assert!(matches!(error, DaemonError::Load { .. }), "{error:?}");
}

#[test]
fn archives_that_cannot_be_read_and_daemons_that_are_not_there_are_told_apart() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("no more"))
        }
    }
    let (daemon, _asked) = daemon("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert!(matches!(
        daemon.import(&mut Broken),
        Err(DaemonError::Archive(_))
    ));
    let nobody = Daemon::new("unix:///nobody/listens/here.sock", options().client).unwrap();
    let error = nobody.export(&["a"]).unwrap_err();
    assert!(matches!(error, DaemonError::Fetch { .. }), "{error:?}");
    assert!(error.hint().is_some());
    for address in ["", "docker.sock", "unix://relative", "ssh://host", "tcp://"] {
        let error = Daemon::new(address, options().client).unwrap_err();
        assert!(
            matches!(error, DaemonError::Address { .. }),
            "{address}: {error:?}"
        );
    }
}
