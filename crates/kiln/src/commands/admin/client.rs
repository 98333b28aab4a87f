//! A client of the registry's JSON API.

use std::io::Read as _;

use kiln_fetch::{ClientOptions, Method, Request, RequestBody, base64};
use kiln_remote::{Credential, Credentials as _};
use serde_json::Value;

use super::Context;
use crate::registries::credential_files;
use crate::ui::report::Report;

/// Which registry, and who asks. The ids are their own because a global option shares its id's value with whatever
/// argument of a subcommand has the same: the member `user` is not who logs in.
#[derive(Debug, clap::Args)]
pub(super) struct ServerArgs {
    /// The registry: HOST[:PORT] or a URL [default: $KILN_SERVER]
    #[arg(
        id = "login_server",
        long = "server",
        global = true,
        value_name = "SERVER"
    )]
    server: Option<String>,
    /// A personal or robot token [default: $KILN_TOKEN]
    #[arg(
        id = "login_token",
        long = "token",
        global = true,
        value_name = "TOKEN",
        conflicts_with = "login_user"
    )]
    token: Option<String>,
    /// Log in as this user, with the password in $KILN_PASSWORD
    #[arg(id = "login_user", long = "user", global = true, value_name = "NAME")]
    user: Option<String>,
    /// Send credentials over plain HTTP to a server that is not this machine
    #[arg(long, global = true)]
    plain_http: bool,
    /// Do not check the server's certificate
    #[arg(long, global = true)]
    insecure: bool,
}

/// Most bytes of an answer: a thousand lines of the audit log have less.
const ANSWER_MOST: u64 = 16 << 20;

/// A connection to the API of one registry.
pub(super) struct Client {
    fetch: kiln_fetch::Client,
    base: String,
    host: String,
    authorization: Option<String>,
}

impl Client {
    /// Finds out where to go and who asks. Nothing is sent yet.
    pub(super) fn new(context: &Context, args: &ServerArgs) -> Result<Self, Report> {
        let environment = &context.environment;
        let server = args
            .server
            .clone()
            .or_else(|| environment.variable("KILN_SERVER"))
            .ok_or_else(|| {
                Report::usage("which registry?").hint("name it with --server or KILN_SERVER")
            })?;
        let (base, host) = address(&server, args.plain_http)?;
        let authorization = authorization(context, args, &host)?;
        let options = ClientOptions {
            proxies: environment.proxies.clone(),
            ca_certificates: environment.ca_certificates.iter().cloned().collect(),
            insecure_hosts: args.insecure.then(|| host.clone()).into_iter().collect(),
            ..ClientOptions::default()
        };
        Ok(Self {
            fetch: kiln_fetch::Client::new(options)?,
            base,
            host,
            authorization,
        })
    }

    /// What is at `path`, below `/api/v1`.
    pub(super) fn get(&self, path: &str) -> Result<Value, Report> {
        self.send(Method::Get, path, None)
    }

    /// All entries of a list that comes in parts, each given to `entry`, at most `most`.
    pub(super) fn list(
        &self,
        path: &str,
        most: usize,
        mut entry: impl FnMut(&Value) -> Result<(), Report>,
    ) -> Result<(), Report> {
        let mut left = most;
        let mut after = String::new();
        while left > 0 {
            let mark = if path.contains('?') { '&' } else { '?' };
            let limit = left.min(1_000);
            let page = self.get(&format!("{path}{mark}limit={limit}{after}"))?;
            let items = page["items"]
                .as_array()
                .map(Vec::as_slice)
                .unwrap_or_default();
            items.iter().try_for_each(&mut entry)?;
            left = left.saturating_sub(items.len());
            after = match &page["next"] {
                Value::String(next) => format!("&after={}", encoded(next)),
                Value::Number(next) => format!("&after={next}"),
                _ => return Ok(()),
            };
        }
        Ok(())
    }

    /// Posts to `path`.
    pub(super) fn post(&self, path: &str, body: Option<&Value>) -> Result<Value, Report> {
        self.send(Method::Post, path, body)
    }

    /// Puts something at `path`.
    pub(super) fn put(&self, path: &str, body: &Value) -> Result<Value, Report> {
        self.send(Method::Put, path, Some(body))
    }

    /// Changes what is at `path`.
    pub(super) fn patch(&self, path: &str, body: &Value) -> Result<Value, Report> {
        self.send(Method::Patch, path, Some(body))
    }

    /// Deletes what is at `path`.
    pub(super) fn delete(&self, path: &str) -> Result<Value, Report> {
        self.send(Method::Delete, path, None)
    }

    fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Report> {
        let mut request = Request::new(format!("{}/api/v1{path}", self.base));
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        let text = body.map(Value::to_string);
        let outgoing = match &text {
            Some(text) => {
                request = request.header("content-type", "application/json");
                RequestBody::Bytes(text.as_bytes())
            }
            None => RequestBody::Empty,
        };
        let response = self.fetch.send(method, &request, outgoing)?;
        let status = response.status;
        let mut bytes = vec![];
        response.body.take(ANSWER_MOST).read_to_end(&mut bytes)?;
        let value: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        match status {
            200..300 => Ok(value),
            _ => Err(self.failure(status, &value)),
        }
    }

    /// What the server says of why not, or that it says nothing that kiln understands.
    fn failure(&self, status: u16, problem: &Value) -> Report {
        let Some(message) = problem["message"].as_str() else {
            return Report::new(format!("{} answers with status {status}", self.host))
                .hint("is it a kiln registry?");
        };
        let report = Report::new(message);
        let known = match (status, &self.authorization) {
            (401, None) => Some(format!(
                "`kiln login {}` logs in; or give --token or --user",
                self.host
            )),
            _ => None,
        };
        let own = problem["hints"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let own = own.iter().filter_map(Value::as_str).map(str::to_owned);
        known.into_iter().chain(own).fold(report, Report::hint)
    }
}

/// The URL and the `host[:port]` of a server. Plain HTTP is for this machine only, unless it is asked for.
fn address(server: &str, plain_http: bool) -> Result<(String, String), Report> {
    let (scheme, rest) = match server.split_once("://") {
        Some((scheme, rest)) => (Some(scheme), rest),
        None => (None, server),
    };
    let host = rest.trim_end_matches('/');
    let bad = host.is_empty()
        || !host.is_ascii()
        || host.contains(['/', '@', '?', '#', '%', '\\'])
        || host.contains(|c: char| c.is_whitespace() || c.is_control());
    if bad {
        return Err(
            Report::usage(format!("`{server}` is not the address of a server"))
                .hint("HOST, HOST:PORT, http://HOST:PORT or https://HOST:PORT"),
        );
    }
    let scheme = match scheme {
        None if is_here(host) || plain_http => "http",
        None | Some("https") => "https",
        Some("http") if is_here(host) || plain_http => "http",
        Some("http") => {
            let message = format!("plain HTTP would show your credentials on the way to {host}");
            return Err(Report::usage(message).hint("--plain-http allows it"));
        }
        Some(other) => {
            return Err(Report::usage(format!("`{other}` is not http or https")));
        }
    };
    Ok((format!("{scheme}://{host}"), host.to_owned()))
}

/// Whether a `host[:port]` is this machine.
fn is_here(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name == "localhost"
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// The `Authorization` header, by the first of: a token, a name and password, what a login keeps.
fn authorization(
    context: &Context,
    args: &ServerArgs,
    host: &str,
) -> Result<Option<String>, Report> {
    let environment = &context.environment;
    if let Some(user) = &args.user {
        let password = environment.variable("KILN_PASSWORD").ok_or_else(|| {
            Report::usage(format!("the password of `{user}` is missing"))
                .hint("put it into the environment variable KILN_PASSWORD")
        })?;
        return Ok(Some(basic(user, &password)));
    }
    let token = args
        .token
        .clone()
        .or_else(|| environment.variable("KILN_TOKEN"));
    if let Some(token) = token {
        return Ok(Some(format!("Bearer {token}")));
    }
    let login = credential_files(context).find(host, "")?;
    Ok(login.map(|login| match login {
        Credential::Password { username, password } => basic(&username, &password),
        Credential::IdentityToken { token, .. } | Credential::RegistryToken(token) => {
            format!("Bearer {token}")
        }
    }))
}

fn basic(user: &str, password: &str) -> String {
    format!(
        "Basic {}",
        base64::encode(format!("{user}:{password}").as_bytes())
    )
}

/// A part of a path or a query, with everything encoded that could mean something there (RFC 3986 section 2.3).
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    // A whole segment of dots would be resolved away.
    match out.as_str() {
        "." => "%2E".to_owned(),
        ".." => "%2E%2E".to_owned(),
        _ => out,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (server, plain, url) in [
            ("registry.example", false, "https://registry.example"),
            (
                "registry.example:5000/",
                false,
                "https://registry.example:5000",
            ),
            (
                "https://registry.example",
                false,
                "https://registry.example",
            ),
            ("localhost:5000", false, "http://localhost:5000"),
            ("127.0.0.1:5000", false, "http://127.0.0.1:5000"),
            ("[::1]:5000", false, "http://[::1]:5000"),
            ("https://localhost", false, "https://localhost"),
            ("http://registry.example", true, "http://registry.example"),
            ("registry.example", true, "http://registry.example"),
        ] {
            assert_eq!(address(server, plain).unwrap().0, url);
        }
        for bad in [
            "",
            "https://",
            "http://registry.example",
            "ftp://h",
            "a/b",
            "u@h",
            "h h",
            "h\r\nX: y",
            "localhost.evil/",
            "http://127.0.0.1.evil.example",
        ] {
            let result = address(bad, false);
            let https = result
                .as_ref()
                .is_ok_and(|(url, _)| url == "https://localhost.evil");
            assert!(result.is_err() || https, "{bad:?}");
        }
    }

    #[test]
    fn parts_stay_parts() {
        assert_eq!(encoded("team/app"), "team%2Fapp");
        assert_eq!(encoded("a b&c=d?#%"), "a%20b%26c%3Dd%3F%23%25");
        assert_eq!(
            (encoded(".."), encoded("."), encoded("a..b")),
            ("%2E%2E".into(), "%2E".into(), "a..b".into())
        );
        assert_eq!(encoded("ü"), "%C3%BC");
    }
}
