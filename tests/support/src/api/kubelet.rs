//! The kubelet's part of the API: a container's log, and attaching to its program.

use std::{
    io::{self, BufReader, Write as _},
    net::TcpStream,
    sync::Arc,
    time::Duration,
};

use serde_json::{Value, json};
use tungstenite::{Message, WebSocket, handshake::derive_accept_key, protocol::Role};

use super::{
    Shared, State,
    fault::status,
    http::{self, Request, Response, Stream},
    outbox::Outbox,
    program::{Attached, Key, list_of, of},
    routes::Route,
};
use crate::container_log::{LogReader, ReadOptions};

fn key(route: &Route, request: &Request) -> Key {
    let pod = route.name.clone().unwrap_or_default();
    (
        route.namespace.clone(),
        pod,
        request.query("container").to_owned(),
    )
}

fn bad_request(message: &str) -> Response {
    Response::json(400, &status(400, "BadRequest", message))
}

/// The pod, if it exists and has the container.
fn pod_of(state: &State, (namespace, pod, container): &Key) -> Result<Value, Response> {
    let Some(found) = state.store.get("Pod", namespace, pod) else {
        let mut refusal = status(404, "NotFound", &format!("pods {pod:?} not found"));
        refusal["details"] = json!({"name": pod, "kind": "pods"});
        return Err(Response::json(404, &refusal));
    };
    match list_of(found, container) {
        Some(_) => Ok(found.clone()),
        None => Err(bad_request(&format!(
            "container {container} is not valid for pod {pod}"
        ))),
    }
}

/// Returns whether a container has started by the pod's status. Before that its log cannot be read, even if it runs: but where the
/// kubelet knows it before its status is written, see [`Program::is_known_to_its_kubelet`](super::Program::is_known_to_its_kubelet).
fn is_known_to_have_started(pod: &Value, container: &str) -> bool {
    let lists = [
        "containerStatuses",
        "ephemeralContainerStatuses",
        "initContainerStatuses",
    ];
    let mut statuses = lists
        .iter()
        .flat_map(|list| pod["status"][list].as_array())
        .flatten();
    statuses.any(|status| {
        let state = &status["state"];
        status["name"] == container && (state["running"].is_object() || state["terminated"].is_object())
    })
}

/// Answers a request for a log.
pub(super) fn log(
    shared: &Arc<Shared>,
    stream: &TcpStream,
    route: &Route,
    request: &Request,
) -> io::Result<bool> {
    let key = key(route, request);
    let follows = request.query("follow") == "true";
    let begun = shared.change(|state| begin_log(state, &key, request, follows));
    let (reading, mut reader) = match begun {
        Ok(begun) => begun,
        Err(refusal) => return refusal.write(stream, usize::MAX).map(|()| true),
    };
    let mut answer = Stream::begin(stream, "text/plain")?;
    loop {
        let next = shared.wait_while_up(|state| {
            let program = of(state, &key);
            if reading <= program.cut_logs {
                return Some(None);
            }
            let news = reader.next(&program.log);
            let is_over = program.has_ended || !follows || reader.is_over();
            (is_over || !news.is_empty()).then_some(Some((news, is_over)))
        });
        let Some(Some((news, is_over))) = next else {
            return Ok(false);
        };
        answer.write(&news)?;
        if is_over {
            answer.end()?;
            return Ok(true);
        }
    }
}

/// Begins a reading. Returns its number.
fn begin_log(
    state: &mut State,
    key: &Key,
    request: &Request,
    follows: bool,
) -> Result<(usize, LogReader), Response> {
    let options = read_options(request, &key.1, state.clock)?;
    let pod = pod_of(state, key)?;
    let is_known = is_known_to_have_started(&pod, &key.2);
    let program = of(state, key);
    program.log_readings += 1;
    if !is_known && !program.is_known_to_kubelet {
        let (_, pod, container) = key;
        return Err(bad_request(&format!(
            "container {container:?} in pod {pod:?} is waiting to start: ContainerCreating"
        )));
    }
    let reader = LogReader::new(&program.log, &options, follows);
    Ok((program.log_readings, reader))
}

fn read_options(request: &Request, pod: &str, now: i128) -> Result<ReadOptions, Response> {
    let invalid = |field: &str, reason: &str, detail: &str| {
        let mut refusal = status(
            422,
            "Invalid",
            &format!("PodLogOptions {pod:?} is invalid: {field}: {detail}"),
        );
        let cause = json!({"reason": reason, "message": detail, "field": field});
        refusal["details"] = json!({"name": pod, "kind": "PodLogOptions", "causes": [cause]});
        Response::json(422, &refusal)
    };
    let number = |field: &str, least: i64| -> Result<Option<usize>, Response> {
        let text = request.query(field);
        if text.is_empty() {
            return Ok(None);
        }
        let number: i64 = text
            .parse()
            .map_err(|_| bad_request(&format!("strconv.ParseInt: parsing {text:?}: invalid syntax")))?;
        let bound = if least == 0 {
            "greater than or equal to 0"
        } else {
            "greater than 0"
        };
        let refusal = || {
            let detail = format!("Invalid value: {number}: must be {bound}");
            invalid(field, "FieldValueInvalid", &detail)
        };
        let number = usize::try_from(number).ok().filter(|_| number >= least);
        number.map(Some).ok_or_else(refusal)
    };
    if !request.query("stream").is_empty() {
        return Err(invalid(
            "stream",
            "FieldValueForbidden",
            "Forbidden: may not be specified",
        ));
    }
    let since_time = request.query("sinceTime");
    let since = if let Some(seconds) = number("sinceSeconds", 1)? {
        let seconds = Duration::from_secs(seconds as u64);
        Some(now - i128::try_from(seconds.as_nanos()).unwrap_or(i128::MAX))
    } else if since_time.is_empty() {
        None
    } else {
        let time: jiff::Timestamp = since_time
            .parse()
            .map_err(|error| bad_request(&format!("parsing time {since_time:?}: {error}")))?;
        // The API server passes the time to the kubelet in whole seconds.
        Some(i128::from(time.as_second()) * 1_000_000_000)
    };
    Ok(ReadOptions {
        timestamps: request.query("timestamps") == "true",
        since,
        tail_lines: number("tailLines", 0)?,
        limit_bytes: number("limitBytes", 1)?,
    })
}

/// Answers a request to attach, and reads the client's input until it disconnects.
pub(super) fn attach(
    shared: &Arc<Shared>,
    mut stream: &TcpStream,
    reader: &mut BufReader<TcpStream>,
    route: &Route,
    request: &Request,
) -> io::Result<bool> {
    let key = key(route, request);
    if let Err(refusal) = shared.change(|state| check_attach(state, &key, request)) {
        return refusal.write(stream, usize::MAX).map(|()| true);
    }
    let protocols = request.header("sec-websocket-protocol");
    let protocol = ["v5.channel.k8s.io", "v4.channel.k8s.io"]
        .into_iter()
        .find(|protocol| protocols.contains(protocol));
    let headers = [
        ("Connection".to_owned(), "Upgrade".to_owned()),
        ("Upgrade".to_owned(), "websocket".to_owned()),
        (
            "Sec-WebSocket-Accept".to_owned(),
            derive_accept_key(request.header("sec-websocket-key").as_bytes()),
        ),
        (
            "Sec-WebSocket-Protocol".to_owned(),
            protocol.unwrap_or_default().to_owned(),
        ),
    ];
    let writing = stream.try_clone()?;
    let wants = |name: &str| matches!(request.query(name), "1" | "true");
    let (stdout, stderr) = (wants("stdout"), wants("stderr"));
    // No output may be lost between the handshake and the registration of the client.
    let outbox = shared.change(|state| {
        stream.write_all(http::head(101, &headers).as_bytes())?;
        let outbox = Outbox::new(writing);
        of(state, &key).attach(Attached {
            outbox: outbox.clone(),
            stdout,
            stderr,
        });
        io::Result::Ok(outbox)
    })?;
    let early = reader.buffer().to_vec();
    let reading = stream.try_clone()?;
    let mut socket = WebSocket::from_partially_read(reading, early, Role::Server, None);
    while let Ok(message) = socket.read() {
        if let Message::Binary(data) = message {
            shared.change(|state| of(state, &key).take_input(&data));
        }
    }
    outbox.break_off();
    Ok(false)
}

fn check_attach(state: &mut State, key: &Key, request: &Request) -> Result<(), Response> {
    let plain = |code, text: String| Response {
        code,
        headers: vec![("Content-Type".into(), "text/plain; charset=utf-8".into())],
        body: text.into_bytes(),
    };
    pod_of(state, key)?;
    if request.header("accept") == "application/json" {
        return Err(plain(
            406,
            "406: Not Acceptable\n\nAvailable representations:\n".into(),
        ));
    }
    let streams = ["stdin", "stdout", "stderr"];
    if !streams
        .iter()
        .any(|stream| matches!(request.query(stream), "1" | "true"))
    {
        let text = "you must specify at least 1 of stdin, stdout, stderr";
        return Err(plain(400, text.into()));
    }
    let (namespace, pod, container) = key;
    let program = of(state, key);
    if program.is_started && !program.has_ended {
        return Ok(());
    }
    let text = format!("container {container} not found in pod {pod}_{namespace}");
    Err(plain(500, text))
}

#[cfg(test)]
mod tests;
