//! The ports of EXPOSE: `[[ip:]host:]port[-port][/protocol]`.

/// The ports that a specification names, each as `80/tcp`. Parts about the host are checked and
/// dropped: they mean nothing in an image.
///
/// # Errors
/// What is wrong, as a sentence.
pub(crate) fn parse(text: &str) -> Result<Vec<String>, String> {
    let mut parts: Vec<&str> = text.rsplitn(3, ':').collect();
    let container = parts.remove(0);
    let (port, protocol) = container.split_once('/').unwrap_or((container, "tcp"));
    if port.is_empty() {
        return Err(format!("no port specified: {text:?}"));
    }
    let protocol = match protocol.to_ascii_lowercase().as_str() {
        "" => "tcp".to_string(),
        known @ ("tcp" | "udp" | "sctp") => known.to_string(),
        _ => {
            return Err(format!(
                "invalid protocol {protocol:?}; use tcp, udp or sctp"
            ));
        }
    };
    let (start, end) = range(port).ok_or_else(|| format!("invalid port {port:?}"))?;
    if let Some(host) = parts.first().filter(|host| !host.is_empty()) {
        let (host_start, host_end) =
            range(host).ok_or_else(|| format!("invalid host port {host:?}"))?;
        if start != end && host_end - host_start != end - start {
            return Err(format!("the ranges {host:?} and {port:?} differ in length"));
        }
    }
    if let Some(ip) = parts.get(1).filter(|ip| !ip.is_empty()) {
        let bare = ip
            .strip_prefix('[')
            .and_then(|ip| ip.strip_suffix(']'))
            .unwrap_or(ip);
        bare.parse::<std::net::IpAddr>()
            .map_err(|_| format!("invalid IP address {ip:?}"))?;
    }
    Ok((start..=end)
        .map(|port| format!("{port}/{protocol}"))
        .collect())
}

fn range(text: &str) -> Option<(u16, u16)> {
    let number = |text: &str| {
        text.bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| text.parse().ok())?
    };
    match text.split_once('-') {
        None => number(text).map(|port| (port, port)),
        Some((start, end)) => {
            Some((number(start)?, number(end)?)).filter(|(start, end)| start <= end)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_ranges_and_protocols() {
        for (text, expected) in [
            ("80", vec!["80/tcp"]),
            ("80/tcp", vec!["80/tcp"]),
            ("53/UDP", vec!["53/udp"]),
            ("80/", vec!["80/tcp"]),
            (
                "7000-7002/sctp",
                vec!["7000/sctp", "7001/sctp", "7002/sctp"],
            ),
            ("8080:80", vec!["80/tcp"]),
            ("127.0.0.1:8080:80", vec!["80/tcp"]),
            ("[::1]:8080:80", vec!["80/tcp"]),
            ("127.0.0.1::80", vec!["80/tcp"]),
            ("8000-8010:80", vec!["80/tcp"]),
            ("0", vec!["0/tcp"]),
        ] {
            assert_eq!(parse(text).unwrap(), expected, "{text}");
        }
        for text in [
            "",
            "/tcp",
            "x",
            "80/icmp",
            "90-80",
            "65536",
            "1-2-3",
            "+1",
            "8:80-81",
            "x:1:2",
            "1.2.3:1:2",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
