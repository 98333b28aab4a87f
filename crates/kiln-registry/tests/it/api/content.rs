//! Content as people manage it: lists, history, undo, rules.

use serde_json::json;

use super::world::{World, admin};

#[tokio::test]
async fn tags_have_a_history_that_can_be_undone() {
    let world = World::new().await;
    world.project("team", false).await;
    let one = world.image("team/deep/app", "v1", "one").await;
    let two = world.image("team/deep/app", "v1", "two").await;
    let repository = "/api/v1/repositories/team%2Fdeep%2Fapp";
    let listed = world
        .get("/api/v1/projects/team/repositories", &admin())
        .await
        .ok();
    assert_eq!(listed["items"], json!([{ "name": "team/deep/app" }]));
    let tags = world
        .get(&format!("{repository}/tags"), &admin())
        .await
        .ok();
    assert_eq!(
        (&tags["items"][0]["name"], &tags["items"][0]["digest"]),
        (&json!("v1"), &json!(two))
    );

    let history = world
        .get(&format!("{repository}/tags/v1/history?limit=1"), &admin())
        .await
        .ok();
    let last = &history["items"][0];
    assert_eq!(
        (&last["digest"], &last["previous"]),
        (&json!(two), &json!(one))
    );
    let next = history["next"].as_i64().unwrap();
    let older = format!("{repository}/tags/v1/history?after={next}");
    assert_eq!(
        world.get(&older, &admin()).await.ok()["items"][0]["digest"],
        json!(one)
    );

    let undo = format!("{repository}/tags/v1/undo");
    let body = json!({ "change": last["id"] });
    assert_eq!(
        world.post(&undo, &admin(), body).await.ok()["digest"],
        json!(one)
    );
    world
        .post(&undo, &admin(), json!({ "change": 99_999 }))
        .await
        .fails(404, "unknown");

    let path = format!("{repository}/tags/v1");
    world.call("DELETE", &path, Some(&admin()), None).await.ok();
    world
        .call("DELETE", &path, Some(&admin()), None)
        .await
        .fails(404, "unknown");
    let missing = "/api/v1/repositories/team%2Fnosuch/tags";
    world.get(missing, &admin()).await.fails(404, "unknown");
}

#[tokio::test]
async fn a_project_with_images_stays_until_they_are_gone() {
    let world = World::new().await;
    world.project("team", false).await;
    for tag in ["a", "b", "c"] {
        world.image("team/app", tag, tag).await;
    }
    let project = "/api/v1/projects/team";
    let answer = world.call("DELETE", project, Some(&admin()), None).await;
    assert!(answer.fails(409, "in-use").contains("team/app"));
    let repository = "/api/v1/repositories/team%2Fapp";
    let gone = world
        .call("DELETE", repository, Some(&admin()), None)
        .await
        .ok();
    assert_eq!(gone["manifests"].as_array().unwrap().len(), 3);
    assert_eq!(gone["tags"].as_array().unwrap().len(), 3);
    world
        .call("DELETE", project, Some(&admin()), None)
        .await
        .ok();
    let missing = "/api/v1/repositories/team%2Fnosuch";
    world
        .call("DELETE", missing, Some(&admin()), None)
        .await
        .fails(404, "unknown");
}

#[tokio::test]
async fn rules_keep_tags_and_are_tried_first() {
    let world = World::new().await;
    world.project("team", false).await;
    world.project("other", false).await;
    let old = world.image("team/app", "v1", "one").await;
    world.image("team/app", "latest", "one").await;
    world.image("other/app", "v1", "one").await;
    let rules = "/api/v1/projects/team/immutable-tags";
    let rule = json!({ "repositories": "**", "kind": "glob", "pattern": "v*" });
    let preview = format!("{rules}/preview");
    let shown = world.post(&preview, &admin(), rule.clone()).await.ok();
    assert_eq!(shown, json!({ "tags": ["team/app:v1"], "complete": true }));
    assert_eq!(
        world.get(rules, &admin()).await.ok()["items"],
        json!([]),
        "nothing was made"
    );

    let made = world.post(rules, &admin(), rule).await.ok();
    let tag = "/api/v1/repositories/team%2Fapp/tags/v1";
    let message = world
        .call("DELETE", tag, Some(&admin()), None)
        .await
        .fails(409, "in-use");
    assert!(message.contains("v*"), "{message}");
    let manifest = format!("/api/v1/repositories/team%2Fapp/manifests/{old}");
    world
        .call("DELETE", &manifest, Some(&admin()), None)
        .await
        .fails(409, "in-use");

    let elsewhere = format!("/api/v1/projects/other/immutable-tags/{}", made["id"]);
    world
        .call("DELETE", &elsewhere, Some(&admin()), None)
        .await
        .fails(404, "unknown");
    let path = format!("{rules}/{}", made["id"]);
    world.call("DELETE", &path, Some(&admin()), None).await.ok();
    let gone = world
        .call("DELETE", &manifest, Some(&admin()), None)
        .await
        .ok();
    assert_eq!(gone["tags"].as_array().unwrap().len(), 2);

    for (kind, pattern) in [("glob", "["), ("semver", "newest"), ("regex", "v.*")] {
        let rule = json!({ "repositories": "**", "kind": kind, "pattern": pattern });
        world
            .post(rules, &admin(), rule)
            .await
            .fails(400, "invalid");
    }
}

#[tokio::test]
async fn collection_and_scrub_are_begun_and_looked_at() {
    let world = World::new().await;
    world.project("team", false).await;
    world.image("team/app", "v1", "one").await;
    let ended = async |path: &str| loop {
        let job = world.get(path, &admin()).await.ok();
        if job["running"] == false {
            return job;
        }
        tokio::task::yield_now().await;
    };
    let preview = world.get("/api/v1/collection/preview", &admin()).await.ok();
    assert_eq!(preview["blobs"], 0);
    let begun = world
        .call("POST", "/api/v1/collection", Some(&admin()), None)
        .await;
    assert_eq!(begun.status, 202);
    let job = ended("/api/v1/collection").await;
    assert_eq!(
        (&job["result"]["blobs"], &job["error"]),
        (&json!(0), &json!(null))
    );

    let refused = world
        .post("/api/v1/scrub", &admin(), json!({ "bytes_per_second": 0 }))
        .await;
    refused.fails(400, "invalid");
    let begun = world.post("/api/v1/scrub", &admin(), json!({})).await;
    assert_eq!(begun.status, 202);
    let job = ended("/api/v1/scrub").await;
    assert_eq!(
        (&job["result"]["blobs"], &job["result"]["wrong"]),
        (&json!(1), &json!(0))
    );
}
