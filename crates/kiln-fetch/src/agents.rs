//! The HTTP client's agents: one for each way to reach a host, made when first needed.
//!
//! A way is: encrypted or not, certificates checked or not, through the proxy or not. Each agent
//! has its pool of connections. Reading the machine's certificates takes milliseconds, so it waits
//! until a secure connection is made.

use std::sync::OnceLock;

use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Proxy, ProxyProtocol};

use crate::error::ClientError;
use crate::no_proxy::NoProxy;
use crate::options::ClientOptions;
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
    /// By [`Trust`], then direct or through the proxy.
    ways: [[OnceLock<Agent>; 2]; 3],
}

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
            options,
        })
    }

    /// What the client was made with.
    pub(crate) fn options(&self) -> &ClientOptions {
        &self.options
    }

    /// The agent that reaches `url`.
    pub(crate) fn for_url(&self, url: &Url) -> &Agent {
        let trust = match (url.is_secure(), self.is_insecure(url)) {
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
        self.ways[trust as usize][usize::from(proxy.is_some())]
            .get_or_init(|| self.build(trust, proxy))
    }

    fn is_insecure(&self, url: &Url) -> bool {
        let host = url.host();
        let with_port = if host.contains(':') {
            format!("[{host}]:{}", url.port())
        } else {
            format!("{host}:{}", url.port())
        };
        self.options.insecure_hosts.iter().any(|entry| {
            let bare = entry.trim_matches(['[', ']']);
            bare.eq_ignore_ascii_case(host) || entry.eq_ignore_ascii_case(&with_port)
        })
    }

    fn build(&self, trust: Trust, proxy: Option<&Proxy>) -> Agent {
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
            .disable_verification(trust == Trust::Unchecked)
            .build();
        let timeouts = self.options.timeouts;
        Agent::config_builder()
            .tls_config(tls)
            .proxy(proxy.cloned())
            .user_agent(&self.options.user_agent)
            // The file itself is wanted, its length and its digest: nothing is to be unpacked on
            // the way.
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
            .build()
            .new_agent()
    }
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
