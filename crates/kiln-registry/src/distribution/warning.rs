//! What a client's user ought to know though his request went well, in the `Warning` header that
//! clients print.
//!
//! There is one such thing: the robot account that asks ends soon, and with it the build that uses it.
//!
//! Source: distribution specification, "Warnings": `299 - "TEXT"`, without a date.

use std::time::{Duration, UNIX_EPOCH};

use hyper::Response;
use hyper::header::{HeaderValue, WARNING};

use super::Call;
use crate::access::Caller;
use crate::clock::milliseconds;
use crate::server::{ReplyBody, timestamp};

/// How long before its end a robot is warned.
const BEFORE: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// Adds the warnings that the caller of a manifest needs.
pub(super) fn warn(call: &Call<'_>, response: &mut Response<ReplyBody>) {
    let Some(text) = ending(call.caller, call.state.content.clock().now()) else {
        return;
    };
    if let Ok(value) = HeaderValue::try_from(format!("299 - \"{text}\"")) {
        response.headers_mut().append(WARNING, value);
    }
}

fn ending(caller: &Caller, now: i64) -> Option<String> {
    let expires = caller.expires()?;
    if expires > now + milliseconds(BEFORE) {
        return None;
    }
    let end = UNIX_EPOCH + Duration::from_millis(u64::try_from(expires).ok()?);
    let end = timestamp(end);
    let (day, _) = end.split_once('T')?;
    Some(format!("the robot account {} ends on {day}", caller.name()))
}
