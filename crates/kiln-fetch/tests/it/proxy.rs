//! Through a proxy.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

use kiln_fetch::{Client, ClientOptions, FetchError, Proxies, Request};

use crate::quick;
use crate::server::{Reply, Server};

/// A proxy that takes CONNECT and leads every connection to `target`, whatever host was asked for.
/// Gives its port and the heads of the requests that it got.
pub(crate) fn start_proxy(target: SocketAddr, answer: &'static str) -> (u16, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    let port = listener.local_addr().expect("an address").port();
    let (send, receive) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
            let mut head = String::new();
            while reader.read_line(&mut head).is_ok_and(|count| count > 2) {}
            if send.send(head).is_err() {
                return;
            }
            let mut stream = stream;
            stream
                .write_all(answer.as_bytes())
                .expect("the client listens");
            if answer.contains(" 200 ") {
                let upstream = TcpStream::connect(target).expect("the target listens");
                let back = upstream.try_clone().expect("a second handle");
                let out = stream.try_clone().expect("a second handle");
                std::thread::spawn(move || pump(back, out));
                std::thread::spawn(move || pump(reader, upstream));
            }
        }
    });
    (port, receive)
}

fn pump(mut from: impl Read, mut to: TcpStream) {
    // Either side may hang up at any time.
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}

fn client_with(port: u16, no_proxy: Option<&str>) -> Client {
    let proxies = Proxies {
        http: Some(format!("http://user:p%40ss@127.0.0.1:{port}")),
        https: None,
        no_proxy: no_proxy.map(str::to_owned),
    };
    Client::new(ClientOptions { proxies, ..quick() }).expect("good options")
}

#[test]
fn a_proxy_leads_to_hosts_that_only_it_knows() {
    let server = Server::start(|_| Reply::ok("inside"));
    let (port, heads) = start_proxy(
        server.address(),
        "HTTP/1.1 200 Connection established\r\n\r\n",
    );
    let client = client_with(port, None);
    let request = Request::new("http://only.the.proxy.invalid/x");
    let response = client.get(&request).expect("an answer");
    assert_eq!(response.status, 200);
    let head = heads.recv().expect("the proxy was asked");
    assert!(
        head.starts_with("CONNECT only.the.proxy.invalid:80 "),
        "{head}"
    );
    assert!(head.contains("Basic dXNlcjpwQHNz"), "user:p@ss in {head}");
    assert_eq!(server.seen()[0].header("proxy-authorization"), None);
}

#[test]
fn exempt_hosts_are_reached_directly() {
    let server = Server::start(|_| Reply::ok("direct"));
    let (port, heads) = start_proxy(server.address(), "HTTP/1.1 500 No\r\n\r\n");
    let client = client_with(port, Some("proxy.invalid"));
    client
        .get(&Request::new(server.url("/")))
        .expect("this machine is always exempt");
    let exempt = Request::new("http://only.the.proxy.invalid/");
    let error = client.get(&exempt).expect_err("nobody knows that host");
    assert!(
        matches!(error, FetchError::HostNotFound { .. }),
        "{error:?}"
    );
    assert!(heads.try_recv().is_err(), "the proxy was never asked");
}

#[test]
fn a_proxy_that_refuses_is_named() {
    let server = Server::start(|_| Reply::ok(""));
    let (port, _heads) = start_proxy(server.address(), "HTTP/1.1 407 Who are you\r\n\r\n");
    let client = client_with(port, None);
    let error = client
        .get(&Request::new("http://x.invalid/"))
        .expect_err("refused");
    let FetchError::Proxy { reason, .. } = &error else {
        panic!("{error:?}")
    };
    assert!(reason.contains("407"), "{reason}");
    assert!(error.hint().is_some());
}
