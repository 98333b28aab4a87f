//! A registry of one test's own: a database, its accounts, and the API over them.

use std::net::{IpAddr, Ipv4Addr};

use axum::Router;
use axum::body::Body;
use http_body_util::BodyExt as _;
use hyper::service::Service as _;
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::service::TowerToHyperService;
use kiln_registry::access::{Access, AccessOptions, PasswordCost};
use kiln_registry::api::{ApiState, Peer, router};
use kiln_registry::clock::Clock;
use kiln_registry::content::{Content, ContentOptions, NewManifest, body_of};
use kiln_registry::database::Database;
use kiln_testkit::TempDir;
use serde_json::{Value, json};

use crate::backing::Backing;

/// 2026-01-01.
pub(crate) const BEGIN: i64 = 1_767_225_600_000;
pub(crate) const PASSWORD: &str = "correct horse battery";

pub(crate) struct World {
    pub(crate) clock: Clock,
    pub(crate) database: Database,
    pub(crate) content: Content,
    pub(crate) access: Access,
    router: Router,
    _directory: TempDir,
}

/// An answer of the API.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    /// The body of a request that must have gone well.
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert!(self.status.is_success(), "{self:?}");
        self.body
    }

    /// The message of a request that must have failed in this way.
    #[track_caller]
    pub(crate) fn fails(self, status: u16, kind: &str) -> String {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.body["kind"], kind, "{self:?}");
        self.body["message"].as_str().unwrap().to_owned()
    }
}

pub(crate) fn options(clock: &Clock) -> AccessOptions {
    AccessOptions {
        password_cost: PasswordCost::LEAST,
        first_password: Some(PASSWORD.into()),
        clock: clock.clone(),
        ..AccessOptions::default()
    }
}

/// The header of a name with the password that all accounts have here, or of a token.
pub(crate) fn basic(name: &str, password: &str) -> String {
    use base64::Engine as _;
    let pair = format!("{name}:{password}");
    let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
    format!("Basic {encoded}")
}

pub(crate) fn admin() -> String {
    basic("admin", PASSWORD)
}

impl World {
    pub(crate) async fn new() -> Self {
        let clock = Clock::standing_at(BEGIN);
        Self::with(options(&clock)).await
    }

    pub(crate) async fn with(options: AccessOptions) -> Self {
        let directory = TempDir::new();
        let backing = Backing::of(directory.path());
        let database = backing.database(directory.path());
        let storage = backing.storage(directory.path());
        let clock = options.clock.clone();
        let content = Content::new(
            database.clone(),
            storage,
            clock.clone(),
            ContentOptions::default(),
        );
        let (access, _) = Access::start(database.clone(), options).await.unwrap();
        Self {
            router: router(ApiState::new(access.clone(), content.clone())),
            clock,
            database,
            content,
            access,
            _directory: directory,
        }
    }

    /// Sends a request. `who` is an `Authorization` header.
    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        who: Option<&str>,
        body: Option<Value>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(who) = who {
            request = request.header("authorization", who);
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        self.send(request.body(body).unwrap()).await
    }

    pub(crate) async fn send(&self, mut request: Request<Body>) -> Answer {
        let peer = request.headers_mut().remove("x-test-peer");
        let peer = peer.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |peer| {
            peer.to_str().unwrap().parse().unwrap()
        });
        request.extensions_mut().insert(Peer(peer));
        let service = TowerToHyperService::new(self.router.clone());
        let response = service.call(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        }
    }

    pub(crate) async fn get(&self, path: &str, who: &str) -> Answer {
        self.call("GET", path, Some(who), None).await
    }

    pub(crate) async fn post(&self, path: &str, who: &str, body: Value) -> Answer {
        self.call("POST", path, Some(who), Some(body)).await
    }

    /// Makes a user with the password of all.
    pub(crate) async fn user(&self, name: &str) -> String {
        let body = json!({ "name": name, "password": PASSWORD });
        self.post("/api/v1/users", &admin(), body).await.ok();
        basic(name, PASSWORD)
    }

    /// Makes a project.
    pub(crate) async fn project(&self, name: &str, public: bool) {
        let body = json!({ "name": name, "public": public });
        self.post("/api/v1/projects", &admin(), body).await.ok();
    }

    /// Makes a user a member.
    pub(crate) async fn member(&self, project: &str, user: &str, role: &str) {
        let path = format!("/api/v1/projects/{project}/members/{user}");
        let body = json!({ "role": role });
        self.call("PUT", &path, Some(&admin()), Some(body))
            .await
            .ok();
    }

    /// Makes a robot of a project that may do all that robots can; gives its header.
    pub(crate) async fn robot(&self, project: &str, name: &str) -> String {
        let scope = json!({
            "repositories": format!("{project}/**"), "actions": ["pull", "push", "delete"],
        });
        let body = json!({ "name": name, "scopes": [scope] });
        let path = format!("/api/v1/projects/{project}/robots");
        let made = self.post(&path, &admin(), body).await.ok();
        basic(
            &format!("{project}.{name}"),
            made["secret"].as_str().unwrap(),
        )
    }

    /// Makes a personal token of the user with this header; gives its header.
    pub(crate) async fn token(&self, who: &str, ceiling: &str) -> (String, String) {
        let body = json!({ "description": "a test", "ceiling": ceiling });
        let made = self.post("/api/v1/me/tokens", who, body).await.ok();
        let secret = made["secret"].as_str().unwrap();
        let id = made["token"]["id"].as_str().unwrap().to_owned();
        (format!("Bearer {secret}"), id)
    }

    /// Puts a tag on an image that is in no other repository; gives its digest.
    pub(crate) async fn image(&self, repository: &str, tag: &str, mark: &str) -> String {
        let name = repository.parse().unwrap();
        let config = format!("{{\"mark\":\"{mark}\"}}");
        let digest = kiln_oci::Digest::sha256(config.as_bytes());
        self.content
            .put_blob(&name, "test", body_of(config.clone()), &digest)
            .await
            .unwrap();
        let media_type = "application/vnd.oci.image.manifest.v1+json";
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": digest.to_string(),
                "size": config.len(),
            },
            "layers": [],
        });
        let stored = self
            .content
            .put_manifest(
                &name,
                NewManifest {
                    reference: tag.parse().unwrap(),
                    extra_tags: vec![],
                    media_type: Some(media_type.to_owned()),
                    bytes: manifest.to_string().into(),
                    who: "test".to_owned(),
                },
            )
            .await
            .unwrap();
        stored.digest.to_string()
    }
}
