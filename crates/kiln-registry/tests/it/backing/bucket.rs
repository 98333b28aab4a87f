//! An S3-compatible store in this process, as strict as the real one: signatures are verified against
//! what came over the wire, parts have a least size, lists come in pages. It can be told to fail.
//!
//! It exists because a real one cannot be had wherever tests run; `real_store` runs against one where
//! there is one.
//!
//! Source: Amazon S3 API Reference; "Multipart upload limits"; "Authenticating Requests (AWS Signature
//! Version 4)".

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use kiln_fetch::Retries;
use kiln_registry::content::{Body, BodyError, body_of};
use kiln_registry::storage::{ObjectKey, S3Options};
use ring::digest::{SHA256, digest};
use ring::hmac;

use crate::content::fixture::pieces;

const ACCESS_KEY: &str = "kiln-tests";
const SECRET_KEY: &str = "a+secret/with=signs";
const REGION: &str = "test-1";

/// What a bucket is strict about.
#[derive(Clone, Copy)]
pub(crate) struct Rules {
    /// The least size of a part that is not the last.
    pub(crate) least_part: usize,
    /// Entries of a page of a list.
    pub(crate) page: usize,
}

impl Rules {
    /// Small numbers, so that small tests meet them.
    pub(crate) fn small() -> Self {
        Self {
            least_part: 100_000,
            page: 2,
        }
    }

    /// Those of the real one.
    pub(crate) fn real() -> Self {
        Self {
            least_part: 5 << 20,
            page: 1000,
        }
    }
}

/// How a request is to fail.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    /// 503, before anything is done.
    SlowDown,
    /// The connection is closed, before anything is done.
    Cut,
    /// The connection is closed, after it was done.
    AnswerLost,
    /// A status of 200 and then an error in the body.
    LateError,
    /// The body ends in its middle.
    ShortBody,
    /// 403.
    Denied,
}

#[derive(Default)]
struct Upload {
    name: String,
    parts: BTreeMap<usize, (String, Bytes)>,
}

struct State {
    rules: Rules,
    objects: BTreeMap<String, Bytes>,
    uploads: BTreeMap<String, Upload>,
    next: u64,
    faults: VecDeque<(&'static str, Fault)>,
    /// What was asked for.
    seen: Vec<(&'static str, String)>,
}

/// The buckets of this process, by name.
type Buckets = Arc<Mutex<HashMap<String, State>>>;

/// A bucket. In the process that made it one can look into it.
#[derive(Clone)]
pub(crate) struct Bucket {
    endpoint: String,
    name: String,
    buckets: Option<Buckets>,
    part: u64,
}

/// The server, which runs as long as the process.
fn server() -> &'static (String, Buckets) {
    static SERVER: OnceLock<(String, Buckets)> = OnceLock::new();
    SERVER.get_or_init(|| {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let buckets = Buckets::default();
        let serving = buckets.clone();
        super::runtime().spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                // A connection that failed is its client's concern.
                let Ok((stream, _)) = listener.accept().await else {
                    continue;
                };
                let buckets = serving.clone();
                let service = service_fn(move |request| answer(buckets.clone(), request));
                tokio::spawn(async move {
                    let connection =
                        http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                    let _ = connection.await;
                });
            }
        });
        (endpoint, buckets)
    })
}

impl Bucket {
    pub(crate) fn new(rules: Rules) -> Self {
        let (endpoint, buckets) = server();
        let name = format!("bucket-{}", &ObjectKey::unique().as_str()[..12]);
        let state = State {
            rules,
            objects: BTreeMap::new(),
            uploads: BTreeMap::new(),
            next: 0,
            faults: VecDeque::new(),
            seen: vec![],
        };
        buckets.lock().unwrap().insert(name.clone(), state);
        Self {
            endpoint: endpoint.clone(),
            name,
            buckets: Some(buckets.clone()),
            part: rules.least_part as u64,
        }
    }

    /// One of another process, or of this one.
    pub(crate) fn at(url: &str) -> Self {
        let (part, url) = url.split_once(' ').unwrap();
        let (endpoint, name) = url.rsplit_once('/').unwrap();
        let own = &server().1;
        let is_own = own.lock().unwrap().contains_key(name);
        Self {
            endpoint: endpoint.to_owned(),
            name: name.to_owned(),
            buckets: is_own.then(|| own.clone()),
            part: part.parse().unwrap(),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("{} {}/{}", self.part, self.endpoint, self.name)
    }

    pub(crate) fn options(&self) -> S3Options {
        S3Options {
            endpoint: self.endpoint.clone(),
            region: REGION.to_owned(),
            bucket: self.name.clone(),
            prefix: "some/registry-1/".to_owned(),
            access_key: ACCESS_KEY.to_owned(),
            secret_key: SECRET_KEY.to_owned(),
            part: self.part,
            retries: Retries {
                max: 4,
                base_delay: Duration::from_millis(1),
                max_delay: Duration::from_millis(10),
            },
            ..S3Options::default()
        }
    }

    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        let buckets = self.buckets.as_ref().expect("a bucket of this process");
        look(buckets.lock().unwrap().get_mut(&self.name).unwrap())
    }

    /// The names of its objects, without their directories.
    pub(crate) fn objects(&self) -> Vec<String> {
        let last = |name: &String| name.rsplit('/').next().unwrap().to_owned();
        self.with(|state| state.objects.keys().map(last).collect())
    }

    /// The same of the uploads that are not finished.
    pub(crate) fn unfinished(&self) -> Vec<String> {
        let last = |upload: &Upload| upload.name.rsplit('/').next().unwrap().to_owned();
        self.with(|state| state.uploads.values().map(last).collect())
    }

    fn full_name(&self, name: &str) -> String {
        format!("{}objects/{}/{name}", self.options().prefix, &name[..2])
    }

    pub(crate) fn set(&self, name: &str, bytes: &[u8]) {
        let (name, bytes) = (self.full_name(name), bytes.to_vec().into());
        self.with(|state| state.objects.insert(name, bytes));
    }

    pub(crate) fn remove(&self, name: &str) -> Option<Vec<u8>> {
        let name = self.full_name(name);
        self.with(|state| state.objects.remove(&name).map(|bytes| bytes.to_vec()))
    }

    /// Leaves an upload unfinished.
    pub(crate) fn begin(&self, name: &str) {
        let name = self.full_name(name);
        self.with(|state| {
            let id = state.id();
            let upload = Upload {
                name,
                ..Upload::default()
            };
            state.uploads.insert(id, upload);
        });
    }

    /// Lets the next requests of an operation fail, each in its way.
    pub(crate) fn fail(&self, operation: &'static str, faults: &[Fault]) {
        self.with(|state| {
            let faults = faults.iter().map(|fault| (operation, *fault));
            state.faults.extend(faults);
        });
    }

    /// Faults that did not happen yet.
    pub(crate) fn faults_left(&self) -> usize {
        self.with(|state| state.faults.len())
    }

    /// The operations that were asked for since the last call.
    pub(crate) fn seen(&self) -> Vec<&'static str> {
        self.with(|state| std::mem::take(&mut state.seen))
            .into_iter()
            .map(|(operation, _)| operation)
            .collect()
    }
}

impl State {
    fn id(&mut self) -> String {
        self.next += 1;
        // Characters that have to be encoded in a query.
        format!("id {}+/=&", self.next)
    }
}

/// A request that was read.
struct Asked {
    operation: &'static str,
    name: String,
    query: BTreeMap<String, String>,
    range: Option<String>,
    body: Bytes,
}

async fn answer(
    buckets: Buckets,
    request: Request<Incoming>,
) -> Result<Response<Body>, Box<dyn std::error::Error + Send + Sync>> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let mut buckets = buckets.lock().unwrap();
    let path = parts.uri.path();
    let (bucket, name) = path[1..].split_once('/').unwrap_or((&path[1..], ""));
    let Some(state) = buckets.get_mut(bucket) else {
        return Ok(error(404, "NoSuchBucket"));
    };
    if let Err(why) = verify(&parts, &body) {
        eprintln!("the store refuses a signature: {why}");
        return Ok(error(403, "SignatureDoesNotMatch"));
    }
    let query = parts.uri.query().unwrap_or_default();
    let query: BTreeMap<String, String> = query
        .split('&')
        .filter(|part| !part.is_empty())
        .map(|part| part.split_once('=').unwrap_or((part, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect();
    let has = |name: &str| query.contains_key(name);
    let operation = match parts.method.as_str() {
        "GET" if has("uploads") => "ListMultipartUploads",
        "GET" if has("list-type") => "ListObjectsV2",
        "GET" => "GetObject",
        "HEAD" => "HeadObject",
        "PUT" if has("partNumber") => "UploadPart",
        "PUT" => "PutObject",
        "POST" if has("uploads") => "CreateMultipartUpload",
        "POST" if has("uploadId") => "CompleteMultipartUpload",
        "DELETE" if has("uploadId") => "AbortMultipartUpload",
        "DELETE" => "DeleteObject",
        other => return Err(format!("{other} {}", parts.uri).into()),
    };
    let range = parts.headers.get("range");
    let asked = Asked {
        operation,
        name: decode(name),
        query,
        range: range.map(|range| range.to_str().unwrap().to_owned()),
        body,
    };
    state.seen.push((operation, asked.name.clone()));
    let is_next = |fault: &&(&str, Fault)| fault.0 == operation;
    let fault = state.faults.iter().find(is_next).map(|(_, fault)| *fault);
    if let Some(fault) = fault {
        let position = state.faults.iter().position(|(name, _)| *name == operation);
        state.faults.remove(position.unwrap());
        return fail(state, &asked, fault);
    }
    Ok(perform(state, &asked))
}

fn fail(state: &mut State, asked: &Asked, fault: Fault) -> Result<Response<Body>, BodyError> {
    match fault {
        Fault::SlowDown => Ok(error(503, "SlowDown")),
        Fault::Denied => Ok(error(403, "AccessDenied")),
        Fault::Cut => Err("cut".into()),
        Fault::AnswerLost => {
            perform(state, asked);
            Err("the answer is lost".into())
        }
        Fault::LateError => {
            let body = "<Error><Code>InternalError</Code><Message>late</Message></Error>";
            Ok(Response::new(body_of(body)))
        }
        Fault::ShortBody => {
            let bytes = state.objects.get(&asked.name).cloned().unwrap_or_default();
            let (first, last) = range(asked, bytes.len());
            let half = bytes[first..first + (last - first) / 2].to_vec();
            let body = pieces(vec![Ok(half), Err("it breaks off")]);
            let response = Response::builder()
                .status(206)
                .header("content-length", last - first);
            Ok(response.body(body)?)
        }
    }
}

/// The bytes that are asked for: the first, and the one behind the last.
fn range(asked: &Asked, length: usize) -> (usize, usize) {
    let Some(range) = &asked.range else {
        return (0, length);
    };
    let (first, last) = range
        .strip_prefix("bytes=")
        .unwrap()
        .split_once('-')
        .unwrap();
    let end = last
        .parse()
        .map_or(length, |last: usize| length.min(last + 1));
    (first.parse().unwrap(), end)
}

fn error(status: u16, code: &str) -> Response<Body> {
    let body = format!("<Error><Code>{code}</Code><Message>as told</Message></Error>");
    let response = Response::builder().status(status);
    response.body(body_of(body)).unwrap()
}

fn tag_of(bytes: &[u8]) -> String {
    format!("\"{}\"", &hex(digest(&SHA256, bytes).as_ref())[..32])
}

fn perform(state: &mut State, asked: &Asked) -> Response<Body> {
    let name = &asked.name;
    let upload = asked.query.get("uploadId");
    let text = |body: String| Response::new(body_of(body));
    match asked.operation {
        "PutObject" => {
            state.objects.insert(name.clone(), asked.body.clone());
            let response = Response::builder().header("etag", tag_of(&asked.body));
            response.body(body_of(vec![])).unwrap()
        }
        "GetObject" | "HeadObject" => match state.objects.get(name) {
            None => error(404, "NoSuchKey"),
            Some(bytes) => {
                let (first, end) = range(asked, bytes.len());
                if first >= bytes.len() && asked.range.is_some() {
                    return error(416, "InvalidRange");
                }
                let status = if asked.range.is_some() { 206 } else { 200 };
                let response = Response::builder()
                    .status(status)
                    .header("content-length", end - first);
                let part = match asked.operation {
                    "HeadObject" => Bytes::new(),
                    _ => bytes.slice(first..end),
                };
                response.body(body_of(part)).unwrap()
            }
        },
        "DeleteObject" => {
            state.objects.remove(name);
            let response = Response::builder().status(204);
            response.body(body_of(vec![])).unwrap()
        }
        "CreateMultipartUpload" => {
            let id = state.id();
            let upload = Upload {
                name: name.clone(),
                ..Upload::default()
            };
            state.uploads.insert(id.clone(), upload);
            let id = id.replace('&', "&amp;");
            text(format!(
                "<InitiateMultipartUploadResult><UploadId>{id}</UploadId>\
                 </InitiateMultipartUploadResult>"
            ))
        }
        "UploadPart" => {
            let number: usize = asked.query["partNumber"].parse().unwrap();
            let tag = tag_of(&asked.body);
            let Some(upload) = state.uploads.get_mut(upload.unwrap()) else {
                return error(404, "NoSuchUpload");
            };
            if !(1..=10_000).contains(&number) || upload.name != *name {
                return error(400, "InvalidArgument");
            }
            let part = (tag.clone(), asked.body.clone());
            upload.parts.insert(number, part);
            let response = Response::builder().header("etag", tag);
            response.body(body_of(vec![])).unwrap()
        }
        "CompleteMultipartUpload" => complete(state, asked),
        "AbortMultipartUpload" => match state.uploads.remove(upload.unwrap()) {
            None => error(404, "NoSuchUpload"),
            Some(_) => {
                let response = Response::builder().status(204);
                response.body(body_of(vec![])).unwrap()
            }
        },
        "ListObjectsV2" => text(list_objects(state, asked)),
        _ => text(list_uploads(state, asked)),
    }
}

fn complete(state: &mut State, asked: &Asked) -> Response<Body> {
    let id = &asked.query["uploadId"];
    let Some(upload) = state.uploads.get(id) else {
        return error(404, "NoSuchUpload");
    };
    let body = String::from_utf8(asked.body.to_vec()).unwrap();
    let between = |text: &str, name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>")).unwrap();
        rest.split_once('<').unwrap().0.replace("&quot;", "\"")
    };
    let parts: Vec<&str> = body.split("<Part>").skip(1).collect();
    let mut whole = vec![];
    let mut before = 0;
    for (index, part) in parts.iter().enumerate() {
        let number: usize = between(part, "PartNumber").parse().unwrap();
        if number <= before {
            return error(400, "InvalidPartOrder");
        }
        before = number;
        match upload.parts.get(&number) {
            Some((tag, bytes)) if *tag == between(part, "ETag") => {
                if index + 1 < parts.len() && bytes.len() < state.rules.least_part {
                    return error(400, "EntityTooSmall");
                }
                whole.extend_from_slice(bytes);
            }
            _ => return error(400, "InvalidPart"),
        }
    }
    if parts.is_empty() {
        return error(400, "MalformedXML");
    }
    let tag = tag_of(&whole);
    state.objects.insert(upload.name.clone(), whole.into());
    state.uploads.remove(id);
    Response::new(body_of(format!(
        "<CompleteMultipartUploadResult><ETag>{tag}</ETag></CompleteMultipartUploadResult>"
    )))
}

fn list_objects(state: &State, asked: &Asked) -> String {
    let prefix = &asked.query["prefix"];
    let after = asked
        .query
        .get("continuation-token")
        .cloned()
        .unwrap_or_default();
    let mut found: Vec<_> = state
        .objects
        .iter()
        .filter(|(name, _)| name.starts_with(prefix) && **name > after)
        .collect();
    let more = found.len() > state.rules.page;
    found.truncate(state.rules.page);
    let mut text = format!("<ListBucketResult><IsTruncated>{more}</IsTruncated>");
    for (name, bytes) in &found {
        let size = bytes.len();
        text.push_str(&format!(
            "<Contents><Key>{name}</Key><Size>{size}</Size></Contents>"
        ));
    }
    if more {
        let (last, _) = found.last().unwrap();
        text.push_str(&format!(
            "<NextContinuationToken>{last}</NextContinuationToken>"
        ));
    }
    text + "</ListBucketResult>"
}

fn list_uploads(state: &State, asked: &Asked) -> String {
    let of = |name: &str| asked.query.get(name).cloned().unwrap_or_default();
    let (prefix, after) = (of("prefix"), (of("key-marker"), of("upload-id-marker")));
    let mut found: Vec<(String, String)> = state
        .uploads
        .iter()
        .map(|(id, upload)| (upload.name.clone(), id.clone()))
        .filter(|upload| upload.0.starts_with(&prefix) && *upload > after)
        .collect();
    found.sort();
    let more = found.len() > state.rules.page;
    found.truncate(state.rules.page);
    let mut text = format!("<ListMultipartUploadsResult><IsTruncated>{more}</IsTruncated>");
    for (name, id) in found {
        let id = id.replace('&', "&amp;");
        text.push_str(&format!(
            "<Upload><Key>{name}</Key><UploadId>{id}</UploadId></Upload>"
        ));
    }
    text + "</ListMultipartUploadsResult>"
}

/// Holds a signature against the bytes that came, in the header or in the query.
fn verify(parts: &hyper::http::request::Parts, body: &[u8]) -> Result<(), String> {
    let header = |name: &str| {
        let value = parts.headers.get(name).ok_or(format!("no {name}"))?;
        Ok::<_, String>(value.to_str().unwrap().to_owned())
    };
    let raw = parts.uri.query().unwrap_or_default();
    let is_signature = |part: &&str| part.starts_with("X-Amz-Signature=");
    let field = |text: &str, name: &str| {
        let (_, rest) = text
            .split_once(&format!("{name}="))
            .ok_or(format!("no {name}"))?;
        Ok::<_, String>(rest.split([',', '&']).next().unwrap().to_owned())
    };
    let (date, credential, names, signature, hash) = match raw.split('&').any(|p| is_signature(&p))
    {
        true => {
            let (date, names) = (
                field(raw, "X-Amz-Date")?,
                field(raw, "X-Amz-SignedHeaders")?,
            );
            let credential = decode(&field(raw, "X-Amz-Credential")?);
            let signature = field(raw, "X-Amz-Signature")?;
            (
                date,
                credential,
                names,
                signature,
                "UNSIGNED-PAYLOAD".to_owned(),
            )
        }
        false => {
            let hash = hex(digest(&SHA256, body).as_ref());
            if header("x-amz-content-sha256")? != hash {
                return Err("the body is not what was signed".to_owned());
            }
            let text = header("authorization")?;
            let (names, signature) = (field(&text, "SignedHeaders")?, field(&text, "Signature")?);
            (
                header("x-amz-date")?,
                field(&text, "Credential")?,
                names,
                signature,
                hash,
            )
        }
    };
    let mut query: Vec<&str> = raw.split('&').filter(|part| !is_signature(part)).collect();
    query.sort_unstable();
    let mut headers = String::new();
    for name in names.split(';') {
        headers.push_str(&format!("{name}:{}\n", header(name)?));
    }
    let canonical = format!(
        "{}\n{}\n{}\n{headers}\n{names}\n{hash}",
        parts.method,
        parts.uri.path(),
        query.join("&")
    );
    let (key, scope) = credential.split_once('/').ok_or("no scope")?;
    if key != ACCESS_KEY || scope != format!("{}/{REGION}/s3/aws4_request", &date[..8]) {
        return Err(format!("credential {credential}"));
    }
    let canonical = hex(digest(&SHA256, canonical.as_bytes()).as_ref());
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{canonical}");
    let first = format!("AWS4{SECRET_KEY}").into_bytes();
    let keyed = |key: Vec<u8>, part: &str| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        hmac::sign(&key, part.as_bytes()).as_ref().to_vec()
    };
    let key = scope.split('/').fold(first, keyed);
    match hex(&keyed(key, &text)) == signature {
        true => Ok(()),
        false => Err("the signature is another one".to_owned()),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn decode(text: &str) -> String {
    let mut bytes = vec![];
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'%' => {
                let digits = std::str::from_utf8(&after[..2]).unwrap();
                bytes.push(u8::from_str_radix(digits, 16).unwrap());
                rest = &after[2..];
            }
            byte => bytes.push(*byte),
        }
    }
    String::from_utf8(bytes).unwrap()
}
