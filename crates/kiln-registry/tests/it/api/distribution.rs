//! Every endpoint of `/v2` as every kind of caller, over a running server and Docker's token flow.

use kiln_oci::Digest;
use serde_json::{Value, json};

use crate::conformance::client::{Request, Response, Target};
use crate::running::Running;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "{}";

const ACCOUNTS: &str = "outsider guest developer maintainer admin robot reader system";
const PULL: &str = "guest developer maintainer admin robot reader system";
const PUSH: &str = "developer maintainer admin robot system";
const DELETE: &str = "maintainer admin robot system";
const CALLERS: [&str; 9] = [
    "nobody",
    "outsider",
    "guest",
    "developer",
    "maintainer",
    "admin",
    "robot",
    "reader",
    "system",
];

/// Method, path, who may. `DIGEST` is the config's, `UPLOAD` an upload that was begun, `TAG` a tag, `BLOB` a
/// blob that no manifest needs: the last three are made for each request.
const TABLE: &[(&str, &str, &str)] = &[
    ("GET", "/v2/", ACCOUNTS),
    ("GET", "/v2/team/app/tags/list", PULL),
    ("GET", "/v2/team/app/manifests/v1", PULL),
    ("HEAD", "/v2/team/app/manifests/v1", PULL),
    ("GET", "/v2/team/app/blobs/DIGEST", PULL),
    ("HEAD", "/v2/team/app/blobs/DIGEST", PULL),
    ("GET", "/v2/team/app/referrers/DIGEST", PULL),
    ("GET", "/v2/team/app/_oci/ext/discover", PULL),
    ("GET", "/v2/team/app/_oci/tag-history/v1", PULL),
    ("POST", "/v2/team/app/blobs/uploads/", PUSH),
    ("POST", "/v2/team/app/blobs/uploads/?digest=DIGEST", PUSH),
    (
        "POST",
        "/v2/team/app/blobs/uploads/?mount=DIGEST&from=team/app",
        PUSH,
    ),
    ("GET", "UPLOAD", PUSH),
    ("PATCH", "UPLOAD", PUSH),
    ("PUT", "UPLOAD?digest=DIGEST", PUSH),
    ("DELETE", "UPLOAD", PUSH),
    ("PUT", "/v2/team/app/manifests/TAG", PUSH),
    ("DELETE", "/v2/team/app/manifests/TAG", DELETE),
    ("DELETE", "/v2/team/app/blobs/BLOB", DELETE),
];

struct Registry {
    running: Running,
    /// Name and password or token of every kind of caller.
    logins: Vec<(&'static str, Option<(String, String)>)>,
}

fn basic((name, password): &(String, String)) -> String {
    use base64::Engine as _;
    let pair = format!("{name}:{password}");
    format!(
        "Basic {}",
        base64::engine::general_purpose::STANDARD.encode(pair)
    )
}

impl Registry {
    fn start() -> Self {
        let running = Running::with_accounts("");
        let root = ("admin".to_owned(), running.password.clone().unwrap());
        let mut registry = Self {
            running,
            logins: vec![("nobody", None), ("system", Some(root))],
        };
        registry.project("team", false);
        registry.project("open", true);
        registry.project("secret", false);
        for name in ["outsider", "guest", "developer", "maintainer", "admin"] {
            let user = format!("role-{name}");
            registry.api(
                "POST",
                "/users",
                &json!({ "name": user, "password": "correct horse" }),
            );
            if name != "outsider" {
                let path = format!("/projects/team/members/{user}");
                registry.api("PUT", &path, &json!({ "role": name }));
            }
            registry
                .logins
                .push((name, Some((user, "correct horse".to_owned()))));
        }
        let scope = json!({ "repositories": "team/**", "actions": ["push", "delete"] });
        let made = registry.api(
            "POST",
            "/projects/team/robots",
            &json!({ "name": "ci", "scopes": [scope] }),
        );
        let secret = made["secret"].as_str().unwrap().to_owned();
        registry
            .logins
            .push(("robot", Some(("team.ci".to_owned(), secret))));
        let admin = registry.login("admin").unwrap();
        let made = registry.api_as(&admin, "POST", "/me/tokens", &json!({ "ceiling": "read" }));
        let secret = made["secret"].as_str().unwrap().to_owned();
        registry.logins.push(("reader", Some((admin.0, secret))));
        for project in ["team", "open", "secret"] {
            registry.blob(&format!("{project}/app"), CONFIG);
            registry.tag(&format!("{project}/app"), "v1");
        }
        registry
    }

    fn login(&self, caller: &str) -> Option<(String, String)> {
        let found = self.logins.iter().find(|(name, _)| *name == caller);
        found.unwrap().1.clone()
    }

    fn project(&self, name: &str, public: bool) {
        self.api(
            "POST",
            "/projects",
            &json!({ "name": name, "public": public }),
        );
    }

    fn api(&self, method: &str, path: &str, body: &Value) -> Value {
        let root = self.login("system").unwrap();
        self.api_as(&root, method, path, body)
    }

    fn api_as(&self, login: &(String, String), method: &str, path: &str, body: &Value) -> Value {
        let request = Request::new(method, format!("/api/v1{path}"))
            .header("authorization", basic(login))
            .header("content-type", "application/json")
            .body(body.to_string());
        let response = self.running.target().send(&request).unwrap();
        assert!((200..300).contains(&response.status), "{response:?}");
        serde_json::from_slice(&response.body).unwrap_or(Value::Null)
    }

    /// Sends a request the way Docker does: without credentials, then with a token for what the challenge says.
    fn by(&self, caller: &str, request: &Request) -> Response {
        let target = Target::new(&self.running.url(), self.login(caller), None).unwrap();
        target.send(request).unwrap()
    }

    fn ok(&self, request: &Request) -> Response {
        let response = self.by("system", request);
        assert!((200..300).contains(&response.status), "{response:?}");
        response
    }

    fn blob(&self, repository: &str, content: &str) -> String {
        let digest = Digest::sha256(content.as_bytes()).to_string();
        let path = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
        self.ok(&Request::new("POST", path).body(content));
        digest
    }

    fn upload(&self, repository: &str) -> String {
        let path = format!("/v2/{repository}/blobs/uploads/");
        let begun = self.ok(&Request::new("POST", path).body(""));
        begun.header("location").unwrap().to_owned()
    }

    fn tag(&self, repository: &str, tag: &str) {
        let path = format!("/v2/{repository}/manifests/{tag}");
        self.ok(&manifest(path));
    }
}

fn manifest(path: String) -> Request {
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": Digest::sha256(CONFIG.as_bytes()).to_string(),
            "size": CONFIG.len(),
        },
        "layers": [],
    });
    Request::new("PUT", path)
        .header("content-type", MANIFEST)
        .body(manifest.to_string())
}

#[test]
fn every_endpoint_as_every_caller() {
    let registry = Registry::start();
    let config = Digest::sha256(CONFIG.as_bytes()).to_string();
    let mut wrong = vec![];
    for (number, (method, path, who)) in TABLE.iter().enumerate() {
        for caller in CALLERS {
            let mark = format!("{number}-{caller}");
            let mut filled = path.replace("DIGEST", &config);
            if filled.contains("UPLOAD") {
                filled = filled.replace("UPLOAD", &registry.upload("team/app"));
            }
            if filled.contains("BLOB") {
                filled = filled.replace("BLOB", &registry.blob("team/app", &mark));
            }
            if filled.contains("TAG") {
                if *method == "DELETE" {
                    registry.tag("team/app", &mark);
                }
                filled = filled.replace("TAG", &mark);
            }
            let request = match (*method, filled.contains("/manifests/")) {
                ("PUT", true) => manifest(filled),
                ("POST", _) if path.contains("?digest=") => {
                    Request::new(method, filled).body(CONFIG)
                }
                ("PUT" | "PATCH" | "POST", _) => {
                    let whole = filled.contains("?digest=");
                    Request::new(method, filled).body(if whole { CONFIG } else { "" })
                }
                _ => Request::new(method, filled),
            };
            let response = registry.by(caller, &request);
            let allowed = who.split(' ').any(|allowed| allowed == caller);
            let as_expected = match (allowed, caller) {
                (true, _) => (200..300).contains(&response.status),
                (false, "nobody") => response.status == 401,
                // He may not even know of it.
                (false, "outsider") => response.status == 404,
                (false, _) => response.status == 403,
            };
            if !as_expected {
                wrong.push(format!("{method} {path} as {caller}: {response:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_public_project_is_pulled_from_by_everybody_and_pushed_to_by_none() {
    let registry = Registry::start();
    let config = Digest::sha256(CONFIG.as_bytes()).to_string();
    for caller in ["nobody", "outsider", "robot", "reader"] {
        // Nobody gets a token for nothing, which is good for this.
        let token = registry.by(
            caller,
            &Request::new("GET", "/token?scope=repository:open/app:pull,push"),
        );
        assert_eq!(token.status, 200, "{token:?}");
        for path in [
            "/v2/open/app/manifests/v1",
            &format!("/v2/open/app/blobs/{config}"),
        ] {
            assert_eq!(
                registry.by(caller, &Request::new("GET", path)).status,
                200,
                "{caller}"
            );
        }
        let refused = if caller == "nobody" { 401 } else { 403 };
        let push = manifest("/v2/open/app/manifests/v2".to_owned());
        assert_eq!(registry.by(caller, &push).status, refused, "{caller}");
        let delete = Request::new("DELETE", "/v2/open/app/manifests/v1");
        assert_eq!(registry.by(caller, &delete).status, refused, "{caller}");
    }
    let list = |caller: &str| {
        let request = Request::new("GET", "/v2/_catalog");
        let request = match registry.login(caller) {
            Some(login) => request.header("authorization", basic(&login)),
            None => request,
        };
        let response = registry.running.target().send(&request).unwrap();
        response.json().unwrap()["repositories"].clone()
    };
    assert_eq!(list("nobody"), json!(["open/app"]));
    assert_eq!(list("outsider"), json!(["open/app"]));
    assert_eq!(list("guest"), json!(["open/app", "team/app"]));
    assert_eq!(
        list("system"),
        json!(["open/app", "secret/app", "team/app"])
    );
}

/// A blob of a project that the caller may not see must not come over by a mount, nor may the answer tell
/// whether it is there.
#[test]
fn a_mount_from_where_one_may_not_pull_is_an_upload() {
    let registry = Registry::start();
    let hidden = registry.blob("secret/app", "hidden content");
    let missing = Digest::sha256(b"nowhere").to_string();
    let open = registry.blob("open/app", "open content");
    let mount = |caller: &str, digest: &str, from: &str| {
        let path = format!("/v2/team/app/blobs/uploads/?mount={digest}{from}");
        registry
            .by(caller, &Request::new("POST", path).body(""))
            .status
    };
    for caller in ["developer", "robot"] {
        assert_eq!(mount(caller, &hidden, "&from=secret/app"), 202, "{caller}");
        assert_eq!(mount(caller, &missing, "&from=secret/app"), 202, "{caller}");
        assert_eq!(
            mount(caller, &hidden, ""),
            202,
            "{caller}: without a source"
        );
        assert_eq!(
            mount(caller, &hidden, "&from=team/app"),
            202,
            "{caller}: a false source"
        );
        let look = Request::new("HEAD", format!("/v2/team/app/blobs/{hidden}"));
        assert_eq!(registry.by(caller, &look).status, 404, "{caller}");
    }
    let login = registry.login("developer").unwrap();
    let path = format!("/v2/team/app/blobs/uploads/?mount={open}&from=open/app");
    let allowed = Request::new("POST", path)
        .header("authorization", basic(&login))
        .body("");
    assert_eq!(
        registry.running.target().send(&allowed).unwrap().status,
        201
    );
}

#[test]
fn what_is_done_and_refused_over_v2_is_in_the_log() {
    let registry = Registry::start();
    registry.tag("team/app", "gone");
    registry.ok(&Request::new("DELETE", "/v2/team/app/manifests/gone"));
    let guest = registry.login("guest").unwrap();
    let push =
        manifest("/v2/team/app/manifests/mine".to_owned()).header("authorization", basic(&guest));
    assert_eq!(registry.running.target().send(&push).unwrap().status, 403);
    let log = registry.api("GET", "/audit?limit=1000", &Value::Null);
    let found = |actor: &str, outcome: &str, part: &str| {
        let lines = log["items"].as_array().unwrap();
        lines.iter().any(|line| {
            let subject = line["subject"].as_str().unwrap();
            line["actor"] == actor && line["outcome"] == outcome && subject.contains(part)
        })
    };
    assert!(found("admin", "done", "team/app:gone"), "{log:#}");
    assert!(found("role-guest", "denied", "team/app"), "{log:#}");
    assert!(!found("admin", "denied", ""), "{log:#}");
}

#[test]
fn a_robot_that_ends_soon_is_warned() {
    let mut registry = Registry::start();
    let now = kiln_registry::clock::Clock::system().now();
    let day = 24 * 60 * 60 * 1000;
    let scope = json!({ "repositories": "team/**", "actions": ["push"] });
    for (name, days) in [("soon", 3), ("late", 60)] {
        let made = registry.api(
            "POST",
            "/projects/team/robots",
            &json!({ "name": name, "scopes": [scope], "expires": now + days * day }),
        );
        let secret = made["secret"].as_str().unwrap().to_owned();
        registry
            .logins
            .push((name, Some((format!("team.{name}"), secret))));
    }
    let get = Request::new("GET", "/v2/team/app/manifests/v1");
    let put = manifest("/v2/team/app/manifests/v2".to_owned());
    for request in [&get, &put] {
        let warned = registry.by("soon", request);
        let warning = warned.header("warning").unwrap();
        assert!(
            warning.starts_with("299 - \"the robot account team.soon ends on 20"),
            "{warning}"
        );
        for caller in ["late", "robot", "developer"] {
            let answer = registry.by(caller, request);
            assert!((200..300).contains(&answer.status), "{answer:?}");
            assert!(answer.header("warning").is_err(), "{caller}");
        }
    }
}
