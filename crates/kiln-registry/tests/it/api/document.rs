//! The document that describes the API.

use kiln_registry::api::openapi;

use super::world::World;

#[test]
fn the_reference_is_what_the_code_says() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/reference/registry-api.json"
    );
    let written = std::fs::read_to_string(path).unwrap_or_default();
    if written != openapi() {
        let new = concat!(env!("CARGO_TARGET_TMPDIR"), "/registry-api.json");
        std::fs::write(new, openapi()).unwrap();
        panic!("docs/reference/registry-api.json is not what the code says: copy {new} there");
    }
}

#[tokio::test]
async fn the_document_is_served_to_everybody() {
    let world = World::new().await;
    let answer = world.call("GET", "/api/v1/openapi.json", None, None).await;
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(answer.ok()["openapi"], "3.1.0");
}
