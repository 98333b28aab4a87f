//! Users, members, robots and tokens from their making to their end.

use serde_json::json;

use super::world::{BEGIN, PASSWORD, World, admin, basic};

#[tokio::test]
async fn a_user_from_beginning_to_end() {
    let world = World::new().await;
    let alice = world.user("alice").await;
    let me = world.get("/api/v1/me", &alice).await.ok();
    assert_eq!(
        (&me["name"], &me["kind"]),
        (&json!("alice"), &json!("user"))
    );
    assert_eq!(me["administrator"], false);

    let twice = json!({ "name": "alice", "password": PASSWORD });
    world
        .post("/api/v1/users", &admin(), twice)
        .await
        .fails(409, "taken");
    let weak = json!({ "name": "bob", "password": "short" });
    let message = world
        .post("/api/v1/users", &admin(), weak)
        .await
        .fails(400, "invalid");
    assert!(message.contains("too short"), "{message}");
    let odd = json!({ "name": "Bob$", "password": PASSWORD });
    world
        .post("/api/v1/users", &admin(), odd)
        .await
        .fails(400, "invalid");

    let change = json!({ "current": "not this one", "new": "another good one" });
    let put = |body| world.call("PUT", "/api/v1/me/password", Some(&alice), Some(body));
    put(change).await.fails(403, "denied");
    let change = json!({ "current": PASSWORD, "new": "short" });
    put(change).await.fails(400, "invalid");
    let change = json!({ "current": PASSWORD, "new": "another good one" });
    assert_eq!(put(change).await.status, 204);
    world
        .get("/api/v1/me", &alice)
        .await
        .fails(401, "unauthenticated");
    let alice = basic("alice", "another good one");
    world.get("/api/v1/me", &alice).await.ok();

    let path = "/api/v1/users/alice";
    let disabled = json!({ "disabled": true });
    world
        .call("PATCH", path, Some(&admin()), Some(disabled))
        .await
        .ok();
    world
        .get("/api/v1/me", &alice)
        .await
        .fails(401, "unauthenticated");
    assert_eq!(
        world
            .call("DELETE", path, Some(&admin()), None)
            .await
            .status,
        204
    );
    world.get(path, &admin()).await.fails(404, "unknown");
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let world = World::new().await;
    let path = "/api/v1/users/admin";
    for body in [
        json!({ "disabled": true }),
        json!({ "administrator": false }),
    ] {
        let answer = world.call("PATCH", path, Some(&admin()), Some(body)).await;
        answer.fails(409, "in-use");
    }
    world
        .call("DELETE", path, Some(&admin()), None)
        .await
        .fails(409, "in-use");
    world.user("root").await;
    let body = json!({ "administrator": true });
    world
        .call("PATCH", "/api/v1/users/root", Some(&admin()), Some(body))
        .await
        .ok();
    assert_eq!(
        world
            .call("DELETE", path, Some(&admin()), None)
            .await
            .status,
        204
    );
}

#[tokio::test]
async fn rights_end_at_once() {
    let world = World::new().await;
    let alice = world.user("alice").await;
    world.project("team", false).await;
    world.member("team", "alice", "guest").await;
    let (token, id) = world.token(&alice, "full").await;
    world.get("/api/v1/projects/team", &alice).await.ok();
    world.get("/api/v1/projects/team", &token).await.ok();
    let members = "/api/v1/projects/team/members/alice";
    world
        .call("DELETE", members, Some(&admin()), None)
        .await
        .ok();
    world
        .get("/api/v1/projects/team", &alice)
        .await
        .fails(404, "unknown");
    world
        .get("/api/v1/projects/team", &token)
        .await
        .fails(404, "unknown");
    world.get("/api/v1/me", &token).await.ok();
    let path = format!("/api/v1/me/tokens/{id}");
    // Somebody else's token is not there.
    let bob = world.user("bob").await;
    world
        .call("DELETE", &path, Some(&bob), None)
        .await
        .fails(404, "unknown");
    world.call("DELETE", &path, Some(&alice), None).await.ok();
    world
        .get("/api/v1/me", &token)
        .await
        .fails(401, "unauthenticated");
}

#[tokio::test]
async fn a_new_account_with_an_old_name_inherits_nothing() {
    let world = World::new().await;
    let alice = world.user("alice").await;
    world.project("team", false).await;
    world.member("team", "alice", "admin").await;
    let (token, _) = world.token(&alice, "full").await;
    world
        .call("DELETE", "/api/v1/users/alice", Some(&admin()), None)
        .await
        .ok();
    let alice = world.user("alice").await;
    world
        .get("/api/v1/me", &token)
        .await
        .fails(401, "unauthenticated");
    world
        .get("/api/v1/projects/team", &alice)
        .await
        .fails(404, "unknown");
    assert_eq!(
        world.get("/api/v1/me/tokens", &alice).await.ok()["items"],
        json!([])
    );
}

#[tokio::test]
async fn a_robot_from_beginning_to_end() {
    let world = World::new().await;
    world.project("team", false).await;
    let scope = json!({ "repositories": "team/app-*", "actions": ["push"] });
    let body = json!({ "name": "ci", "description": "builds", "scopes": [scope], "expires": BEGIN + 10_000 });
    let path = "/api/v1/projects/team/robots";
    let made = world.post(path, &admin(), body.clone()).await.ok();
    let secret = made["secret"].as_str().unwrap();
    assert!(secret.starts_with("kiln_robot_"));
    assert_eq!(made["robot"]["name"], "team.ci");
    world.post(path, &admin(), body).await.fails(409, "taken");
    let robot = basic("team.ci", secret);
    let me = world.get("/api/v1/me", &robot).await.ok();
    assert_eq!(me["kind"], "robot");
    // By another's name it is nobody's.
    let other = basic("team.other", secret);
    world
        .get("/api/v1/me", &other)
        .await
        .fails(401, "unauthenticated");

    // It is listed without its token, and with its last use.
    let listed = world.get(path, &admin()).await.ok();
    assert!(!listed.to_string().contains(secret));
    world.access.close().await.unwrap();
    let shown = world
        .get("/api/v1/projects/team/robots/team.ci", &admin())
        .await
        .ok();
    assert_eq!(shown["used"], BEGIN);
    // No other project has it.
    world.project("other", false).await;
    let elsewhere = "/api/v1/projects/other/robots/team.ci";
    world.get(elsewhere, &admin()).await.fails(404, "unknown");

    let renewed = world
        .call(
            "POST",
            &format!("{path}/team.ci/secret"),
            Some(&admin()),
            None,
        )
        .await
        .ok();
    world
        .get("/api/v1/me", &robot)
        .await
        .fails(401, "unauthenticated");
    let robot = basic("team.ci", renewed["secret"].as_str().unwrap());
    world.get("/api/v1/me", &robot).await.ok();

    world.clock.advance(std::time::Duration::from_secs(10));
    world
        .get("/api/v1/me", &robot)
        .await
        .fails(401, "unauthenticated");
    let never = json!({ "expires": null });
    world
        .call(
            "PATCH",
            &format!("{path}/team.ci"),
            Some(&admin()),
            Some(never),
        )
        .await
        .ok();
    world.get("/api/v1/me", &robot).await.ok();
    let past = json!({ "expires": BEGIN });
    let answer = world
        .call(
            "PATCH",
            &format!("{path}/team.ci"),
            Some(&admin()),
            Some(past),
        )
        .await;
    answer.fails(400, "invalid");
    world
        .call("DELETE", &format!("{path}/team.ci"), Some(&admin()), None)
        .await
        .ok();
    world
        .get("/api/v1/me", &robot)
        .await
        .fails(401, "unauthenticated");
}

#[tokio::test]
async fn a_project_s_robots_stay_in_it() {
    let world = World::new().await;
    world.project("team", false).await;
    for repositories in ["**", "other/**", "team2/**", "team*/**", "{team/a,other/b}"] {
        let scope = json!({ "repositories": repositories, "actions": ["pull"] });
        let body = json!({ "name": "ci", "scopes": [scope] });
        let answer = world
            .post("/api/v1/projects/team/robots", &admin(), body)
            .await;
        answer.fails(400, "invalid");
    }
    // Nor can one be made by the detour of a name.
    let scope = json!({ "repositories": "team/**", "actions": ["pull"] });
    let body = json!({ "name": "../x", "scopes": [scope] });
    world
        .post("/api/v1/projects/team/robots", &admin(), body)
        .await
        .fails(400, "invalid");
}

#[tokio::test]
async fn users_and_robots_share_their_names() {
    let world = World::new().await;
    world.project("team", false).await;
    world.robot("team", "ci").await;
    let body = json!({ "name": "team.ci", "password": PASSWORD });
    world
        .post("/api/v1/users", &admin(), body)
        .await
        .fails(409, "taken");
}

#[tokio::test]
async fn a_read_only_token_changes_nothing_and_makes_no_tokens() {
    let world = World::new().await;
    let (reader, _) = world.token(&admin(), "read").await;
    let (writer, _) = world.token(&admin(), "write").await;
    let (full, _) = world.token(&admin(), "full").await;
    for token in [&reader, &writer, &full] {
        world.get("/api/v1/users", token).await.ok();
        let answer = world
            .post("/api/v1/me/tokens", token, json!({ "ceiling": "full" }))
            .await;
        answer.fails(403, "denied");
    }
    let user = |name: &str| json!({ "name": name, "password": PASSWORD });
    world
        .post("/api/v1/users", &reader, user("a"))
        .await
        .fails(403, "denied");
    world
        .post("/api/v1/users", &writer, user("a"))
        .await
        .fails(403, "denied");
    world.post("/api/v1/users", &full, user("a")).await.ok();
}

#[tokio::test]
async fn lists_come_in_parts() {
    let world = World::new().await;
    for number in 0..7 {
        world.project(&format!("p{number}"), number % 2 == 0).await;
    }
    let mut seen = vec![];
    let mut path = "/api/v1/projects?limit=3".to_owned();
    loop {
        let page = world.get(&path, &admin()).await.ok();
        for item in page["items"].as_array().unwrap() {
            seen.push(item["name"].as_str().unwrap().to_owned());
        }
        match page["next"].as_str() {
            Some(next) => path = format!("/api/v1/projects?limit=3&after={next}"),
            None => break,
        }
    }
    assert_eq!(seen, ["p0", "p1", "p2", "p3", "p4", "p5", "p6"]);
    for bad in [
        "limit=0",
        "limit=1001",
        "limit=x",
        "limit=-1",
        "limit=99999999999999999999",
        "page=2",
    ] {
        let answer = world
            .get(&format!("/api/v1/projects?{bad}"), &admin())
            .await;
        answer.fails(400, "invalid");
    }
}

#[tokio::test]
async fn what_an_account_may_do_is_said_with_the_reason() {
    let world = World::new().await;
    world.user("alice").await;
    world.project("team", true).await;
    world.member("team", "alice", "developer").await;
    world.robot("team", "ci").await;
    let ask = async |account: &str| {
        let path = format!("/api/v1/projects/team/access?account={account}");
        world.get(&path, &admin()).await
    };
    let alice = ask("alice").await.ok();
    assert_eq!(
        (&alice["role"], &alice["public"]),
        (&json!("developer"), &json!(true))
    );
    assert_eq!(
        alice["actions"],
        json!(["pull", "view-project", "view-rules", "push"])
    );
    let nobody = ask("").await.ok();
    assert_eq!(nobody["actions"], json!(["pull", "view-project"]));
    let robot = ask("team.ci").await.ok();
    assert_eq!(robot["scopes"][0]["repositories"], "team/**");
    let root = ask("admin").await.ok();
    assert_eq!(
        (
            &root["administrator"],
            root["actions"].as_array().unwrap().len()
        ),
        (&json!(true), 14)
    );
    ask("nosuch").await.fails(404, "unknown");
}

#[tokio::test]
async fn every_change_and_every_refusal_is_in_the_log() {
    let world = World::new().await;
    let alice = world.user("alice").await;
    world.project("team", false).await;
    world.member("team", "alice", "guest").await;
    let delete = world
        .call("DELETE", "/api/v1/projects/team", Some(&alice), None)
        .await;
    delete.fails(403, "denied");
    world
        .get("/api/v1/me", &basic("alice", "a wrong password"))
        .await
        .fails(401, "unauthenticated");

    let log = world.get("/api/v1/audit", &admin()).await.ok();
    let lines: Vec<String> = log["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| {
            let word = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
            format!(
                "{} {} {} {}",
                word("actor"),
                word("outcome"),
                word("action"),
                word("subject")
            )
        })
        .collect();
    for expected in [
        "admin done create-user alice",
        "admin done create-project team",
        "admin done set-member alice",
        "alice denied delete-project team",
        " denied login alice",
        "kiln done create-user admin",
    ] {
        assert!(
            lines.iter().any(|line| line == expected),
            "{expected}: {lines:#?}"
        );
    }
    assert!(
        !log.to_string().contains("wrong password"),
        "no password is in the log"
    );
    let mine = world
        .get("/api/v1/projects/team/audit?outcome=denied", &admin())
        .await
        .ok();
    assert_eq!(mine["items"].as_array().unwrap().len(), 1);
    // The filter of a project's log cannot be led elsewhere.
    let other = world
        .get("/api/v1/projects/team/audit?project=other", &admin())
        .await
        .ok();
    assert!(
        other["items"]
            .as_array()
            .unwrap()
            .iter()
            .all(|line| line["project"] == "team")
    );
    world
        .get("/api/v1/audit?outcome=maybe", &admin())
        .await
        .fails(400, "invalid");
}
