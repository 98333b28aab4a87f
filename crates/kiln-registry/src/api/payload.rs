//! What comes with a request, held to its limits: JSON bodies, queries, paths.

use std::str::FromStr;

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use utoipa::IntoParams;

use super::failure::Failure;

/// A JSON body. Fields that are not known are refused: a misspelt one would be passed over in silence.
#[derive(Debug)]
pub(super) struct Payload<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Payload<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let read = Json::<T>::from_request(request, state).await;
        read.map(|Json(value)| Self(value)).map_err(|rejection| {
            let status = rejection.status();
            match rejection {
                JsonRejection::MissingJsonContentType(_) => Failure::new(
                    StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    "unsupported",
                    "the body must be JSON, with `Content-Type: application/json`",
                ),
                _ if status == StatusCode::PAYLOAD_TOO_LARGE => Failure::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "too-large",
                    "the body is too large",
                ),
                other => Failure::invalid(shown(&other.body_text())),
            }
        })
    }
}

/// The query.
#[derive(Debug)]
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let read = Query::<T>::from_request_parts(parts, state).await;
        read.map(|Query(value)| Self(value))
            .map_err(|rejection: QueryRejection| Failure::invalid(shown(&rejection.body_text())))
    }
}

/// The path's parameters.
#[derive(Debug)]
pub(super) struct Of<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Of<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let read = Path::<T>::from_request_parts(parts, state).await;
        read.map(|Path(value)| Self(value))
            .map_err(|rejection: PathRejection| Failure::unknown(shown(&rejection.body_text())))
    }
}

/// A path's parameter that is a name with a grammar of its own.
#[derive(Debug)]
pub(super) struct Named<T>(pub(super) T);

impl<'de, T: FromStr<Err: std::fmt::Display>> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(D::Error::custom)
    }
}

/// A reader's message can hold what the client sent: enough of it, and nothing that ends lines.
fn shown(text: &str) -> String {
    text.chars()
        .take(300)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// Which part of a list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Paging {
    /// Most entries of the answer.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
    /// `next` of the part before.
    #[param(max_length = 255)]
    after: Option<String>,
}

impl Paging {
    /// How many, and after what.
    pub(super) fn part(self) -> Result<(usize, String), Failure> {
        let after = self.after.unwrap_or_default();
        if after.len() > 255 || after.chars().any(char::is_control) {
            return Err(Failure::invalid("`after` is `next` of the part before"));
        }
        Ok((limit(self.limit)?, after))
    }
}

/// How many entries.
pub(super) fn limit(wanted: Option<usize>) -> Result<usize, Failure> {
    match wanted.unwrap_or(100) {
        limit @ 1..=1000 => Ok(limit),
        _ => Err(Failure::invalid("`limit` is 1 to 1000")),
    }
}

/// Tells a field that is `null` from one that is absent: `Some(None)` and `None`.
pub(super) fn nullable<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}
