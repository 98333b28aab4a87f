//! Every endpoint as every kind of caller, against a table that was written by hand. An endpoint without a
//! line in it fails.

use std::collections::BTreeSet;

use kiln_registry::api::endpoints;
use serde_json::{Value, json};

use super::world::{PASSWORD, World, admin, basic};

/// All kinds of callers. `reader` is a read-only token of the project's admin; `outsider` a user who is no
/// member; `robot` one of the project with all that robots can have; `system-robot` one of all projects.
const CALLERS: [&str; 10] = [
    "nobody",
    "outsider",
    "guest",
    "developer",
    "maintainer",
    "admin",
    "robot",
    "system-robot",
    "reader",
    "system",
];

const EVERYBODY: &str =
    "nobody outsider guest developer maintainer admin robot system-robot reader system";
const ACCOUNTS: &str = "outsider guest developer maintainer admin robot system-robot reader system";
const USERS: &str = "outsider guest developer maintainer admin reader system";
/// What needs the password, which `reader` has not shown.
const PERSONS: &str = "outsider guest developer maintainer admin system";
const GUESTS: &str = "guest developer maintainer admin reader system";
const MAINTAINERS: &str = "maintainer admin system";
const LOOKING_MAINTAINERS: &str = "maintainer admin reader system";
const ADMINS: &str = "admin system";
const SYSTEM: &str = "system";

/// Endpoint, who may in a private project, and the body that it wants.
const TABLE: &[(&str, &str, &str)] = &[
    ("get /api/v1/openapi.json", EVERYBODY, ""),
    ("get /api/v1/me", ACCOUNTS, ""),
    (
        "put /api/v1/me/password",
        USERS,
        r#"{"current":"PASSWORD","new":"PASSWORD"}"#,
    ),
    ("get /api/v1/me/tokens", USERS, ""),
    ("post /api/v1/me/tokens", PERSONS, r#"{"description":"x"}"#),
    ("delete /api/v1/me/tokens/{token}", PERSONS, ""),
    ("get /api/v1/users", SYSTEM, ""),
    (
        "post /api/v1/users",
        SYSTEM,
        r#"{"name":"new-NUMBER","password":"PASSWORD"}"#,
    ),
    ("get /api/v1/users/{user}", SYSTEM, ""),
    ("patch /api/v1/users/{user}", SYSTEM, r#"{"disabled":true}"#),
    ("delete /api/v1/users/{user}", SYSTEM, ""),
    ("get /api/v1/users/{user}/tokens", SYSTEM, ""),
    ("delete /api/v1/users/{user}/tokens/{token}", SYSTEM, ""),
    ("get /api/v1/projects", EVERYBODY, ""),
    ("post /api/v1/projects", SYSTEM, r#"{"name":"new-NUMBER"}"#),
    (
        "get /api/v1/projects/{project}",
        "guest developer maintainer admin robot reader system",
        "",
    ),
    (
        "patch /api/v1/projects/{project}",
        ADMINS,
        r#"{"description":"x"}"#,
    ),
    ("delete /api/v1/projects/{project}", ADMINS, ""),
    (
        "get /api/v1/projects/{project}/access",
        LOOKING_MAINTAINERS,
        "",
    ),
    (
        "get /api/v1/projects/{project}/members",
        LOOKING_MAINTAINERS,
        "",
    ),
    (
        "put /api/v1/projects/{project}/members/{user}",
        ADMINS,
        r#"{"role":"guest"}"#,
    ),
    (
        "delete /api/v1/projects/{project}/members/{user}",
        ADMINS,
        "",
    ),
    (
        "get /api/v1/projects/{project}/robots",
        LOOKING_MAINTAINERS,
        "",
    ),
    (
        "post /api/v1/projects/{project}/robots",
        ADMINS,
        r#"{"name":"n","scopes":[{"repositories":"PROJECT/**","actions":["pull"]}]}"#,
    ),
    (
        "get /api/v1/projects/{project}/robots/{robot}",
        LOOKING_MAINTAINERS,
        "",
    ),
    (
        "patch /api/v1/projects/{project}/robots/{robot}",
        ADMINS,
        r#"{"disabled":true}"#,
    ),
    (
        "delete /api/v1/projects/{project}/robots/{robot}",
        ADMINS,
        "",
    ),
    (
        "post /api/v1/projects/{project}/robots/{robot}/secret",
        ADMINS,
        "",
    ),
    ("get /api/v1/robots", SYSTEM, ""),
    (
        "post /api/v1/robots",
        SYSTEM,
        r#"{"name":"new-NUMBER","scopes":[{"repositories":"**","actions":["pull"]}]}"#,
    ),
    ("get /api/v1/robots/{robot}", SYSTEM, ""),
    (
        "patch /api/v1/robots/{robot}",
        SYSTEM,
        r#"{"disabled":true}"#,
    ),
    ("delete /api/v1/robots/{robot}", SYSTEM, ""),
    ("post /api/v1/robots/{robot}/secret", SYSTEM, ""),
    (
        "get /api/v1/projects/{project}/repositories",
        "guest developer maintainer admin robot reader system",
        "",
    ),
    (
        "delete /api/v1/repositories/{repository}",
        "maintainer admin robot system-robot system",
        "",
    ),
    (
        "get /api/v1/repositories/{repository}/history",
        "guest developer maintainer admin robot system-robot reader system",
        "",
    ),
    (
        "get /api/v1/repositories/{repository}/tags",
        "guest developer maintainer admin robot system-robot reader system",
        "",
    ),
    (
        "delete /api/v1/repositories/{repository}/tags/{tag}",
        "maintainer admin robot system-robot system",
        "",
    ),
    (
        "get /api/v1/repositories/{repository}/tags/{tag}/history",
        "guest developer maintainer admin robot system-robot reader system",
        "",
    ),
    (
        "post /api/v1/repositories/{repository}/tags/{tag}/undo",
        MAINTAINERS,
        r#"{"change":CHANGE}"#,
    ),
    (
        "delete /api/v1/repositories/{repository}/manifests/{digest}",
        "maintainer admin robot system-robot system",
        "",
    ),
    ("get /api/v1/projects/{project}/immutable-tags", GUESTS, ""),
    (
        "post /api/v1/projects/{project}/immutable-tags",
        MAINTAINERS,
        r#"{"repositories":"PROJECT/**","kind":"glob","pattern":"v*"}"#,
    ),
    (
        "post /api/v1/projects/{project}/immutable-tags/preview",
        GUESTS,
        r#"{"repositories":"PROJECT/**","kind":"glob","pattern":"v*"}"#,
    ),
    (
        "delete /api/v1/projects/{project}/immutable-tags/{rule}",
        MAINTAINERS,
        "",
    ),
    ("get /api/v1/collection", SYSTEM, ""),
    ("post /api/v1/collection", SYSTEM, ""),
    ("get /api/v1/collection/preview", SYSTEM, ""),
    ("get /api/v1/scrub", SYSTEM, ""),
    ("post /api/v1/scrub", SYSTEM, "{}"),
    ("get /api/v1/audit", SYSTEM, ""),
    (
        "get /api/v1/projects/{project}/audit",
        LOOKING_MAINTAINERS,
        "",
    ),
];

/// What an endpoint's path and body name: made for one request, so that no request meets what another one
/// deleted.
struct Place<'a> {
    world: &'a World,
    number: usize,
    project: String,
}

impl<'a> Place<'a> {
    async fn new(world: &'a World, number: usize, caller: &str, public: bool) -> Self {
        let project = format!("p{number}");
        world.project(&project, public).await;
        let member = match caller {
            "guest" | "developer" | "maintainer" | "admin" => Some((caller, caller)),
            "reader" => Some(("admin", "admin")),
            _ => None,
        };
        if let Some((user, role)) = member {
            world.member(&project, &format!("role-{user}"), role).await;
        }
        Self {
            world,
            number,
            project,
        }
    }

    /// The header of a caller of this project.
    async fn header(&self, caller: &str, reader: &str) -> Option<String> {
        match caller {
            "nobody" => None,
            "system" => Some(admin()),
            "reader" => Some(reader.to_owned()),
            "robot" => Some(self.world.robot(&self.project, "caller").await),
            "system-robot" => {
                let scope = json!({ "repositories": "**", "actions": ["pull", "push", "delete"] });
                let name = format!("system{}", self.number);
                let body = json!({ "name": name, "scopes": [scope] });
                let made = self.world.post("/api/v1/robots", &admin(), body).await.ok();
                Some(basic(&name, made["secret"].as_str().unwrap()))
            }
            user => Some(basic(&format!("role-{user}"), PASSWORD)),
        }
    }

    /// The path with its parameters filled in, and what they name made.
    async fn path(&self, path: &str, caller: &str) -> (String, String) {
        let (number, project) = (self.number, &self.project);
        let mut filled = path.to_owned();
        let mut change = String::new();
        if path.contains("{user}") {
            let name = format!("user{number}");
            self.world.user(&name).await;
            self.world.member(project, &name, "guest").await;
            filled = filled.replace("{user}", &name);
            if path.contains("{token}") {
                let (_, id) = self.world.token(&basic(&name, PASSWORD), "full").await;
                filled = filled.replace("{token}", &id);
            }
        }
        if path.contains("/me/") && path.contains("{token}") {
            let owner = match caller {
                "system" => Some(admin()),
                "reader" => Some(basic("role-admin", PASSWORD)),
                "nobody" | "robot" | "system-robot" => None,
                user => Some(basic(&format!("role-{user}"), PASSWORD)),
            };
            let id = match owner {
                Some(owner) => self.world.token(&owner, "full").await.1,
                None => "nothing".to_owned(),
            };
            filled = filled.replace("{token}", &id);
        }
        if path.contains("/robots/{robot}") {
            let name = match path.contains("{project}") {
                true => {
                    self.world.robot(project, "subject").await;
                    format!("{project}.subject")
                }
                false => {
                    let name = format!("subject{number}");
                    let scope = json!({ "repositories": "**", "actions": ["pull"] });
                    let body = json!({ "name": name, "scopes": [scope] });
                    self.world.post("/api/v1/robots", &admin(), body).await.ok();
                    name
                }
            };
            filled = filled.replace("{robot}", &name);
        }
        if path.contains("{repository}") {
            let repository = format!("{project}/app");
            let digest = self
                .world
                .image(&repository, "v1", &number.to_string())
                .await;
            filled = filled
                .replace("{repository}", &format!("{project}%2Fapp"))
                .replace("{tag}", "v1")
                .replace("{digest}", &digest);
            let history = format!("/api/v1/repositories/{project}%2Fapp/history");
            let history = self.world.get(&history, &admin()).await.ok();
            change = history["items"][0]["id"].to_string();
        }
        if path.contains("{rule}") {
            let body = json!({ "repositories": "**", "kind": "glob", "pattern": "keep" });
            let path = format!("/api/v1/projects/{project}/immutable-tags");
            let made = self.world.post(&path, &admin(), body).await.ok();
            filled = filled.replace("{rule}", &made["id"].to_string());
        }
        (filled.replace("{project}", project), change)
    }
}

async fn people(world: &World) -> String {
    for name in ["outsider", "guest", "developer", "maintainer", "admin"] {
        world.user(&format!("role-{name}")).await;
    }
    world.token(&basic("role-admin", PASSWORD), "read").await.0
}

#[test]
fn every_endpoint_has_its_line() {
    let table: BTreeSet<String> = TABLE
        .iter()
        .map(|(endpoint, ..)| (*endpoint).to_owned())
        .collect();
    let code: BTreeSet<String> = endpoints()
        .iter()
        .map(|endpoint| format!("{} {}", endpoint.method, endpoint.path))
        .collect();
    assert_eq!(table, code);
}

#[tokio::test]
async fn every_endpoint_as_every_caller() {
    let world = World::new().await;
    let reader = people(&world).await;
    let mut wrong = vec![];
    let mut number = 0;
    for (endpoint, who, body) in TABLE {
        let (method, path) = endpoint.split_once(' ').unwrap();
        for caller in CALLERS {
            number += 1;
            let place = Place::new(&world, number, caller, false).await;
            let header = place.header(caller, &reader).await;
            let (filled, change) = place.path(path, caller).await;
            let body = body
                .replace("PASSWORD", PASSWORD)
                .replace("PROJECT", &place.project)
                .replace("NUMBER", &number.to_string())
                .replace("CHANGE", &change);
            let body: Option<Value> =
                (!body.is_empty()).then(|| serde_json::from_str(&body).unwrap());
            let answer = world
                .call(&method.to_uppercase(), &filled, header.as_deref(), body)
                .await;
            let allowed = who.split(' ').any(|allowed| allowed == caller);
            let as_expected = match (allowed, caller) {
                (true, _) => answer.status.is_success(),
                (false, "nobody") => {
                    answer.status == 401 && answer.body["kind"] == "unauthenticated"
                }
                (false, _) => matches!(answer.status.as_u16(), 403 | 404),
            };
            if !as_expected {
                wrong.push(format!(
                    "{endpoint} as {caller}: {} {}",
                    answer.status, answer.body
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {number}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// A public project shows what it has to everybody, and nothing else.
#[tokio::test]
async fn a_public_project_is_open_for_looking() {
    let world = World::new().await;
    let reader = people(&world).await;
    world.project("open", true).await;
    world.image("open/app", "v1", "x").await;
    let strangers = [None, Some(basic("role-outsider", PASSWORD)), Some(reader)];
    for (endpoint, ..) in TABLE {
        let (method, path) = endpoint.split_once(' ').unwrap();
        if !path.contains("{project}") && !path.contains("{repository}") {
            continue;
        }
        let open = matches!(
            *endpoint,
            "get /api/v1/projects/{project}"
                | "get /api/v1/projects/{project}/repositories"
                | "get /api/v1/repositories/{repository}/history"
                | "get /api/v1/repositories/{repository}/tags"
                | "get /api/v1/repositories/{repository}/tags/{tag}/history"
        );
        let path = path
            .replace("{project}", "open")
            .replace("{repository}", "open%2Fapp")
            .replace("{tag}", "v1");
        for who in &strangers {
            let method = method.to_uppercase();
            let answer = world.call(&method, &path, who.as_deref(), None).await;
            match (open, who) {
                (true, _) => assert!(answer.status.is_success(), "{endpoint}: {answer:?}"),
                (false, None) => assert_eq!(answer.status, 401, "{endpoint}"),
                // Whoever sees the project is told that he may not, not that it is not there.
                (false, Some(_)) => assert_eq!(answer.status, 403, "{endpoint}"),
            }
        }
    }
}

/// Nobody can find out which private projects and repositories there are.
#[tokio::test]
async fn what_is_hidden_and_what_is_not_there_look_alike() {
    let world = World::new().await;
    let outsider = world.user("outsider").await;
    world.project("secret", false).await;
    world.image("secret/app", "v1", "x").await;
    for (method, path) in [
        ("GET", "/api/v1/projects/NAME"),
        ("GET", "/api/v1/projects/NAME/members"),
        ("PATCH", "/api/v1/projects/NAME"),
        ("GET", "/api/v1/repositories/NAME%2Fapp/tags"),
        ("DELETE", "/api/v1/repositories/NAME%2Fapp"),
        ("GET", "/api/v1/projects/NAME/audit"),
    ] {
        let mut seen = vec![];
        for name in ["secret", "nosuch"] {
            for who in [None, Some(outsider.as_str())] {
                let answer = world
                    .call(method, &path.replace("NAME", name), who, None)
                    .await;
                let text = answer.body.to_string().replace(name, "NAME");
                seen.push((who.is_some(), answer.status, text));
            }
        }
        assert_eq!(seen[0], seen[2], "{method} {path}");
        assert_eq!(seen[1], seen[3], "{method} {path}");
        assert_eq!(
            (seen[0].1.as_u16(), seen[1].1.as_u16()),
            (401, 404),
            "{method} {path}"
        );
    }
    let listed = world.get("/api/v1/projects", &outsider).await.ok();
    assert_eq!(listed["items"], json!([]));
    let listed = world.call("GET", "/api/v1/projects", None, None).await.ok();
    assert_eq!(listed["items"], json!([]));
}
