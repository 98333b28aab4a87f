//! Looks at what an endpoint needs before its handler, or anything of the body, is touched.

use std::net::IpAddr;

use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request, State};
use axum::http::{Method, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::MethodRouter;

use super::failure::Failure;
use super::{ApiState, Need, Peer};
use crate::access::{ActorKind, Caller, Outcome, Verdict};
use crate::name::RepositoryName;

/// What the guard of one endpoint knows.
#[derive(Debug, Clone)]
struct Guard {
    state: ApiState,
    need: Need,
}

/// Puts the guard before a handler.
pub(super) fn guarded(
    state: &ApiState,
    need: Need,
    route: MethodRouter<ApiState>,
) -> MethodRouter<ApiState> {
    let guard = Guard {
        state: state.clone(),
        need,
    };
    route.layer(from_fn_with_state(guard, check))
}

async fn check(
    State(guard): State<Guard>,
    params: Result<RawPathParams, RawPathParamsRejection>,
    mut request: Request,
    next: Next,
) -> Result<Response, Failure> {
    let params = params.map_err(|_| Failure::unknown("the path is not UTF-8"))?;
    if params
        .iter()
        .any(|(_, value)| value.chars().any(char::is_control))
    {
        return Err(Failure::unknown("the path has a control character"));
    }
    not_from_elsewhere(&request)?;
    let (peer, header) = credentials(&request)?;
    let access = &guard.state.access;
    let caller = access.authenticate(header.as_deref(), peer).await?;
    let place = Place::of(guard.need, &params)?;
    let looks = request.method() == Method::GET;
    guard.allow(&caller, &place, looks).await?;
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}

/// Browsers say from where a page sends a request. No page of another site changes anything here,
/// whatever credentials the browser may have kept.
fn not_from_elsewhere(request: &Request) -> Result<(), Failure> {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(());
    }
    match request.headers().get("sec-fetch-site") {
        Some(site) if site != "same-origin" && site != "none" => Err(Failure::denied(
            "pages of other sites cannot change anything here",
        )),
        _ => Ok(()),
    }
}

/// Where the request comes from, and its `Authorization` header. Two of them are one too many: a proxy and the
/// server might each believe another one.
fn credentials(request: &Request) -> Result<(IpAddr, Option<String>), Failure> {
    let Some(Peer(peer)) = request.extensions().get::<Peer>() else {
        return Err(Failure::unavailable());
    };
    let mut headers = request.headers().get_all(header::AUTHORIZATION).iter();
    let header = headers.next().map(|value| value.to_str());
    match (header, headers.next()) {
        (None, _) => Ok((*peer, None)),
        (Some(Ok(text)), None) => Ok((*peer, Some(text.to_owned()))),
        _ => Err(Failure::unauthenticated(
            "the Authorization header is broken",
        )),
    }
}

/// What the request is about.
enum Place {
    Nowhere,
    Project(String),
    Repository(RepositoryName),
}

impl Place {
    fn of(need: Need, params: &RawPathParams) -> Result<Self, Failure> {
        let value = |wanted: &str| {
            let mut values = params.iter().filter(|(name, _)| *name == wanted);
            values.next().map(|(_, value)| value).unwrap_or_default()
        };
        match need {
            Need::Project(_) => Ok(Self::Project(value("project").to_owned())),
            Need::Repository(_) => {
                let name = value("repository");
                let parsed = name.parse();
                parsed
                    .map(Self::Repository)
                    .map_err(|_| no_repository(name))
            }
            _ => Ok(Self::Nowhere),
        }
    }

    /// For the audit log: the project and what it is about.
    fn names(&self) -> (Option<&str>, &str) {
        match self {
            Self::Nowhere => (None, ""),
            Self::Project(project) => (Some(project), project),
            Self::Repository(repository) => (Some(repository.project()), repository.as_str()),
        }
    }

    /// What is said of what is not there, and of what the caller may not know of.
    fn unknown(&self) -> Failure {
        match self {
            Self::Nowhere => Failure::unknown("there is no such thing"),
            Self::Project(project) => {
                let shown: String = project.chars().take(100).collect();
                Failure::unknown(format!("there is no project `{shown}`"))
            }
            Self::Repository(repository) => no_repository(repository.as_str()),
        }
    }
}

/// The same words for a repository that is not there and one that the caller may not know of.
pub(super) fn no_repository(name: &str) -> Failure {
    let shown: String = name.chars().take(255).collect();
    Failure::unknown(format!("there is no repository `{shown}`"))
}

impl Guard {
    async fn allow(&self, caller: &Caller, place: &Place, looks: bool) -> Result<(), Failure> {
        let access = &self.state.access;
        let (wanted, verdict) = match (self.need, place) {
            (Need::Nothing, _) => return Ok(()),
            (Need::Project(action), Place::Project(project)) => {
                let verdict = access.permits_project(caller, project, action).await?;
                (action.name(), verdict)
            }
            (Need::Repository(action), Place::Repository(repository)) => (
                action.name(),
                access.permits(caller, repository, action).await?,
            ),
            (need, _) => ("manage", self.general(need, caller, looks)),
        };
        let (project, subject) = place.names();
        if caller.is_anonymous() && verdict != Verdict::Allowed {
            return Err(Failure::unauthenticated("log in first"));
        }
        match verdict {
            Verdict::Allowed => return Ok(()),
            _ if subject.is_empty() => {
                access.note(
                    caller,
                    wanted,
                    Outcome::Denied,
                    None,
                    &self.need.to_string(),
                );
            }
            _ => access.note(caller, wanted, Outcome::Denied, project, subject),
        }
        Err(match verdict {
            Verdict::NeedsLogin { .. } => Failure::denied(
                "tokens of the token service are for pulls and pushes, not for this",
            ),
            Verdict::Denied { hide: true } => place.unknown(),
            _ => Failure::denied(format!("this needs {}", self.need)),
        })
    }

    /// What does not belong to a project.
    fn general(&self, need: Need, caller: &Caller, looks: bool) -> Verdict {
        let may = match need {
            // An administrator's read-only token looks, as his other tokens do.
            Need::Administrator => {
                caller.is_administrator() || looks && caller.is_administrators_token()
            }
            Need::User => caller.kind() == ActorKind::User && caller.grants.is_none(),
            Need::Account => !caller.is_anonymous() && caller.grants.is_none(),
            // A row whose path lacks its parameter is let through by nobody; a test looks at all rows.
            Need::Nothing | Need::Project(_) | Need::Repository(_) => false,
        };
        let open = self.state.access.is_open();
        match may || open {
            true => Verdict::Allowed,
            false => Verdict::Denied { hide: false },
        }
    }
}

/// Whether `action` only reads, for the table's own test.
#[cfg(test)]
pub(super) fn looks_only(need: Need) -> Option<bool> {
    match need {
        Need::Project(action) | Need::Repository(action) => Some(action.only_reads()),
        _ => None,
    }
}
