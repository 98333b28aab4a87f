//! `/token`: credentials against a short-lived token, by GET and by POST.
//!
//! Source: distribution's "Token Authentication Specification" and "OAuth2 Token Authentication".

use hyper::body::Incoming;
use hyper::header::{CACHE_CONTROL, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use super::failure::{Code, Failure};
use super::uploads::failure_of_body;
use super::{Answer, json, rights};
use crate::access::{TokenRefusal, TokenRequest};
use crate::metrics::Operation;
use crate::server::{Exchange, Origin, ReplyBody, RequestBody, State};

/// Bytes of a form.
const MAX_FORM: u64 = 64 << 10;

/// Answers a request for a token.
pub(crate) async fn handle(
    state: &State,
    exchange: &mut Exchange,
    origin: &Origin,
    request: Request<Incoming>,
) -> Response<ReplyBody> {
    exchange.operation = Operation::Token;
    let answer = serve(state, exchange, origin, request).await;
    answer.unwrap_or_else(|mut failure| {
        exchange.cause = failure.take_cause();
        failure.into_response()
    })
}

async fn serve(
    state: &State,
    exchange: &mut Exchange,
    origin: &Origin,
    request: Request<Incoming>,
) -> Answer {
    let refused = |error| not_given(state, origin, error);
    if state.access.is_open() {
        return Err(Failure::new(
            StatusCode::NOT_FOUND,
            Code::Unsupported,
            "this registry has no accounts, and needs no token",
        ));
    }
    let (parts, body) = request.into_parts();
    let wanted = match parts.method {
        Method::GET => TokenRequest::from_query(parts.uri.query().unwrap_or("")),
        Method::POST => {
            let stall = state.config.timeouts.stall.0;
            let body = RequestBody::new(body, stall, MAX_FORM);
            let progress = body.progress();
            exchange.incoming = Some(progress.clone());
            let form = body.collect().await.map_err(|error| {
                failure_of_body(&progress).unwrap_or_else(|| Failure::internal(&error))
            })?;
            TokenRequest::from_form(&form)
        }
        _ => return Err(Failure::method("GET, POST")),
    };
    let header = rights::authorization(&parts.headers);
    let answer = state
        .access
        .token(wanted.map_err(refused)?, header, origin.client);
    let answer = answer.await.map_err(refused)?;
    let body = serde_json::to_vec(&answer).map_err(|error| Failure::internal(&error))?;
    let mut response = json("application/json", body);
    let caching = HeaderValue::from_static("no-store");
    response.headers_mut().insert(CACHE_CONTROL, caching);
    Ok(response)
}

fn not_given(state: &State, origin: &Origin, error: TokenRefusal) -> Failure {
    match error {
        TokenRefusal::Authentication(error) => rights::not_authenticated(state, origin, error),
        TokenRefusal::Request { reason } => {
            Failure::new(StatusCode::BAD_REQUEST, Code::Unsupported, reason)
        }
    }
}
