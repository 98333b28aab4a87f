//! The table of endpoints: all there are, and what each needs.

use axum::routing::{MethodRouter, delete, get, patch, post, put};

use super::{
    ApiState, audit, document, maintenance, me, members, projects, repositories, robots, rules,
    users,
};
use crate::access::Action;

/// What a caller needs for an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing.
    Nothing,
    /// To be logged in, with any account.
    Account,
    /// To be a user, not a robot.
    User,
    /// To be a system administrator.
    Administrator,
    /// The right to this in the path's project.
    Project(Action),
    /// The right to this in the path's repository.
    Repository(Action),
}

impl std::fmt::Display for Need {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Account => f.write_str("an account"),
            Self::User => f.write_str("a user"),
            Self::Administrator => f.write_str("a system administrator"),
            Self::Project(action) => write!(f, "`{action}` in the project"),
            Self::Repository(action) => write!(f, "`{action}` in the repository"),
        }
    }
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Endpoint {
    /// The HTTP method.
    pub method: &'static str,
    /// The path with its parameters in braces.
    pub path: &'static str,
    /// What the caller needs.
    pub need: Need,
    pub(super) route: fn() -> MethodRouter<ApiState>,
}

macro_rules! table {
    ($($method:ident $path:literal $need:expr => $handler:path;)*) => {
        &[$(Endpoint {
            method: stringify!($method),
            path: $path,
            need: $need,
            route: || $method($handler),
        }),*]
    };
}

use Action::{
    ChangeMembers, ChangeProject, ChangeRobots, ChangeRules, Delete, DeleteProject, Pull, Restore,
    ViewAudit, ViewMembers, ViewProject, ViewRobots, ViewRules,
};
use Need::{Account, Administrator, Nothing, Project, Repository, User};

/// All endpoints.
#[must_use]
pub fn endpoints() -> &'static [Endpoint] {
    table! {
        get "/api/v1/openapi.json" Nothing => document::show;

        get "/api/v1/me" Account => me::show;
        put "/api/v1/me/password" User => me::change_password;
        get "/api/v1/me/tokens" User => me::list_tokens;
        post "/api/v1/me/tokens" User => me::create_token;
        delete "/api/v1/me/tokens/{token}" User => me::end_token;

        get "/api/v1/users" Administrator => users::list;
        post "/api/v1/users" Administrator => users::create;
        get "/api/v1/users/{user}" Administrator => users::show;
        patch "/api/v1/users/{user}" Administrator => users::change;
        delete "/api/v1/users/{user}" Administrator => users::delete;
        get "/api/v1/users/{user}/tokens" Administrator => users::list_tokens;
        delete "/api/v1/users/{user}/tokens/{token}" Administrator => users::end_token;

        get "/api/v1/projects" Nothing => projects::list;
        post "/api/v1/projects" Administrator => projects::create;
        get "/api/v1/projects/{project}" Project(ViewProject) => projects::show;
        patch "/api/v1/projects/{project}" Project(ChangeProject) => projects::change;
        delete "/api/v1/projects/{project}" Project(DeleteProject) => projects::delete;
        get "/api/v1/projects/{project}/access" Project(ViewMembers) => projects::access;
        get "/api/v1/projects/{project}/members" Project(ViewMembers) => members::list;
        put "/api/v1/projects/{project}/members/{user}" Project(ChangeMembers) => members::set;
        delete "/api/v1/projects/{project}/members/{user}" Project(ChangeMembers) => members::remove;

        get "/api/v1/projects/{project}/robots" Project(ViewRobots) => robots::list;
        post "/api/v1/projects/{project}/robots" Project(ChangeRobots) => robots::create;
        get "/api/v1/projects/{project}/robots/{robot}" Project(ViewRobots) => robots::show;
        patch "/api/v1/projects/{project}/robots/{robot}" Project(ChangeRobots) => robots::change;
        delete "/api/v1/projects/{project}/robots/{robot}" Project(ChangeRobots) => robots::delete;
        post "/api/v1/projects/{project}/robots/{robot}/secret" Project(ChangeRobots) => robots::renew;

        get "/api/v1/robots" Administrator => robots::list_all;
        post "/api/v1/robots" Administrator => robots::create_for_all;
        get "/api/v1/robots/{robot}" Administrator => robots::show_of_all;
        patch "/api/v1/robots/{robot}" Administrator => robots::change_of_all;
        delete "/api/v1/robots/{robot}" Administrator => robots::delete_of_all;
        post "/api/v1/robots/{robot}/secret" Administrator => robots::renew_of_all;

        get "/api/v1/projects/{project}/repositories" Project(ViewProject) => repositories::list;
        delete "/api/v1/repositories/{repository}" Repository(Delete) => repositories::delete;
        get "/api/v1/repositories/{repository}/history" Repository(Pull) => repositories::history;
        get "/api/v1/repositories/{repository}/tags" Repository(Pull) => repositories::tags;
        delete "/api/v1/repositories/{repository}/tags/{tag}" Repository(Delete) => repositories::delete_tag;
        get "/api/v1/repositories/{repository}/tags/{tag}/history" Repository(Pull) => repositories::tag_history;
        post "/api/v1/repositories/{repository}/tags/{tag}/undo" Repository(Restore) => repositories::undo;
        delete "/api/v1/repositories/{repository}/manifests/{digest}" Repository(Delete) => repositories::delete_manifest;

        get "/api/v1/projects/{project}/immutable-tags" Project(ViewRules) => rules::list;
        post "/api/v1/projects/{project}/immutable-tags" Project(ChangeRules) => rules::create;
        post "/api/v1/projects/{project}/immutable-tags/preview" Project(ViewRules) => rules::preview;
        delete "/api/v1/projects/{project}/immutable-tags/{rule}" Project(ChangeRules) => rules::delete;

        get "/api/v1/collection" Administrator => maintenance::show_collection;
        post "/api/v1/collection" Administrator => maintenance::collect;
        get "/api/v1/collection/preview" Administrator => maintenance::preview_collection;
        get "/api/v1/scrub" Administrator => maintenance::show_scrub;
        post "/api/v1/scrub" Administrator => maintenance::begin_scrub;

        get "/api/v1/audit" Administrator => audit::list_all;
        get "/api/v1/projects/{project}/audit" Project(ViewAudit) => audit::list;
    }
}
