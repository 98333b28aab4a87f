//! Rules of tags that may not change.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ApiState;
use super::failure::Failure;
use super::payload::{Of, Payload};
use super::repositories::matching;
use crate::access::{Caller, Outcome};
use crate::content::{ContentError, InvalidRule, NewTagRule, RuleKind, TagRule};

/// How a pattern of tags is meant.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum PatternKind {
    /// `*`, `?`, `[ab]`, `{a,b}` over the tag's text.
    Glob,
    /// A range of versions: `>=1.0.0`.
    Semver,
}

/// A rule to be made: tags that it holds for can be neither moved nor deleted.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedRule {
    /// Which of the project's repositories: a glob over whole names, where `**` goes over slashes.
    #[schema(example = "team/**", max_length = 255)]
    repositories: String,
    /// How `pattern` is meant.
    kind: PatternKind,
    /// Which tags.
    #[schema(example = "v*", max_length = 255)]
    pattern: String,
}

/// A rule that holds.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct Rule {
    /// Its number.
    id: i64,
    /// Which of the project's repositories.
    repositories: String,
    /// How `pattern` is meant.
    kind: PatternKind,
    /// Which tags.
    pattern: String,
    /// When it was made, in milliseconds since 1970.
    created: i64,
    /// By whom.
    created_by: String,
}

/// The rules of a project.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct Rules {
    /// All of them, the oldest first.
    items: Vec<Rule>,
}

/// What a rule would hold for.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct Preview {
    /// The first hundred tags, as `repository:tag`.
    tags: Vec<String>,
    /// Whether these are all; not, if there are more, or more than five thousand tags to look at.
    complete: bool,
}

/// Rules of one project.
const RULES_MOST: usize = 50;
const SHOWN_MOST: usize = 100;
const LOOKED_AT_MOST: usize = 5_000;

fn rule(rule: TagRule) -> Rule {
    Rule {
        id: rule.id,
        repositories: rule.repositories,
        kind: match rule.kind {
            RuleKind::Glob => PatternKind::Glob,
            RuleKind::Semver => PatternKind::Semver,
        },
        pattern: rule.pattern,
        created: rule.created,
        created_by: rule.created_by,
    }
}

fn new_rule(project: String, wanted: WantedRule, caller: &Caller) -> Result<NewTagRule, Failure> {
    let odd = |text: &String| text.len() > 255 || text.chars().any(char::is_control);
    if [&wanted.repositories, &wanted.pattern].into_iter().any(odd) {
        return Err(Failure::invalid(
            "a pattern has at most 255 bytes and no control characters",
        ));
    }
    let new = NewTagRule {
        project,
        repositories: wanted.repositories,
        kind: match wanted.kind {
            PatternKind::Glob => RuleKind::Glob,
            PatternKind::Semver => RuleKind::Semver,
        },
        pattern: wanted.pattern,
        who: caller.name().to_owned(),
    };
    new.check()?;
    Ok(new)
}

/// List a project's rules of immutable tags
#[utoipa::path(get, path = "/api/v1/projects/{project}/immutable-tags", tag = "content", operation_id = "list_rules",
    params(("project" = String, Path, description = "The project")),
    responses((status = 200, description = "All rules, the oldest first", body = Rules)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    Of(project): Of<String>,
) -> Result<Json<Rules>, Failure> {
    let rules = state.content.tag_rules(&project).await?;
    Ok(Json(Rules {
        items: rules.into_iter().map(rule).collect(),
    }))
}

/// Make a rule of immutable tags
#[utoipa::path(post, path = "/api/v1/projects/{project}/immutable-tags", tag = "content", operation_id = "create_rule",
    request_body = WantedRule, params(("project" = String, Path, description = "The project")),
    responses((status = 201, description = "The rule", body = Rule)))]
pub(super) async fn create(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Of(project): Of<String>,
    Payload(wanted): Payload<WantedRule>,
) -> Result<(StatusCode, Json<Rule>), Failure> {
    let new = new_rule(project.clone(), wanted, &caller)?;
    if state.content.tag_rules(&project).await?.len() >= RULES_MOST {
        let message = format!("a project has at most {RULES_MOST} rules");
        return Err(Failure::in_use(message));
    }
    let made = state.content.add_tag_rule(new).await?;
    let shown = made.to_string();
    let (done, project) = (Outcome::Done, Some(project.as_str()));
    state
        .access
        .note(&caller, "create-rule", done, project, &shown);
    Ok((StatusCode::CREATED, Json(rule(made))))
}

/// Show which tags a rule would hold for, without making it
#[utoipa::path(post, path = "/api/v1/projects/{project}/immutable-tags/preview", tag = "content", operation_id = "preview_rule",
    request_body = WantedRule, params(("project" = String, Path, description = "The project")),
    responses((status = 200, description = "The tags", body = Preview)))]
pub(super) async fn preview(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Of(project): Of<String>,
    Payload(wanted): Payload<WantedRule>,
) -> Result<Json<Preview>, Failure> {
    let new = new_rule(project, wanted, &caller)?;
    let rule = TagRule {
        id: 0,
        project: new.project,
        repositories: new.repositories,
        kind: new.kind,
        pattern: new.pattern,
        created: 0,
        created_by: new.who,
    };
    let (tags, complete) = matching(&state, rule, SHOWN_MOST, LOOKED_AT_MOST).await?;
    Ok(Json(Preview { tags, complete }))
}

/// Take a rule of immutable tags away
#[utoipa::path(delete, path = "/api/v1/projects/{project}/immutable-tags/{rule}", tag = "content", operation_id = "delete_rule",
    params(("project" = String, Path, description = "The project"), ("rule" = i64, Path, description = "The rule's number")),
    responses((status = 204, description = "It holds no more")))]
pub(super) async fn delete(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Of((project, rule)): Of<(String, i64)>,
) -> Result<StatusCode, Failure> {
    if !state.content.remove_tag_rule(&project, rule).await? {
        return Err(Failure::unknown(format!("the project has no rule {rule}")));
    }
    let (done, subject) = (Outcome::Done, rule.to_string());
    state
        .access
        .note(&caller, "delete-rule", done, Some(&project), &subject);
    Ok(StatusCode::NO_CONTENT)
}

impl From<InvalidRule> for Failure {
    fn from(error: InvalidRule) -> Self {
        match error {
            InvalidRule::Failed(error) => error.into(),
            other => {
                let source = std::error::Error::source(&other).map(ToString::to_string);
                let failure = Self::invalid(other.to_string());
                match source {
                    Some(source) => failure.hint(source),
                    None => failure,
                }
            }
        }
    }
}

impl From<ContentError> for Failure {
    fn from(error: ContentError) -> Self {
        match error {
            _ if error.is_full() || error.is_read_only() => Self::full(),
            ContentError::Database(error) => error.into(),
            ContentError::Storage(_) => Self::unavailable(),
        }
    }
}
