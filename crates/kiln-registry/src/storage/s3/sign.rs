//! Signatures of requests, version 4, in the header and in the URL.
//!
//! By hand, because it is a chain of five HMACs over text, and every crate that does it brings its own
//! HTTP client, its own clock or its own XML with it.
//!
//! Source: AWS, "Signature Version 4 signing process" and "Authenticating Requests (AWS Signature
//! Version 4)", whose examples are the tests.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ring::digest::{SHA256, digest};
use ring::hmac;

/// Who signs, and for where.
#[derive(Clone)]
pub(super) struct Signer {
    pub(super) access_key: String,
    pub(super) secret_key: String,
    pub(super) region: String,
}

/// What a signature is about.
pub(super) struct Signed<'a> {
    pub(super) method: &'a str,
    /// As it stands in `Host`.
    pub(super) host: &'a str,
    /// Encoded, with its first slash.
    pub(super) path: &'a str,
    /// Decoded, in any order.
    pub(super) query: &'a [(&'a str, String)],
    /// Further headers that are signed; names are lower case.
    pub(super) headers: &'a [(&'a str, String)],
}

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

impl Signer {
    /// The headers that a request with this body has to have, beside those that are signed.
    pub(super) fn headers(
        &self,
        request: &Signed<'_>,
        body: &[u8],
        now: SystemTime,
    ) -> Vec<(&'static str, String)> {
        let (day, time) = stamp(now);
        let hash = hex(digest(&SHA256, body).as_ref());
        let mut headers: Vec<(&str, &str)> = vec![
            ("host", request.host),
            ("x-amz-content-sha256", &hash),
            ("x-amz-date", &time),
        ];
        headers.extend(request.headers.iter().map(|(name, text)| (*name, &**text)));
        headers.sort_unstable();
        let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let query = canonical_query(request.query);
        let signature = self.sign(request, &query, &headers, &names, &hash, (&day, &time));
        let scope = self.scope(&day);
        let authorization = format!(
            "{ALGORITHM} Credential={}/{scope},SignedHeaders={names},Signature={signature}",
            self.access_key
        );
        vec![
            ("x-amz-content-sha256", hash),
            ("x-amz-date", time),
            ("authorization", authorization),
        ]
    }

    /// The query of a URL with which anybody may make the request for some time.
    pub(super) fn query(
        &self,
        request: &Signed<'_>,
        good_for: Duration,
        now: SystemTime,
    ) -> String {
        let (day, time) = stamp(now);
        let mut query = request.query.to_vec();
        query.extend([
            ("X-Amz-Algorithm", ALGORITHM.to_owned()),
            (
                "X-Amz-Credential",
                format!("{}/{}", self.access_key, self.scope(&day)),
            ),
            ("X-Amz-Date", time.clone()),
            ("X-Amz-Expires", good_for.as_secs().to_string()),
            ("X-Amz-SignedHeaders", "host".to_owned()),
        ]);
        let query = canonical_query(&query);
        let headers = [("host", request.host)];
        let moment = (&*day, &*time);
        let signature = self.sign(
            request,
            &query,
            &headers,
            "host",
            "UNSIGNED-PAYLOAD",
            moment,
        );
        format!("{query}&X-Amz-Signature={signature}")
    }

    fn scope(&self, day: &str) -> String {
        format!("{day}/{}/s3/aws4_request", self.region)
    }

    fn sign(
        &self,
        request: &Signed<'_>,
        query: &str,
        headers: &[(&str, &str)],
        names: &str,
        hash: &str,
        (day, time): (&str, &str),
    ) -> String {
        let headers: String = headers
            .iter()
            .map(|(name, text)| format!("{name}:{}\n", text.trim()))
            .collect();
        let canonical = format!(
            "{}\n{}\n{query}\n{headers}\n{names}\n{hash}",
            request.method, request.path
        );
        let canonical = hex(digest(&SHA256, canonical.as_bytes()).as_ref());
        let text = format!("{ALGORITHM}\n{time}\n{}\n{canonical}", self.scope(day));
        let mut key = format!("AWS4{}", self.secret_key).into_bytes();
        for part in [day, &self.region, "s3", "aws4_request"] {
            key = keyed(&key, part);
        }
        hex(&keyed(&key, &text))
    }
}

fn keyed(key: &[u8], text: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
}

/// A query as it is signed, and as it is sent: sorted by name, everything encoded.
pub(super) fn canonical_query(query: &[(&str, String)]) -> String {
    let mut parts: Vec<(String, String)> = query
        .iter()
        .map(|(name, value)| (encode(name), encode(value)))
        .collect();
    parts.sort_unstable();
    let parts: Vec<String> = parts
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    parts.join("&")
}

/// Percent-encoding of everything but RFC 3986's unreserved characters.
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The day and the moment, as `20130524` and `20130524T000000Z`.
fn stamp(now: SystemTime) -> (String, String) {
    let seconds = now
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let (days, seconds) = (seconds / 86_400, seconds % 86_400);
    // Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": years begin in March.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = (from_march + 2) % 12 + 1;
    let year = year + era * 400 + u64::from(month <= 2);
    let day = format!("{year:04}{month:02}{day:02}");
    let (hour, minute) = (seconds / 3_600, seconds / 60 % 60);
    let time = format!("{day}T{hour:02}{minute:02}{:02}Z", seconds % 60);
    (day, time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer() -> Signer {
        Signer {
            access_key: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
            region: "us-east-1".to_owned(),
        }
    }

    /// 2013-05-24, the day of the examples.
    fn day() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_369_353_600)
    }

    const HOST: &str = "examplebucket.s3.amazonaws.com";

    #[test]
    fn the_documented_examples_come_out() {
        let get = Signed {
            method: "GET",
            host: HOST,
            path: "/test.txt",
            query: &[],
            headers: &[("range", "bytes=0-9".to_owned())],
        };
        let headers = signer().headers(&get, b"", day());
        let authorization = &headers.last().unwrap().1;
        assert_eq!(
            authorization,
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
             SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,\
             Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        );
        let list = Signed {
            query: &[("prefix", "J".to_owned()), ("max-keys", "2".to_owned())],
            path: "/",
            headers: &[],
            ..get
        };
        let headers = signer().headers(&list, b"", day());
        let signature = "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7";
        assert!(headers.last().unwrap().1.ends_with(signature));
        let shared = Signed {
            query: &[],
            path: "/test.txt",
            ..list
        };
        let query = signer().query(&shared, Duration::from_secs(86_400), day());
        let signature = "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
        assert!(
            query.ends_with(&format!("&X-Amz-Signature={signature}")),
            "{query}"
        );
    }

    #[test]
    fn moments_are_told_in_leap_years_and_at_their_ends() {
        for (seconds, text) in [
            (0, "19700101T000000Z"),
            (951_782_399, "20000228T235959Z"),
            (951_782_400, "20000229T000000Z"),
            (1_709_251_199, "20240229T235959Z"),
            (1_735_689_599, "20241231T235959Z"),
            (4_107_542_400, "21000301T000000Z"),
        ] {
            assert_eq!(stamp(UNIX_EPOCH + Duration::from_secs(seconds)).1, text);
        }
    }
}
