//! One request over HTTP, and its answer.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use serde_json::json;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, timeout_at},
};
use trocar::{AuditEvent, AuditRecord, bounded};

use super::{BLOCK, Place, Shared, log};
use crate::review::{
    self, MAX_REVIEW, ReadError, Request as Review, Verdict, Webhook, answer, uid_of_beginning, unheard,
};

/// How long an API server waits where it does not say so, which is also the limit.
const USUAL_TIMEOUT: u64 = 10;
const MAX_TIMEOUT_SECONDS: u64 = 30;

/// As much of a body is read without asking for room, so that those who are slow over large ones hold up no review of the
/// usual size. The count of connections bounds it.
const FREE: usize = 64 << 10;

/// What is left of the time for the way back.
const WAY_BACK: Duration = Duration::from_millis(500);

type Answer = Response<Full<Bytes>>;

/// Answers a request. It never fails: what is wrong with a request is an answer.
pub(super) async fn respond(
    shared: Arc<Shared>,
    place: Place,
    request: Request<Incoming>,
) -> Result<Answer, Infallible> {
    let path = request.uri().path();
    let webhook = match path {
        "/mutate" => Some(Webhook::Mutate),
        "/validate" => Some(Webhook::Validate),
        _ => None,
    };
    let mut answer = match webhook.filter(|_| place == Place::Reviews) {
        Some(webhook) => reviewed(&shared, webhook, request).await,
        None => told(&shared, path, request.method()),
    };
    if !shared.is_ready() {
        // The next request is to go to another server: one that is sent while this connection is closed would be lost.
        let close = header::HeaderValue::from_static("close");
        answer.headers_mut().insert(header::CONNECTION, close);
    }
    Ok(answer)
}

/// Health and metrics.
fn told(shared: &Shared, path: &str, method: &Method) -> Answer {
    if !matches!(*method, Method::GET | Method::HEAD) && matches!(path, "/livez" | "/readyz" | "/metrics") {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET");
    }
    match path {
        "/livez" => text(StatusCode::OK, "ok"),
        "/readyz" if shared.is_ready() => text(StatusCode::OK, "ok"),
        "/readyz" => text(StatusCode::SERVICE_UNAVAILABLE, "ending"),
        "/metrics" => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            with_body(StatusCode::OK, kind, shared.metrics.text().into())
        }
        _ => text(
            StatusCode::NOT_FOUND,
            "there is /mutate, /validate, /livez, /readyz and /metrics",
        ),
    }
}

fn text(status: StatusCode, text: &str) -> Answer {
    with_body(status, "text/plain; charset=utf-8", format!("{text}\n").into())
}

fn with_body(status: StatusCode, kind: &'static str, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    let kind = header::HeaderValue::from_static(kind);
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    answer
}

/// Why a body was not read as a whole.
enum Unread {
    /// It is larger than what is read; its beginning.
    TooLarge(Vec<u8>),
    /// It did not come in time, or there was no room for it; its beginning.
    TooLate(Vec<u8>),
    /// The client has gone.
    Gone,
}

async fn reviewed(shared: &Arc<Shared>, webhook: Webhook, request: Request<Incoming>) -> Answer {
    let refuse = |reason: &'static str, status: StatusCode, problem: &str| {
        shared.metrics.refused(reason);
        text(status, problem)
    };
    if *request.method() != Method::POST {
        return refuse("method", StatusCode::METHOD_NOT_ALLOWED, "only POST");
    }
    let kind = request.headers().get(header::CONTENT_TYPE);
    let is_json = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if !is_json {
        let problem = "only application/json";
        return refuse("content-type", StatusCode::UNSUPPORTED_MEDIA_TYPE, problem);
    }
    let deadline = deadline(request.uri().query().unwrap_or_default());
    let body = match read(shared, request.into_body(), deadline).await {
        Ok(body) => body,
        Err(Unread::Gone) => return refuse("gone", StatusCode::BAD_REQUEST, "the body ends too soon"),
        Err(Unread::TooLarge(beginning)) => {
            let problem = format!("the review is larger than {MAX_REVIEW} bytes");
            return match uid_of_beginning(&beginning) {
                Some(uid) => unjudged(shared, webhook, &uid, &problem),
                None => refuse("size", StatusCode::PAYLOAD_TOO_LARGE, &problem),
            };
        }
        Err(Unread::TooLate(beginning)) => {
            let problem = "the review was not received in time";
            return match uid_of_beginning(&beginning) {
                Some(uid) => unjudged(shared, webhook, &uid, problem),
                None => refuse("time", StatusCode::REQUEST_TIMEOUT, problem),
            };
        }
    };
    judged(shared, webhook, body, deadline).await
}

/// When a request has to be answered: its `timeout`, less the way back.
fn deadline(query: &str) -> Instant {
    // The API server adds its timeout to the URL, as `timeout=10s`.
    let typed = query.split('&').find_map(|pair| pair.strip_prefix("timeout="));
    let seconds = typed.and_then(|typed| typed.strip_suffix('s').unwrap_or(typed).parse::<u64>().ok());
    let seconds = seconds.unwrap_or(USUAL_TIMEOUT).clamp(1, MAX_TIMEOUT_SECONDS);
    Instant::now() + Duration::from_secs(seconds) - WAY_BACK
}

/// A body, and the room that it takes until it was judged.
struct Body {
    bytes: Vec<u8>,
    room: Option<OwnedSemaphorePermit>,
}

/// Reads a body, as far as there is room for it and time.
async fn read(shared: &Shared, mut body: Incoming, deadline: Instant) -> Result<Body, Unread> {
    let announced = body.size_hint().exact();
    let announced = announced.and_then(|size| usize::try_from(size).ok());
    let expected = announced.unwrap_or(MAX_REVIEW).min(MAX_REVIEW);
    let mut room = None;
    let mut bytes = Vec::new();
    bytes.reserve_exact(announced.unwrap_or_default().min(FREE));
    loop {
        let frame = match timeout_at(deadline, body.frame()).await {
            Err(_) => return Err(Unread::TooLate(bytes)),
            Ok(None) => return Ok(Body { bytes, room }),
            Ok(Some(Err(_))) => return Err(Unread::Gone),
            Ok(Some(Ok(frame))) => frame,
        };
        let Some(data) = frame.data_ref() else { continue };
        let left = MAX_REVIEW - bytes.len();
        // One byte more than fits tells that there is more.
        let data = &data[..data.len().min(left + 1)];
        if room.is_none() && bytes.len() + data.len() > FREE {
            // Enough of it is kept to answer it all the same.
            // For the whole body at once: two that each wait for the rest of their room would wait for each other.
            let blocks = u32::try_from(expected / BLOCK + 1).unwrap_or(u32::MAX);
            let turn = shared.room.clone().acquire_many_owned(blocks);
            let Ok(Ok(given)) = timeout_at(deadline, turn).await else {
                bytes.extend_from_slice(&data[..data.len().min(left)]);
                return Err(Unread::TooLate(bytes));
            };
            room = Some(given);
            bytes.reserve_exact(expected - bytes.len());
        }
        bytes.extend_from_slice(&data[..data.len().min(left)]);
        if data.len() > left {
            return Err(Unread::TooLarge(bytes));
        }
    }
}

/// Answers what was not judged, by a verdict.
fn unjudged(shared: &Shared, webhook: Webhook, uid: &str, problem: &str) -> Answer {
    let verdict = unheard(webhook, shared.rules().modes(), problem);
    shared.metrics.reviewed(webhook, &verdict, Duration::ZERO);
    log(
        "warning",
        "not judged",
        &json!({"uid": uid, "webhook": webhook.word(), "problem": problem}),
    );
    written(uid, &verdict)
}

fn written(uid: &str, verdict: &Verdict) -> Answer {
    with_body(
        StatusCode::OK,
        "application/json",
        answer(uid, verdict).to_string().into(),
    )
}

/// Judges a review where that does not hold up others, and answers in time.
async fn judged(shared: &Arc<Shared>, webhook: Webhook, body: Body, deadline: Instant) -> Answer {
    let Body { bytes, room } = body;
    let uid = uid_of_beginning(&bytes);
    let late = |problem: &str| match &uid {
        Some(uid) => unjudged(shared, webhook, uid, problem),
        None => {
            shared.metrics.refused("time");
            text(StatusCode::SERVICE_UNAVAILABLE, problem)
        }
    };
    let began = Instant::now();
    let turns = async {
        // First the turn of large reviews: one that waited for it with another turn in hand would hold up small ones.
        let large = match &room {
            Some(_) => Some(shared.large_turn.clone().acquire_owned().await),
            None => None,
        };
        (large, shared.turns.clone().acquire_owned().await)
    };
    let Ok(turns) = timeout_at(deadline, turns).await else {
        return late("the server is overloaded");
    };
    let of_worker = shared.clone();
    // Not cancelled when it is late: the plugin ends by its own limit, and only then its turn and room are given back.
    let work = tokio::task::spawn_blocking(move || {
        let answer = judge(&of_worker, webhook, bytes, (began, deadline));
        drop((turns, room));
        answer
    });
    match timeout_at(deadline, work).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => late("the server failed to judge it: this is a bug in trocar-admission"),
        Err(_) => late("the policies did not judge it in time"),
    }
}

/// Reads a review, judges it and writes down what came of it.
fn judge(shared: &Shared, webhook: Webhook, body: Vec<u8>, (began, deadline): (Instant, Instant)) -> Answer {
    let review = match Review::read(&body) {
        Ok(review) => review,
        Err(error) => {
            // What is a review, but more than is read, gets a verdict.
            let is_too_much = matches!(error, ReadError::Json(bounded::ReadError::TooMuch(_)));
            let problem = error.to_string();
            if let Some(uid) = uid_of_beginning(&body).filter(|_| is_too_much) {
                return unjudged(shared, webhook, &uid, &problem);
            }
            shared.metrics.refused("not-a-review");
            return text(StatusCode::BAD_REQUEST, &trocar::text::message(&problem));
        }
    };
    // Before the policies run: the parsed review is all that is needed, and both together can be many megabytes.
    drop(body);
    let rules = shared.rules();
    let time = log::now();
    let mut verdict = rules.judge(
        &review,
        webhook,
        shared.reader.as_ref(),
        &time,
        Some(deadline.into_std()),
    );
    // Both webhooks see each request. The validating one comes last, and a dry run stores nothing.
    let is_of_record = webhook == Webhook::Validate && !review.is_dry_run;
    if is_of_record && let Some(problem) = write_down(&rules, &review, &verdict, &time) {
        verdict = review::unheard(webhook, std::iter::once(trocar::plan::Mode::Enforce), &problem);
    }
    shared.metrics.reviewed(webhook, &verdict, began.elapsed());
    if !verdict.is_allowed() {
        let facts = json!({
            "uid": review.uid, "webhook": webhook.word(), "user": review.actor.user, "namespace": review.namespace,
            "verdict": verdict.found.word(), "reason": verdict.message(),
        });
        log("info", "denied", &facts);
    }
    written(&review.uid, &verdict)
}

/// Writes down what was decided. Says why not, where that is required and cannot be done.
fn write_down(rules: &crate::rules::Rules, review: &Review, verdict: &Verdict, time: &str) -> Option<String> {
    if rules.audit.is_empty() {
        return None;
    }
    let written = verdict.judged.iter().try_for_each(|judged| {
        rules.audit.record(&AuditRecord {
            event: judged.event,
            time,
            session: &review.uid,
            actor: &judged.actor,
            impersonator: None,
            plan: &judged.plan,
            pod: &serde_json::Value::Null,
            stored: None,
        })
    });
    debug_assert!(
        verdict
            .judged
            .iter()
            .all(|judged| matches!(judged.event, AuditEvent::Admitted | AuditEvent::Denied))
    );
    written.err().map(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_answered_half_a_second_before_its_time_is_over() {
        for (query, wanted) in [
            ("timeout=2s", 1500),
            ("a=b&timeout=30s", 29_500),
            ("timeout=7", 6500),
            ("timeout=0s", 500),
            ("timeout=4000s", 29_500),
            ("timeout=soon", 9500),
            ("", 9500),
        ] {
            let left = deadline(query) - Instant::now();
            let wanted = Duration::from_millis(wanted);
            assert!(
                left <= wanted && left + Duration::from_millis(400) > wanted,
                "{query}: {left:?}"
            );
        }
    }
}
