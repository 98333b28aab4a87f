//! The HTTP client's agents: one for each way to reach a host, made when first needed.
//!
//! A way is: encrypted or not, certificates checked or not, through the proxy or not. Each agent
//! has its pool of connections. Reading the machine's certificates takes milliseconds, so it waits
//! until a secure connection is made.

use std::sync::OnceLock;

use ureq::config::ConfigBuilder;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};
use ureq::typestate::AgentScope;
use ureq::{Agent, Proxy, ProxyProtocol};

use crate::error::ClientError;
use crate::no_proxy::NoProxy;
use crate::options::{ClientOptions, Identity};
use crate::redact::redact;
use crate::url::Url;

/// How certificates are treated on a way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// Plain HTTP.
    None,
    Checked,
    Unchecked,
}

/// All agents of a client.
#[derive(Debug)]
pub(crate) struct Agents {
    options: ClientOptions,
    http_proxy: Option<Proxy>,
    https_proxy: Option<Proxy>,
    no_proxy: NoProxy,
    extra_roots: Vec<Certificate<'static>>,
    roots: OnceLock<RootCerts>,
    ways: Ways,
    /// The ways to hosts that get to see a certificate of ours.
    identified: Vec<(Vec<String>, ClientCert, Ways)>,
    /// The one way there is, if all goes over a UNIX socket.
    socket: Option<Agent>,
}

/// By [`Trust`], then direct or through the proxy.
type Ways = [[OnceLock<Agent>; 2]; 3];

impl Agents {
    /// Checks what the options hold; opens nothing.
    pub(crate) fn new(options: ClientOptions) -> Result<Self, ClientError> {
        if options
            .user_agent
            .parse::<ureq::http::HeaderValue>()
            .is_err()
        {
            return Err(ClientError::BadUserAgent {
                user_agent: options.user_agent,
            });
        }
        let proxies = &options.proxies;
        Ok(Self {
            http_proxy: parse_proxy(proxies.http.as_deref())?,
            https_proxy: parse_proxy(proxies.https.as_deref())?,
            no_proxy: NoProxy::parse(proxies.no_proxy.as_deref().unwrap_or_default()),
            extra_roots: parse_certificates(&options.ca_certificates)?,
            roots: OnceLock::new(),
            ways: Default::default(),
            identified: parse_identities(&options.identities)?,
            socket: socket_agent(&options)?,
            options,
        })
    }

    /// What the client was made with.
    pub(crate) fn options(&self) -> &ClientOptions {
        &self.options
    }

    /// The agent that reaches `url`.
    pub(crate) fn for_url(&self, url: &Url) -> &Agent {
        if let Some(agent) = &self.socket {
            return agent;
        }
        let trust = match (url.is_secure(), names(&self.options.insecure_hosts, url)) {
            (false, _) => Trust::None,
            (true, false) => Trust::Checked,
            (true, true) => Trust::Unchecked,
        };
        let proxy = if url.is_secure() {
            &self.https_proxy
        } else {
            &self.http_proxy
        };
        let proxy = proxy
            .as_ref()
            .filter(|_| !self.no_proxy.covers(url.host(), url.port()));
        let identity = self.identified.iter().find(|(hosts, ..)| names(hosts, url));
        let (identity, ways) = match identity {
            Some((_, identity, ways)) => (Some(identity), ways),
            None => (None, &self.ways),
        };
        ways[trust as usize][usize::from(proxy.is_some())]
            .get_or_init(|| self.build(trust, proxy, identity))
    }

    fn build(&self, trust: Trust, proxy: Option<&Proxy>, identity: Option<&ClientCert>) -> Agent {
        let secure_proxy = proxy.is_some_and(|proxy| proxy.protocol() == ProxyProtocol::Https);
        let roots = if trust == Trust::Checked || secure_proxy {
            self.roots
                .get_or_init(|| load_roots(&self.extra_roots))
                .clone()
        } else {
            RootCerts::new_with_certs(&[])
        };
        let tls = TlsConfig::builder()
            .root_certs(roots)
            .client_cert(identity.cloned())
            .disable_verification(trust == Trust::Unchecked)
            .build();
        let config = configured(&self.options)
            .tls_config(tls)
            .proxy(proxy.cloned());
        config.build().new_agent()
    }
}

/// What all agents have in common.
fn configured(options: &ClientOptions) -> ConfigBuilder<AgentScope> {
    let timeouts = options.timeouts;
    Agent::config_builder()
        .user_agent(&options.user_agent)
        // The file itself is wanted, its length and its digest: nothing is to be unpacked on the
        // way.
        .accept_encoding("identity")
        .http_status_as_error(false)
        // As many as the transfers that a caller has under way at once.
        .max_idle_connections(32)
        .max_idle_connections_per_host(8)
        // Redirects are followed by `Client`: each may need another way.
        .max_redirects(0)
        .timeout_resolve(Some(timeouts.connect))
        .timeout_connect(Some(timeouts.connect))
        .timeout_per_read(Some(timeouts.stall))
        .timeout_per_write(Some(timeouts.stall))
}

#[cfg(unix)]
fn socket_agent(options: &ClientOptions) -> Result<Option<Agent>, ClientError> {
    use crate::socket::{NoResolver, SocketConnector};
    let Some(path) = options.socket.clone() else {
        return Ok(None);
    };
    let config = configured(options).proxy(None).build();
    Ok(Some(Agent::with_parts(
        config,
        SocketConnector { path },
        NoResolver,
    )))
}

#[cfg(not(unix))]
fn socket_agent(options: &ClientOptions) -> Result<Option<Agent>, ClientError> {
    match options.socket.clone() {
        Some(path) => Err(ClientError::NoSockets { path }),
        None => Ok(None),
    }
}

/// Whether one of `hosts` (`host` or `host:port`) is the URL's.
fn names(hosts: &[String], url: &Url) -> bool {
    let host = url.host();
    let with_port = if host.contains(':') {
        format!("[{host}]:{}", url.port())
    } else {
        format!("{host}:{}", url.port())
    };
    hosts.iter().any(|entry| {
        let bare = entry.trim_matches(['[', ']']);
        bare.eq_ignore_ascii_case(host) || entry.eq_ignore_ascii_case(&with_port)
    })
}

fn parse_identities(
    identities: &[Identity],
) -> Result<Vec<(Vec<String>, ClientCert, Ways)>, ClientError> {
    let parse = |identity: &Identity| {
        let bad = |source| ClientError::BadIdentity {
            hosts: identity.hosts.join(", "),
            source,
        };
        let mut chain = Vec::new();
        for item in parse_pem(&identity.certificates) {
            if let PemItem::Certificate(certificate) = item.map_err(|error| bad(error.into()))? {
                chain.push(certificate);
            }
        }
        if chain.is_empty() {
            return Err(bad("it holds no PEM certificate".into()));
        }
        let key = PrivateKey::from_pem(&identity.key).map_err(|error| bad(error.into()))?;
        let identified = ClientCert::new_with_certs(&chain, key);
        Ok((identity.hosts.clone(), identified, Ways::default()))
    };
    identities.iter().map(parse).collect()
}

fn parse_proxy(text: Option<&str>) -> Result<Option<Proxy>, ClientError> {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let bad = |source| ClientError::BadProxy {
        proxy: redact(text),
        source,
    };
    let proxy = Proxy::new(text).map_err(|error| bad(error.into()))?;
    match proxy.protocol() {
        ProxyProtocol::Http | ProxyProtocol::Https => Ok(Some(proxy)),
        other => Err(bad(format!(
            "proxies of the kind {other:?} are not supported"
        )
        .into())),
    }
}

fn parse_certificates(entries: &[Vec<u8>]) -> Result<Vec<Certificate<'static>>, ClientError> {
    let mut certificates = Vec::new();
    for (index, pem) in entries.iter().enumerate() {
        let before = certificates.len();
        for item in parse_pem(pem) {
            match item {
                Ok(PemItem::Certificate(certificate)) => certificates.push(certificate),
                // A key beside the certificate is of no use here.
                Ok(_) => {}
                Err(error) => {
                    let source = error.into();
                    return Err(ClientError::BadCertificate {
                        entry: index + 1,
                        source,
                    });
                }
            }
        }
        if certificates.len() == before {
            return Err(ClientError::NoCertificate { entry: index + 1 });
        }
    }
    Ok(certificates)
}

/// The machine's certificates and those of the caller. A machine without any, such as a container
/// made from nothing, gets Mozilla's list.
fn load_roots(extra: &[Certificate<'static>]) -> RootCerts {
    // Single unreadable files in the store are common and no reason to give up: a host whose
    // authority is missing gets a clear error.
    let found = rustls_native_certs::load_native_certs().certs;
    let mut roots: Vec<Certificate<'static>> = found
        .iter()
        .map(|der| Certificate::from_der(der).to_owned())
        .collect();
    roots.extend(extra.iter().cloned());
    if roots.is_empty() {
        RootCerts::WebPki
    } else {
        RootCerts::new_with_certs(&roots)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Proxies;

    fn agents(options: ClientOptions) -> Agents {
        Agents::new(options).expect("good options")
    }

    fn proxy_of(agents: &Agents, url: &str) -> Option<String> {
        let url = Url::parse(url).expect("a URL");
        agents
            .for_url(&url)
            .config()
            .proxy()
            .map(|proxy| proxy.host().to_owned())
    }

    #[test]
    fn each_scheme_has_its_proxy() {
        let agents = agents(ClientOptions {
            proxies: Proxies {
                http: Some("http://plain.example:3128".to_owned()),
                https: Some("secure.example".to_owned()),
                no_proxy: Some("inside.example".to_owned()),
            },
            ..ClientOptions::default()
        });
        assert_eq!(
            proxy_of(&agents, "http://a.example/").as_deref(),
            Some("plain.example")
        );
        assert_eq!(
            proxy_of(&agents, "https://a.example/").as_deref(),
            Some("secure.example")
        );
        assert_eq!(proxy_of(&agents, "http://x.inside.example/"), None);
        assert_eq!(proxy_of(&agents, "https://127.0.0.1/"), None);
    }

    #[test]
    fn only_named_hosts_go_unchecked() {
        let agents = agents(ClientOptions {
            insecure_hosts: vec!["a.example".to_owned(), "b.example:8443".to_owned()],
            ..ClientOptions::default()
        });
        let unchecked = |url: &str| {
            let url = Url::parse(url).expect("a URL");
            agents
                .for_url(&url)
                .config()
                .tls_config()
                .disable_verification()
        };
        assert!(unchecked("https://A.example/") && unchecked("https://a.example:444/"));
        assert!(unchecked("https://b.example:8443/"));
        assert!(!unchecked("https://b.example/") && !unchecked("https://x.a.example/"));
    }

    #[test]
    fn bad_options_are_refused() {
        let proxy = |proxy: &str| {
            let proxies = Proxies {
                http: Some(proxy.to_owned()),
                ..Proxies::default()
            };
            Agents::new(ClientOptions {
                proxies,
                ..ClientOptions::default()
            })
        };
        let error = proxy("socks5://u:secret@h:1").expect_err("no SOCKS");
        assert!(!error.to_string().contains("secret"), "{error}");
        assert!(proxy("http://h h").is_err());
        assert!(proxy("").is_ok());

        let with = |pem: &[u8]| {
            let ca_certificates = vec![pem.to_vec()];
            Agents::new(ClientOptions {
                ca_certificates,
                ..ClientOptions::default()
            })
        };
        assert!(matches!(
            with(b"text"),
            Err(ClientError::NoCertificate { entry: 1 })
        ));
        let broken = b"-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n";
        assert!(matches!(
            with(broken),
            Err(ClientError::BadCertificate { entry: 1, .. })
        ));

        let user_agent = "a\r\nX-Evil: 1".to_owned();
        assert!(
            Agents::new(ClientOptions {
                user_agent,
                ..ClientOptions::default()
            })
            .is_err()
        );
    }
}
