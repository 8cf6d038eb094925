//! Logs and attaches over a connection.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    thread,
    time::Duration,
};

use serde_json::json;
use tungstenite::{Message, WebSocket, client::IntoClientRequest as _, stream::MaybeTlsStream};

use crate::{FakeApiServer, OutputStream, PATIENCE, Program};

const PATH: &str = "/api/v1/namespaces/default/pods/web";

fn server() -> (FakeApiServer, Program) {
    let server = FakeApiServer::start([json!({
        "kind": "Pod", "apiVersion": "v1", "metadata": {"name": "web"}, "spec": {"containers": [{"name": "app", "image": "i"}]},
    })]);
    let program = server.program("web", "app");
    (server, program)
}

fn connect(server: &FakeApiServer) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Requests a log, and follows it to its end if the query says so.
fn log(server: &FakeApiServer, query: &str) -> (u16, String) {
    let mut stream = connect(server);
    write!(
        stream,
        "GET {PATH}/log?container=app&{query} HTTP/1.1\r\nHost: x\r\n\r\n"
    )
    .unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    };
    let code = line().split(' ').nth(1).unwrap().parse().unwrap();
    let headers: Vec<String> = std::iter::from_fn(|| Some(line()).filter(|line| !line.is_empty())).collect();
    let length = headers
        .iter()
        .find_map(|header| header.strip_prefix("Content-Length: "));
    let mut text = Vec::new();
    if let Some(length) = length {
        text.resize(length.parse().unwrap(), 0);
        reader.read_exact(&mut text).unwrap();
        return (code, String::from_utf8(text).unwrap());
    }
    loop {
        let mut size = String::new();
        reader.read_line(&mut size).unwrap();
        let mut chunk = vec![0; usize::from_str_radix(size.trim_end(), 16).unwrap() + 2];
        reader.read_exact(&mut chunk).unwrap();
        if chunk.len() == 2 {
            return (code, String::from_utf8(text).unwrap());
        }
        text.extend_from_slice(&chunk[..chunk.len() - 2]);
    }
}

type Socket = WebSocket<MaybeTlsStream<TcpStream>>;

fn attach(server: &FakeApiServer, query: &str) -> tungstenite::Result<Socket> {
    let address = format!(
        "ws://127.0.0.1:{}{PATH}/attach?container=app&{query}",
        server.port()
    );
    let mut request = address.into_client_request()?;
    let protocol = "v5.channel.k8s.io".parse().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", protocol);
    let stream = MaybeTlsStream::Plain(connect(server));
    let handshake = tungstenite::client(request, stream);
    handshake.map(|(socket, _)| socket).map_err(|error| match error {
        tungstenite::HandshakeError::Failure(error) => error,
        tungstenite::HandshakeError::Interrupted(_) => panic!("the connection blocks"),
    })
}

/// The data of an attach until its end, by channel: standard output, standard error, the final status.
fn received(mut socket: Socket) -> [String; 3] {
    let mut channels = [Vec::new(), Vec::new(), Vec::new()];
    while let Ok(message) = socket.read() {
        if let Message::Binary(data) = message {
            channels[usize::from(data[0]) - 1].extend_from_slice(&data[1..]);
        }
    }
    channels.map(|bytes| String::from_utf8(bytes).unwrap())
}

const SUCCESS: &str = r#"{"metadata":{},"status":"Success"}"#;

#[test]
fn a_log_can_be_read_when_the_status_says_that_the_container_runs() {
    let (server, program) = server();
    server.status_lags(Duration::from_millis(700));
    program.starts();
    program.writes("early\n");
    let (code, text) = log(&server, "");
    assert_eq!(code, 400);
    let waiting = r#"container \"app\" in pod \"web\" is waiting to start: ContainerCreating"#;
    assert!(text.contains(waiting), "{text}");
    // An attach does not wait for the status.
    let socket = attach(&server, "stdout=true").unwrap();
    server.time_passes(Duration::from_millis(699));
    assert_eq!(log(&server, "").0, 400);
    server.time_passes(Duration::from_millis(1));
    assert_eq!(log(&server, ""), (200, "early\n".into()));
    program.exits(3);
    assert_eq!(received(socket), ["", "", SUCCESS]);
    let state =
        || server.object("Pod", "default", "web").unwrap()["status"]["containerStatuses"][0]["state"].clone();
    assert!(state()["running"].is_object(), "the end is not known yet either");
    server.time_passes(Duration::from_millis(700));
    assert_eq!(state()["terminated"]["exitCode"], 3);
}

#[test]
fn a_following_reading_has_every_file_and_a_new_one_only_the_newest() {
    let (server, program) = server();
    program.starts();
    program.writes("one\n");
    thread::scope(|scope| {
        let followed = scope.spawn(|| log(&server, "follow=true"));
        program.log_is_read(1);
        program.writes("unfinished");
        program.complains("err\n");
        program.log_rotates();
        program.writes(" line\nrest");
        assert_eq!(log(&server, ""), (200, "unfinished line\n".into()));
        program.exits(0);
        assert_eq!(
            followed.join().unwrap(),
            (200, "one\nerr\nunfinished line\nrest".into())
        );
    });
}

#[test]
fn a_time_is_passed_on_in_whole_seconds() {
    let (server, program) = server();
    program.starts();
    for line in ["1.0\n", "1.6\n", "2.2\n"] {
        program.writes(line);
        server.time_passes(Duration::from_millis(600));
    }
    let (_, text) = log(&server, "timestamps=true&tailLines=1");
    assert_eq!(text, "2026-01-01T00:00:02.200003000Z 2.2\n");
    for (query, wanted) in [
        ("sinceTime=2026-01-01T00:00:02.2Z", "2.2\n"),
        ("sinceTime=2026-01-01T00:00:01.9Z", "1.0\n1.6\n2.2\n"),
        ("sinceSeconds=1", "2.2\n"),
        ("limitBytes=5", "1.0\n1"),
    ] {
        assert_eq!(log(&server, query), (200, wanted.into()), "{query}");
    }
}

/// The messages are those of an API server of Kubernetes 1.37.
#[test]
fn unreadable_logs_are_refused() {
    let (server, program) = server();
    program.starts();
    for (query, code, words) in [
        (
            "limitBytes=0",
            422,
            "limitBytes: Invalid value: 0: must be greater than 0",
        ),
        (
            "tailLines=-1",
            422,
            "tailLines: Invalid value: -1: must be greater than or equal to 0",
        ),
        ("stream=Stdout", 422, "stream: Forbidden: may not be specified"),
        ("sinceTime=zzz", 400, "parsing time"),
        ("container=zzz", 400, "container zzz is not valid for pod web"),
    ] {
        let (got, text) = log(&server, query);
        assert!(got == code && text.contains(words), "{query}: {got} {text}");
    }
    let refused = |query: &str| match attach(&server, query) {
        Err(tungstenite::Error::Http(answer)) => {
            let text = answer.body().clone().unwrap_or_default();
            (answer.status().as_u16(), String::from_utf8(text).unwrap())
        }
        _ => panic!("{query} is not refused"),
    };
    assert_eq!(
        refused(""),
        (400, "you must specify at least 1 of stdin, stdout, stderr".into())
    );
    program.exits(0);
    assert_eq!(
        refused("stdout=true"),
        (500, "container app not found in pod web_default".into())
    );
}

#[test]
fn an_attach_delivers_what_is_written_from_then_on_each_stream_apart() {
    let (server, program) = server();
    program.starts();
    program.writes("before\n");
    let both = attach(&server, "stdout=true&stderr=true").unwrap();
    let one = attach(&server, "stderr=true").unwrap();
    program.is_attached(2);
    program.writes("out, ");
    program.complains("err");
    program.writes("unfinished");
    program.exits(0);
    assert_eq!(received(both), ["out, unfinished", "err", SUCCESS]);
    assert_eq!(received(one), ["", "err", SUCCESS]);
}

#[test]
fn an_attach_may_end_before_it_delivered_everything() {
    let (server, program) = server();
    program.starts();
    let socket = attach(&server, "stdout=true").unwrap();
    program.is_attached(1);
    program.attach_is_held();
    program.writes("the tail\n");
    program.attach_ends_early();
    assert_eq!(received(socket), ["", "", SUCCESS]);
    program.exits(0);
    assert_eq!(log(&server, "").1, "the tail\n");
}

#[test]
fn the_log_and_the_attach_can_each_be_behind_the_other() {
    let (server, program) = server();
    program.starts();
    let socket = attach(&server, "stdout=true").unwrap();
    program.is_attached(1);
    program.log_lags();
    program.writes("one\n");
    assert_eq!(log(&server, "").1, "");
    program.attach_is_held();
    program.writes("two\n");
    program.log_catches_up();
    assert_eq!(log(&server, "").1, "one\ntwo\n");
    program.log_lags();
    program.writes("rest");
    program.exits(0);
    assert_eq!(log(&server, "").1, "one\ntwo\n");
    program.log_catches_up();
    assert_eq!(log(&server, "").1, "one\ntwo\nrest");
    program.attach_flows();
    // Delayed output is not lost at the program's end.
    assert_eq!(received(socket), ["one\ntwo\nrest", "", SUCCESS]);
}

#[test]
fn an_attach_that_is_not_read_holds_the_program_up_and_with_it_the_log() {
    const LINE: &[u8] = b"a line of sixteen\n";
    let (server, program) = server();
    program.starts();
    let socket = attach(&server, "stdout=true").unwrap();
    program.is_attached(1);
    program.attach_is_held();
    let all = LINE.repeat(40_000);
    let held = thread::scope(|scope| {
        let writing = scope.spawn(|| program.outputs(OutputStream::Stdout, &all));
        program.wait("some of the output", |state| {
            (state.log.bytes() > 64 << 10).then_some(())
        });
        let held = log(&server, "").1.len();
        program.attach_flows();
        let reading = scope.spawn(|| received(socket));
        writing.join().unwrap();
        program.exits(0);
        let [output, ..] = reading.join().unwrap();
        assert!(output.as_bytes() == all, "{} bytes came", output.len());
        held
    });
    assert!(
        held <= 128 << 10,
        "{held} bytes were in the log while there was no reader"
    );
    assert_eq!(log(&server, "").1.len(), all.len());
}
