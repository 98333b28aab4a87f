//! Guessing of passwords, and what locked-out people still can do.

use std::time::Duration;

use axum::body::Body;
use hyper::Request;

use super::world::{Answer, PASSWORD, World, admin, basic};

async fn from(world: &World, peer: &str, who: &str) -> Answer {
    let request = Request::builder()
        .uri("/api/v1/me")
        .header("authorization", who)
        .header("x-test-peer", peer)
        .body(Body::empty())
        .unwrap();
    world.send(request).await
}

#[tokio::test]
async fn guesses_are_slowed_down_and_nobody_else_is() {
    let world = World::new().await;
    let alice = world.user("alice").await;
    world.user("bob").await;
    let (token, _) = world.token(&alice, "full").await;
    let wrong = basic("alice", "a wrong guess");
    // The right password is known from here before the guessing begins.
    from(&world, "192.0.2.9", &alice).await.ok();
    for _ in 0..5 {
        from(&world, "192.0.2.1", &wrong)
            .await
            .fails(401, "unauthenticated");
    }
    let answer = from(&world, "192.0.2.1", &wrong).await;
    assert_eq!(answer.headers["retry-after"], "1");
    answer.fails(429, "too-many");
    // A token works on from the same address, and what was verified some seconds ago does.
    from(&world, "192.0.2.1", &token).await.ok();
    from(&world, "192.0.2.1", &alice).await.ok();
    world.clock.advance(Duration::from_millis(500));
    from(&world, "192.0.2.1", &basic("bob", PASSWORD))
        .await
        .ok();
    world.clock.advance(Duration::from_millis(500));
    from(&world, "192.0.2.1", &wrong)
        .await
        .fails(401, "unauthenticated");
    let answer = from(&world, "192.0.2.1", &wrong).await;
    assert_eq!(answer.headers["retry-after"], "2");
    // A step of the wall clock, a day forth or back, frees nobody.
    world.clock.step(86_400_000);
    from(&world, "192.0.2.1", &wrong)
        .await
        .fails(429, "too-many");
    world.clock.step(-2 * 86_400_000);
    from(&world, "192.0.2.1", &wrong)
        .await
        .fails(429, "too-many");
    world.clock.advance(Duration::from_secs(900));
    from(&world, "192.0.2.1", &alice).await.ok();
}

#[tokio::test]
async fn one_password_tried_on_many_names() {
    let world = World::new().await;
    for number in 0..50 {
        let wrong = basic(&format!("user{number}"), "Summer2026!");
        from(&world, "2001:db8::1", &wrong)
            .await
            .fails(401, "unauthenticated");
    }
    // The whole network of one customer.
    let wrong = basic("another", "Summer2026!");
    from(&world, "2001:db8::ffff:1", &wrong)
        .await
        .fails(429, "too-many");
    from(&world, "2001:db8:0:1::1", &wrong)
        .await
        .fails(401, "unauthenticated");
}

#[tokio::test]
async fn ended_tokens_lock_out_nobody() {
    let world = World::new().await;
    let alice = world.user("alice").await;
    let (token, id) = world.token(&alice, "full").await;
    let path = format!("/api/v1/me/tokens/{id}");
    world.call("DELETE", &path, Some(&alice), None).await.ok();
    for _ in 0..100 {
        from(&world, "192.0.2.1", &token)
            .await
            .fails(401, "unauthenticated");
    }
    world.clock.advance(Duration::from_secs(60));
    from(&world, "192.0.2.1", &alice).await.ok();
    let log = world
        .get("/api/v1/audit?outcome=denied", &admin())
        .await
        .ok();
    let lines = log["items"].as_array().unwrap();
    assert!(lines.len() < 5, "a flood of refusals is a few lines");
    let count: i64 = lines
        .iter()
        .map(|line| line["count"].as_i64().unwrap())
        .sum();
    assert_eq!(count, 100);
}

#[tokio::test]
async fn a_forgotten_password_is_made_anew() {
    let world = World::new().await;
    let first = world.access.reset_administrator().await.unwrap();
    world
        .get("/api/v1/me", &admin())
        .await
        .fails(401, "unauthenticated");
    let again = basic("admin", first.password.as_deref().unwrap());
    world.get("/api/v1/users", &again).await.ok();
    assert!(!format!("{first:?}").contains(first.password.as_deref().unwrap()));
}
