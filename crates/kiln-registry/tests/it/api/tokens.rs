//! Docker's token flow: what is granted, to whom, for how long; forgery, expiry, clock steps.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use kiln_registry::access::{
    Access, Action, AuthenticationError, TokenAnswer, TokenRefusal, TokenRequest, Verdict,
};
use serde_json::json;

use super::world::{PASSWORD, World, admin, basic};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

async fn ask(world: &World, query: &str, who: Option<&str>) -> Result<TokenAnswer, TokenRefusal> {
    let request = TokenRequest::from_query(query)?;
    world.access.token(request, who, HERE).await
}

async fn post(world: &World, form: &str) -> Result<TokenAnswer, TokenRefusal> {
    let request = TokenRequest::from_form(form.as_bytes())?;
    world.access.token(request, None, HERE).await
}

/// What the bearer of a token gets.
async fn verdict(access: &Access, token: &str, repository: &str, action: Action) -> Verdict {
    let header = format!("Bearer {token}");
    let caller = access.authenticate(Some(&header), HERE).await.unwrap();
    access
        .permits(&caller, &repository.parse().unwrap(), action)
        .await
        .unwrap()
}

async fn team() -> World {
    let world = World::new().await;
    world.project("team", false).await;
    world.project("open", true).await;
    for (name, role) in [
        ("guest", "guest"),
        ("dev", "developer"),
        ("main", "maintainer"),
    ] {
        world.user(name).await;
        world.member("team", name, role).await;
    }
    world.user("outsider").await;
    world
}

#[tokio::test]
async fn what_is_granted_is_what_was_asked_for_and_may_be_had() {
    let world = team().await;
    let all = "repository:team/app:pull,push,delete";
    for (who, scope, granted) in [
        (None, all, ""),
        (
            None,
            "repository:open/app:pull,push",
            "repository:open/app:pull",
        ),
        (None, "registry:catalog:*", "registry:catalog:*"),
        (Some("outsider"), all, ""),
        (
            Some("outsider"),
            "repository:open/app:pull,push",
            "repository:open/app:pull",
        ),
        (Some("guest"), all, "repository:team/app:pull"),
        (Some("dev"), all, "repository:team/app:pull,push"),
        (
            Some("dev"),
            "repository:team/app:push",
            "repository:team/app:push",
        ),
        (
            Some("dev"),
            "repository:team/app:*",
            "repository:team/app:pull,push",
        ),
        (Some("main"), all, all),
        (Some("main"), "repository:nosuch/app:pull", ""),
        (Some("main"), "repository:Team/App:pull", ""),
        (Some("main"), "repository:host:5000/team/app:pull", ""),
        (Some("main"), "plugin:team/app:pull", ""),
        (
            Some("main"),
            "repository(plugin):team/app:pull",
            "repository:team/app:pull",
        ),
        (Some("admin"), all, all),
        (
            Some("dev"),
            "repository:team/app:pull,push+repository:open/base:pull+junk+repository:team/app:pull",
            "repository:team/app:pull,push repository:open/base:pull",
        ),
    ] {
        let header = who.map(|name| basic(name, PASSWORD));
        let query = format!("service=kiln&scope={scope}");
        let answer = ask(&world, &query, header.as_deref()).await.unwrap();
        assert_eq!(answer.scope, granted, "{who:?} {scope}");
        assert_eq!(answer.token, answer.access_token);
        assert!(answer.expires_in >= 60);
        assert_eq!(answer.issued_at, "2026-01-01T00:00:00Z");
        assert_eq!(answer.refresh_token, None);
    }
}

#[tokio::test]
async fn a_token_is_good_for_what_it_was_granted() {
    let world = team().await;
    let main = basic("main", PASSWORD);
    let answer = ask(&world, "scope=repository:team/app:pull", Some(&main))
        .await
        .unwrap();
    let get = async |repository: &str, action| {
        verdict(&world.access, &answer.token, repository, action).await
    };
    assert_eq!(get("team/app", Action::Pull).await, Verdict::Allowed);
    // The account could get more: the client shall ask for it.
    let more = Verdict::NeedsLogin { insufficient: true };
    assert_eq!(get("team/app", Action::Push).await, more);
    assert_eq!(get("team/other", Action::Pull).await, more);
    assert_eq!(get("team/app2", Action::Pull).await, more);
    // It could not: asking again would not help.
    assert_eq!(
        get("secret/app", Action::Pull).await,
        Verdict::Denied { hide: true }
    );
    let dev = basic("dev", PASSWORD);
    let answer = ask(&world, "scope=repository:team/app:pull", Some(&dev))
        .await
        .unwrap();
    let denied = verdict(&world.access, &answer.token, "team/app", Action::Delete).await;
    assert_eq!(denied, Verdict::Denied { hide: false });
    // Nobody's token.
    let answer = ask(&world, "scope=repository:open/app:pull", None)
        .await
        .unwrap();
    let pull = verdict(&world.access, &answer.token, "open/app", Action::Pull).await;
    assert_eq!(pull, Verdict::Allowed);
    let push = verdict(&world.access, &answer.token, "open/app", Action::Push).await;
    assert_eq!(push, more);
    let hidden = verdict(&world.access, &answer.token, "team/app", Action::Pull).await;
    assert_eq!(hidden, more);
}

/// A mount from a repository that the caller may not pull must look like a mount from nowhere.
#[tokio::test]
async fn the_source_of_a_mount_needs_the_right_to_pull() {
    let world = team().await;
    world.project("secret", false).await;
    let dev = basic("dev", PASSWORD);
    let query = "scope=repository:team/app:pull,push&scope=repository:secret/app:pull";
    let answer = ask(&world, query, Some(&dev)).await.unwrap();
    assert_eq!(answer.scope, "repository:team/app:pull,push");
    let from = verdict(&world.access, &answer.token, "secret/app", Action::Pull).await;
    assert_ne!(from, Verdict::Allowed);
    let caller = world.access.authenticate(Some(&dev), HERE).await.unwrap();
    let from = world
        .access
        .permits(&caller, &"secret/app".parse().unwrap(), Action::Pull)
        .await;
    assert_eq!(from.unwrap(), Verdict::Denied { hide: true });
}

#[tokio::test]
async fn docker_s_login_keeps_a_refresh_token_that_ends_with_the_password() {
    let world = team().await;
    let dev = basic("dev", PASSWORD);
    let answer = ask(
        &world,
        "offline_token=true&client_id=docker&account=dev",
        Some(&dev),
    )
    .await
    .unwrap();
    let refresh = answer.refresh_token.unwrap();
    assert!(refresh.starts_with("kiln_refresh_"));
    let form = format!(
        "grant_type=refresh_token&refresh_token={refresh}&service=kiln&scope=repository:team/app:push"
    );
    let again = post(&world, &form).await.unwrap();
    assert_eq!(again.scope, "repository:team/app:push");
    assert_eq!(
        again.refresh_token.as_deref(),
        Some(refresh.as_str()),
        "the client keeps the one that it has"
    );

    // It is one of the user's tokens, and stands for the password in the API.
    let bearer = format!("Bearer {refresh}");
    let listed = world.get("/api/v1/me/tokens", &bearer).await.ok();
    assert_eq!(listed["items"][0]["description"], "login by docker");
    assert_eq!(listed["items"][0]["kind"], "refresh");
    world
        .post("/api/v1/me/tokens", &bearer, json!({}))
        .await
        .ok();

    let change = json!({ "password": "something else" });
    world
        .call("PATCH", "/api/v1/users/dev", Some(&admin()), Some(change))
        .await
        .ok();
    assert!(post(&world, &form).await.is_err());
    let old = format!("Bearer {}", again.token);
    assert!(
        world.access.authenticate(Some(&old), HERE).await.is_err(),
        "what it bought ends, too"
    );
}

#[tokio::test]
async fn by_form_and_password() {
    let world = team().await;
    let form = "grant_type=password&username=dev&password=correct+horse+battery&service=kiln&client_id=x\
                &access_type=offline&scope=repository:team/app:pull,push";
    let answer = post(&world, form).await.unwrap();
    assert_eq!(answer.scope, "repository:team/app:pull,push");
    assert!(answer.refresh_token.is_some());
    let wrong = form.replace("horse", "mule");
    let refused = post(&world, &wrong).await.unwrap_err();
    assert!(matches!(
        refused,
        TokenRefusal::Authentication(AuthenticationError::Invalid { .. })
    ));
    for bad in [
        "grant_type=authorization_code&code=x",
        "grant_type=",
        "x=y",
        "",
    ] {
        assert!(
            matches!(post(&world, bad).await, Err(TokenRefusal::Request { .. })),
            "{bad}"
        );
    }
    let other = ask(&world, "service=other", None).await;
    assert!(matches!(other, Err(TokenRefusal::Request { .. })));
}

#[tokio::test]
async fn robots_and_personal_tokens_get_tokens_but_nothing_that_outlives_them() {
    let world = team().await;
    let robot = world.robot("team", "ci").await;
    let (reader, id) = world.token(&basic("main", PASSWORD), "read").await;
    let query = "offline_token=true&scope=repository:team/app:pull,push";
    let by_robot = ask(&world, query, Some(&robot)).await.unwrap();
    assert_eq!(
        (by_robot.scope.as_str(), by_robot.refresh_token),
        ("repository:team/app:pull,push", None)
    );
    let by_token = ask(&world, query, Some(&reader)).await.unwrap();
    assert_eq!(
        (by_token.scope.as_str(), by_token.refresh_token),
        ("repository:team/app:pull", None)
    );
    assert_eq!(
        verdict(&world.access, &by_token.token, "team/app", Action::Pull).await,
        Verdict::Allowed
    );

    // The token that bought it ends, and so does it.
    let path = format!("/api/v1/me/tokens/{id}");
    world
        .call("DELETE", &path, Some(&basic("main", PASSWORD)), None)
        .await
        .ok();
    let bearer = format!("Bearer {}", by_token.token);
    assert!(
        world
            .access
            .authenticate(Some(&bearer), HERE)
            .await
            .is_err()
    );
    let renew = "/api/v1/projects/team/robots/team.ci/secret";
    world.call("POST", renew, Some(&admin()), None).await.ok();
    let bearer = format!("Bearer {}", by_robot.token);
    assert!(
        world
            .access
            .authenticate(Some(&bearer), HERE)
            .await
            .is_err()
    );
    // A token of the token service buys no other, and manages nothing.
    let answer = ask(&world, query, Some(&basic("main", PASSWORD)))
        .await
        .unwrap();
    let bearer = format!("Bearer {}", answer.token);
    assert!(matches!(
        ask(&world, query, Some(&bearer)).await,
        Err(TokenRefusal::Request { .. })
    ));
    world
        .get("/api/v1/projects/team/members", &bearer)
        .await
        .fails(403, "denied");
    world
        .get("/api/v1/me/tokens", &bearer)
        .await
        .fails(403, "denied");
}

#[tokio::test]
async fn forged_and_borrowed_tokens() {
    let world = team().await;
    let answer = ask(&world, "scope=repository:open/app:pull", None)
        .await
        .unwrap();
    let parts: Vec<&str> = answer.token.split('.').collect();
    use base64::Engine as _;
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let claims = String::from_utf8(engine.decode(parts[1]).unwrap()).unwrap();
    let more = engine.encode(claims.replace("open/app", "team/app"));
    let none = engine.encode(r#"{"typ":"JWT","alg":"none","kid":""}"#);
    // Another registry's token, with the same claims.
    let stranger = World::new().await;
    let strange = ask(&stranger, "scope=repository:open/app:pull", None)
        .await
        .unwrap();
    for forged in [
        format!("{}.{more}.{}", parts[0], parts[2]),
        format!("{none}.{more}."),
        format!("{}.{more}.", parts[0]),
        strange.token,
        "eyJhbGciOiJIUzI1NiJ9.e30.".to_owned(),
    ] {
        let header = format!("Bearer {forged}");
        let error = world
            .access
            .authenticate(Some(&header), HERE)
            .await
            .unwrap_err();
        assert!(
            matches!(error, AuthenticationError::Invalid { .. }),
            "{forged}"
        );
    }
}

#[tokio::test]
async fn tokens_end_in_time_whatever_the_clock_does() {
    let world = team().await;
    let dev = basic("dev", PASSWORD);
    let answer = ask(&world, "scope=repository:team/app:pull", Some(&dev))
        .await
        .unwrap();
    let header = format!("Bearer {}", answer.token);
    let good = async || world.access.authenticate(Some(&header), HERE).await.is_ok();
    assert!(good().await);
    // A minute back is what replicas may differ by; an hour back is a token from the future.
    world.clock.step(-60_000);
    assert!(good().await);
    world.clock.step(-3_600_000);
    assert!(!good().await);
    world.clock.step(3_660_000);
    world.clock.advance(Duration::from_secs(299));
    assert!(good().await);
    world.clock.advance(Duration::from_secs(1));
    assert!(!good().await);
    world.clock.step(86_400_000);
    assert!(!good().await);
}

#[tokio::test]
async fn an_open_server_has_no_tokens_and_lets_everybody_do_everything() {
    let access = Access::open();
    let caller = access
        .authenticate(Some("Basic nonsense"), HERE)
        .await
        .unwrap();
    assert!(caller.is_anonymous());
    let repository = "a/b".parse().unwrap();
    for action in Action::ALL {
        let verdict = access.permits(&caller, &repository, action).await.unwrap();
        assert_eq!(verdict, Verdict::Allowed);
    }
    assert!(access.visible(&caller).await.unwrap().is_everything());
    let request = TokenRequest::from_query("").unwrap();
    assert!(access.token(request, None, HERE).await.is_err());
}

#[tokio::test]
async fn lists_show_what_may_be_pulled() {
    let world = team().await;
    let robot = world.robot("team", "ci").await;
    for (who, open, team) in [
        (None, true, false),
        (Some(basic("outsider", PASSWORD)), true, false),
        (Some(basic("guest", PASSWORD)), true, true),
        (Some(robot), true, true),
        (Some(admin()), true, true),
    ] {
        let caller = world
            .access
            .authenticate(who.as_deref(), HERE)
            .await
            .unwrap();
        let visible = world.access.visible(&caller).await.unwrap();
        assert_eq!(
            visible.includes(&"open/app".parse().unwrap()),
            open,
            "{caller:?}"
        );
        assert_eq!(
            visible.includes(&"team/app".parse().unwrap()),
            team,
            "{caller:?}"
        );
    }
}
