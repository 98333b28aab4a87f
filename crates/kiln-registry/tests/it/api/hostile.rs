//! What hostile requests get: a clear refusal, quickly, and nothing of theirs in a header.

use axum::body::Body;
use hyper::Request;
use serde_json::json;

use super::world::{World, admin};

async fn raw(
    world: &World,
    method: &str,
    path: &str,
    kind: &str,
    body: impl Into<Body>,
) -> super::world::Answer {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", admin())
        .header("content-type", kind)
        .body(body.into())
        .unwrap();
    world.send(request).await
}

#[tokio::test]
async fn json_bombs() {
    let world = World::new().await;
    let users = "/api/v1/users";
    let deep = "[".repeat(30_000);
    let deep_object = "{\"name\":".repeat(8_000);
    let wide = format!("{{\"name\":\"a\",\"password\":\"{}\"}}", "x".repeat(60_000));
    for body in [
        deep,
        deep_object,
        wide,
        "{".to_owned(),
        "null".to_owned(),
        "\u{0}".to_owned(),
        String::new(),
    ] {
        raw(&world, "POST", users, "application/json", body)
            .await
            .fails(400, "invalid");
    }
    let large = format!("{{\"name\":\"{}\"}}", "x".repeat(1 << 20));
    raw(&world, "POST", users, "application/json", large)
        .await
        .fails(413, "too-large");
    let number = "{\"name\":\"a\",\"password\":1e999999999}";
    raw(&world, "POST", users, "application/json", number)
        .await
        .fails(400, "invalid");
    let twice = "{\"name\":\"a\",\"name\":\"b\",\"password\":\"correct horse\"}";
    raw(&world, "POST", users, "application/json", twice)
        .await
        .fails(400, "invalid");
    let unknown = json!({ "name": "a", "password": "correct horse", "admin": true });
    raw(
        &world,
        "POST",
        users,
        "application/json",
        unknown.to_string(),
    )
    .await
    .fails(400, "invalid");
}

/// A form can be sent by any page in a browser; JSON cannot.
#[tokio::test]
async fn only_json_and_only_from_here() {
    let world = World::new().await;
    let body = json!({ "name": "team" }).to_string();
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    ] {
        let answer = raw(&world, "POST", "/api/v1/projects", kind, body.clone()).await;
        answer.fails(415, "unsupported");
    }
    for (site, allowed) in [
        ("cross-site", false),
        ("same-site", false),
        ("same-origin", true),
    ] {
        let request = Request::builder()
            .method("POST")
            .uri("/api/v1/projects")
            .header("authorization", admin())
            .header("content-type", "application/json")
            .header("sec-fetch-site", site)
            .body(Body::from(body.clone()))
            .unwrap();
        assert_eq!(
            world.send(request).await.status.is_success(),
            allowed,
            "{site}"
        );
    }
}

#[tokio::test]
async fn paths_lead_nowhere_else() {
    let world = World::new().await;
    for path in [
        "/api/v1/projects/..%2F..%2Fetc%2Fpasswd",
        "/api/v1/projects/%2e%2e",
        "/api/v1/projects/a%00b",
        "/api/v1/projects/a%0d%0aSet-Cookie:%20x",
        "/api/v1/projects/%ff",
        "/api/v1/repositories/..%2F..%2Fetc/tags",
        "/api/v1/repositories/a%2F..%2Fb/tags",
        "/api/v1/repositories/%2Fa/tags",
        "/api/v1/repositories/a//tags",
        "/api/v1/repositories/A%2FB/tags",
        "/api/v1/../../etc/passwd",
        "/api/v1/users/%27%20OR%201=1%20--",
        "/api/v1/projects/team/robots/%25",
        "/api",
        "/api/",
        "/api/v2/users",
        "/api/v1/users/",
    ] {
        let answer = world.get(path, &admin()).await;
        for (name, value) in &answer.headers {
            assert!(
                value
                    .to_str()
                    .is_ok_and(|value| !value.contains("Set-Cookie")),
                "{name}"
            );
        }
        answer.fails(404, "unknown");
    }
    let long = format!("/api/v1/projects/{}", "a".repeat(50_000));
    let message = world.get(&long, &admin()).await.fails(404, "unknown");
    assert!(message.len() < 500);
    let answer = world
        .call("PUT", "/api/v1/users", Some(&admin()), None)
        .await;
    answer.fails(405, "unsupported");
}

#[tokio::test]
async fn queries_are_read_strictly() {
    let world = World::new().await;
    for query in [
        "after=%00",
        "after=a%0ab",
        "limit=",
        "limit=1&limit=2",
        &format!("after={}", "x".repeat(300)),
    ] {
        let path = format!("/api/v1/users?{query}");
        world.get(&path, &admin()).await.fails(400, "invalid");
    }
    for query in ["after=x", "since=x", "actor=%00", "limit=0"] {
        let path = format!("/api/v1/audit?{query}");
        world.get(&path, &admin()).await.fails(400, "invalid");
    }
}

#[tokio::test]
async fn broken_credentials() {
    let world = World::new().await;
    for header in [
        "",
        "Basic",
        "Basic !",
        "Basic Og==x",
        "Bearer",
        "Bearer x y",
        "Negotiate abc",
        "Bearer eyJ.a.b",
    ] {
        let answer = world.get("/api/v1/me", header).await;
        assert_eq!(answer.headers["www-authenticate"], "Bearer realm=\"kiln\"");
        answer.fails(401, "unauthenticated");
    }
    // Two headers, of which a proxy and the server might each believe another one.
    let request = Request::builder()
        .uri("/api/v1/me")
        .header("authorization", admin())
        .header("authorization", "Basic Og==")
        .body(Body::empty())
        .unwrap();
    world.send(request).await.fails(401, "unauthenticated");
    let request = Request::builder()
        .uri("/api/v1/me")
        .header("authorization", &b"Basic \xff"[..])
        .body(Body::empty())
        .unwrap();
    world.send(request).await.fails(401, "unauthenticated");
    // Nobody, in the words of some clients.
    let nobody = world.get("/api/v1/projects", "Basic Og==").await;
    nobody.ok();
}
