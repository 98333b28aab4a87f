//! HTTP: TLS, proxies, retries, resume and digest checks
