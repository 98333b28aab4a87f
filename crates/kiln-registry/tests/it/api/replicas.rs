//! Two servers on one database: what one changes, the other notices.

use std::time::Duration;

use kiln_registry::access::{Access, Action, TokenRequest, Verdict};
use serde_json::json;

use super::world::{PASSWORD, World, admin, basic, options};

const HERE: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

#[tokio::test]
async fn only_the_first_start_makes_an_administrator() {
    let world = World::with(super::world::options(
        &kiln_registry::clock::Clock::standing_at(super::world::BEGIN),
    ))
    .await;
    let (_, first) = Access::start(world.database.clone(), options(&world.clock))
        .await
        .unwrap();
    assert_eq!(first, None);
}

#[tokio::test]
async fn starts_at_the_same_time_make_one_administrator_and_one_key() {
    let directory = kiln_testkit::TempDir::new();
    let backing = crate::backing::Backing::of(directory.path());
    let database = backing.database(directory.path());
    let clock = kiln_registry::clock::Clock::standing_at(super::world::BEGIN);
    let random = || {
        let mut options = options(&clock);
        options.first_password = None;
        Access::start(database.clone(), options)
    };
    let (a, b, c) = tokio::join!(random(), random(), random());
    let started = [a.unwrap(), b.unwrap(), c.unwrap()];
    let first: Vec<_> = started
        .iter()
        .filter_map(|(_, first)| first.clone())
        .collect();
    assert_eq!(first.len(), 1, "{first:?}");
    let header = basic("admin", first[0].password.as_deref().unwrap());
    for (access, _) in &started {
        access.authenticate(Some(&header), HERE).await.unwrap();
    }
    let token = started[0]
        .0
        .token(TokenRequest::from_query("").unwrap(), None, HERE)
        .await
        .unwrap();
    let bearer = format!("Bearer {}", token.token);
    for (access, _) in &started {
        access.authenticate(Some(&bearer), HERE).await.unwrap();
    }
}

#[tokio::test]
async fn a_right_that_is_taken_away_is_gone_everywhere_after_a_second() {
    let world = World::new().await;
    let (other, _) = Access::start(world.database.clone(), options(&world.clock))
        .await
        .unwrap();
    let alice = world.user("alice").await;
    world.project("team", false).await;
    world.member("team", "alice", "developer").await;
    // What the other one looked for before it was there must not count either.
    world.clock.advance(Duration::from_secs(1));
    let request = TokenRequest::from_query("scope=repository:team/app:pull,push").unwrap();
    let token = other.token(request, Some(&alice), HERE).await.unwrap();
    let bearer = format!("Bearer {}", token.token);
    let repository = "team/app".parse().unwrap();
    let may = async |access: &Access| {
        let caller = access.authenticate(Some(&bearer), HERE).await?;
        Ok::<_, kiln_registry::access::AuthenticationError>(
            access.permits(&caller, &repository, Action::Push).await?,
        )
    };
    assert_eq!(may(&other).await.unwrap(), Verdict::Allowed);
    assert_eq!(may(&world.access).await.unwrap(), Verdict::Allowed);

    world.member("team", "alice", "guest").await;
    assert_eq!(
        may(&world.access).await.unwrap(),
        Verdict::Denied { hide: false },
        "where it was done, at once"
    );
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(may(&other).await.unwrap(), Verdict::Denied { hide: false });

    let body = json!({ "disabled": true });
    world
        .call("PATCH", "/api/v1/users/alice", Some(&admin()), Some(body))
        .await
        .ok();
    assert!(may(&world.access).await.is_err());
    world.clock.advance(Duration::from_secs(1));
    assert!(may(&other).await.is_err());
    let alice = basic("alice", PASSWORD);
    assert!(
        other.authenticate(Some(&alice), HERE).await.is_err(),
        "though it was verified there"
    );
}

#[tokio::test]
async fn keys_are_exchanged_and_the_one_before_verifies_on() {
    let world = World::new().await;
    let (other, _) = Access::start(world.database.clone(), options(&world.clock))
        .await
        .unwrap();
    world.clock.advance(Duration::from_secs(91 * 24 * 60 * 60));
    let ask = || TokenRequest::from_query("").unwrap();
    let before = world.access.token(ask(), None, HERE).await.unwrap();
    let (one, two) = tokio::join!(world.access.tidy_up(), other.tidy_up());
    one.unwrap();
    two.unwrap();
    world.clock.advance(Duration::from_secs(1));
    let after = world.access.token(ask(), None, HERE).await.unwrap();
    let kid = |token: &str| token.split('.').next().unwrap().to_owned();
    assert_ne!(kid(&before.token), kid(&after.token));
    for access in [&world.access, &other] {
        for token in [&before, &after] {
            let bearer = format!("Bearer {}", token.token);
            access.authenticate(Some(&bearer), HERE).await.unwrap();
        }
    }
}
