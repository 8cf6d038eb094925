//! Raw requests to an API server: JSON as the server sent it, no field lost. Reading only, but for `write`, which
//! `apply.rs` alone may call.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Method, Request, Response, header};
use http_body_util::BodyExt as _;
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};
use kube::client::{Body, ConfigExt as _, Connection};
use serde_json::Value;
use tower::{BoxError, ServiceBuilder};
use trocar_core::text;

use super::{
    error::{Action, ClusterError},
    paths::{collection, path, with_query},
    refusal::Status,
    status::shortened,
};

/// Who we say that we are.
const USER_AGENT: &str = concat!("trocar/", env!("CARGO_PKG_VERSION"));

/// The largest answer that is read, in bytes. A list of ten thousand pods is about half of it.
const LARGEST_ANSWER: usize = 256 << 20;

/// How long to wait before a busy server is asked again, where it does not say.
const BUSY_PAUSES: [Duration; 3] = [
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_millis(900),
];

/// How long to wait at the most, whatever the server says.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// One request, for whoever wants to see them all.
#[derive(Clone, Debug)]
pub struct RequestTrace<'a> {
    /// The method.
    pub method: &'a str,
    /// Path and query.
    pub path: &'a str,
    /// The status code; none where there was no answer.
    pub code: Option<u16>,
    /// How long the answer took.
    pub took: Duration,
}

type Trace = Arc<dyn Fn(&RequestTrace<'_>) + Send + Sync>;

/// How a cluster is reached.
#[derive(Clone)]
pub struct ClusterConfig {
    /// Address, credentials and certificates, from a kubeconfig or the pod that we run in.
    kube: kube::Config,
    /// How long a single answer may take; none to wait for ever. Streams are not bounded by it.
    pub request_timeout: Option<Duration>,
    /// Called for every request.
    pub trace: Option<Trace>,
}

impl ClusterConfig {
    /// Takes the configuration of a kube client.
    pub fn from_kube(kube: kube::Config) -> Self {
        Self {
            kube,
            request_timeout: None,
            trace: None,
        }
    }
}

/// A connection to a cluster. Nothing is sent before the first request.
#[derive(Clone)]
pub struct Cluster {
    client: kube::Client,
    server: String,
    request_timeout: Option<Duration>,
    trace: Option<Trace>,
}

impl Cluster {
    /// Makes a connection. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// Fails when the certificates or credentials of the configuration cannot be used.
    pub fn new(mut config: ClusterConfig) -> Result<Self, ClusterError> {
        // The library would try for minutes without a word, and writes again that may have been carried out.
        config.kube.default_retry = false;
        let server = config.kube.cluster_url.to_string();
        let server = server.trim_end_matches('/').to_owned();
        let client = client(config.kube).map_err(|error| ClusterError::Credentials(causes(&error)))?;
        Ok(Self {
            client,
            server,
            request_timeout: config.request_timeout,
            trace: config.trace,
        })
    }

    /// The server's address.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Reads from a path, for kinds that are not known here: the answer's code and text, or what went wrong.
    pub(super) async fn read(&self, path: &str) -> Result<(u16, Bytes), String> {
        let request = request(&Method::GET, path).body(Body::empty());
        let request = request.map_err(|error| causes(&error))?;
        let response = self.send_traced(request).await.map_err(|error| causes(&error))?;
        let code = response.status().as_u16();
        Ok((code, whole(response.into_body()).await?))
    }

    /// Reads a text, and what time it is by the server's clock.
    pub(super) async fn text(&self, action: &Action, path: &str) -> Result<(Bytes, Option<String>), ClusterError> {
        let read = async {
            let response = self.answer(action, Method::GET, path, None).await?;
            let date = response.headers().get(header::DATE).and_then(|date| date.to_str().ok());
            let time = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok()).map(|time| time.timestamp());
            let text = collect(action, response.into_body()).await?;
            Ok((text, time.map(|time| time.to_string())))
        };
        self.in_time(action, read).await
    }

    /// Reads one object.
    pub(super) async fn get(&self, action: &Action) -> Result<Value, ClusterError> {
        self.exchange(action, Method::GET, &path(action), None).await
    }

    /// Reads the objects of a kind in a namespace, perhaps only those that match a label selector.
    pub(super) async fn list(
        &self,
        action: &Action,
        query: &[(&str, &str)],
    ) -> Result<Vec<Value>, ClusterError> {
        let path = with_query(path(action), query);
        let list = self.exchange(action, Method::GET, &path, None).await?;
        items(list).ok_or_else(|| ClusterError::Answer {
            action: action.clone(),
            problem: "it is not a list".into(),
        })
    }

    /// Changes the cluster. For `apply.rs` alone.
    pub(super) async fn write(
        &self,
        action: &Action,
        query: &[(&str, &str)],
        content_type: &'static str,
        body: &Value,
    ) -> Result<Value, ClusterError> {
        let (method, path) = match action.verb {
            "create" => (Method::POST, collection(action)),
            "patch" => (Method::PATCH, path(action)),
            _ => (Method::DELETE, path(action)),
        };
        self.exchange(
            action,
            method,
            &with_query(path, query),
            Some((content_type, body)),
        )
        .await
    }

    /// Asks the server something that it answers and does not store.
    pub(super) async fn ask(&self, action: &Action, question: &Value) -> Result<Value, ClusterError> {
        let body = Some(("application/json", question));
        self.exchange(action, Method::POST, &collection(action), body)
            .await
    }

    /// Opens a stream of bytes: a watch or a log.
    pub(super) async fn stream(&self, action: &Action, query: &[(&str, &str)]) -> Result<Body, ClusterError> {
        let path = with_query(path(action), query);
        let response = self.send(action, Method::GET, &path, None).await?;
        if response.status().is_success() {
            return Ok(response.into_body());
        }
        Err(self.refused(action, response).await)
    }

    /// Opens a WebSocket.
    pub(super) async fn connect(
        &self,
        action: &Action,
        query: &[(&str, &str)],
    ) -> Result<Connection, ClusterError> {
        let path = with_query(path(action), query);
        let request = Request::get(&path)
            .header(header::USER_AGENT, USER_AGENT)
            .body(Vec::new())
            .map_err(|error| broken(action, &error))?;
        let started = Instant::now();
        let answer = self.client.connect(request).await;
        let code = match &answer {
            Ok(_) => Some(101),
            Err(kube::Error::Api(status)) => Some(status.code),
            Err(_) => None,
        };
        self.traced("GET", &path, code, started);
        answer.map_err(|error| self.failed(action, error))
    }

    async fn exchange(
        &self,
        action: &Action,
        method: Method,
        path: &str,
        body: Option<(&'static str, &Value)>,
    ) -> Result<Value, ClusterError> {
        let exchange = async {
            let response = self.answer(action, method, path, body).await?;
            let text = collect(action, response.into_body()).await?;
            serde_json::from_slice(&text).map_err(|error| ClusterError::Answer {
                action: action.clone(),
                problem: error.to_string(),
            })
        };
        self.in_time(action, exchange).await
    }

    /// Bounds one answer, where a bound was set.
    async fn in_time<T>(
        &self,
        action: &Action,
        answer: impl Future<Output = Result<T, ClusterError>>,
    ) -> Result<T, ClusterError> {
        match self.request_timeout {
            None => answer.await,
            Some(after) => tokio::time::timeout(after, answer).await.unwrap_or_else(|_| {
                Err(ClusterError::TimedOut {
                    action: action.clone(),
                    after,
                })
            }),
        }
    }

    /// Sends until the server has time to answer: a request that it did not look at yet may be sent again.
    async fn answer(
        &self,
        action: &Action,
        method: Method,
        path: &str,
        body: Option<(&'static str, &Value)>,
    ) -> Result<Response<Body>, ClusterError> {
        let is_read = method == Method::GET;
        let mut pauses = BUSY_PAUSES.into_iter();
        loop {
            let response = self.send(action, method.clone(), path, body).await?;
            if response.status().is_success() {
                return Ok(response);
            }
            let code = response.status().as_u16();
            let may_repeat = code == 429 || is_read && matches!(code, 503 | 504);
            let pause = pauses.next().filter(|_| may_repeat);
            let Some(pause) = pause else {
                return Err(self.refused(action, response).await);
            };
            let wanted = response.headers().get(header::RETRY_AFTER);
            let wanted = wanted.and_then(|seconds| seconds.to_str().ok()?.parse().ok());
            let wanted = wanted.map_or(pause, Duration::from_secs);
            tokio::time::sleep(wanted.min(LONGEST_PAUSE)).await;
        }
    }

    async fn send(
        &self,
        action: &Action,
        method: Method,
        path: &str,
        body: Option<(&'static str, &Value)>,
    ) -> Result<Response<Body>, ClusterError> {
        let mut request = request(&method, path);
        if let Some((content_type, _)) = body {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        let body = body.map_or_else(Body::empty, |(_, body)| Body::from(body.to_string().into_bytes()));
        let request = request.body(body).map_err(|error| broken(action, &error))?;
        let answer = self.send_traced(request).await;
        answer.map_err(|error| self.failed(action, error))
    }

    async fn send_traced(&self, request: Request<Body>) -> Result<Response<Body>, kube::Error> {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let started = Instant::now();
        let answer = self.client.send(request).await;
        let code = answer.as_ref().ok().map(|response| response.status().as_u16());
        self.traced(method.as_str(), &uri.to_string(), code, started);
        answer
    }

    fn traced(&self, method: &str, path: &str, code: Option<u16>, started: Instant) {
        if let Some(trace) = &self.trace {
            trace(&RequestTrace {
                method,
                path,
                code,
                took: started.elapsed(),
            });
        }
    }

    async fn refused(&self, action: &Action, response: Response<Body>) -> ClusterError {
        let code = response.status().as_u16();
        let text = match collect(action, response.into_body()).await {
            Ok(text) => text,
            Err(error) => return error,
        };
        let status = serde_json::from_slice::<Status>(&text).unwrap_or_default();
        let status = if status.message.is_empty() && status.reason.is_empty() {
            let message = String::from_utf8_lossy(&text);
            Status::of_text(text::message(message.trim()))
        } else {
            status
        };
        ClusterError::Refused {
            action: action.clone(),
            status: Box::new(shortened(Status { code, ..status })),
        }
    }

    /// From what the client library reports to what a person can use.
    fn failed(&self, action: &Action, error: kube::Error) -> ClusterError {
        let reason = causes(&error);
        let server = self.server.clone();
        match error {
            kube::Error::Api(status) => ClusterError::Refused {
                action: action.clone(),
                status: Box::new(Status::from_kube(*status)),
            },
            kube::Error::Auth(_) => ClusterError::Credentials(reason),
            _ if reason.contains("certificate")
                || reason.contains("TLS")
                || reason.contains("InvalidContentType") =>
            {
                ClusterError::Untrusted { server, reason }
            }
            _ if is_connecting(&reason) => ClusterError::Unreachable { server, reason },
            _ => ClusterError::Broken {
                action: action.clone(),
                reason,
            },
        }
    }
}

/// Makes the client. Where no proxy is in between it sends without delay: kube's own waits for the other side to confirm the
/// end of the handshake before it sends the request, which a server does 40 ms later. Every attach is a new connection.
fn client(config: kube::Config) -> kube::Result<kube::Client> {
    if config.proxy_url.is_some() {
        return kube::Client::try_from(config);
    }
    let namespace = config.default_namespace.clone();
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(config.connect_timeout);
    let connector = config.rustls_https_connector_with_connector(connector)?;
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .map_err(BoxError::from)
        .layer(config.extra_headers_layer()?)
        .service(legacy::Client::builder(TokioExecutor::new()).build(connector));
    Ok(kube::Client::new(service, namespace))
}

/// Says whether an error's text is about the connection never having been made: its types are private.
fn is_connecting(reason: &str) -> bool {
    [
        "onnect error",
        "onnection refused",
        "dns error",
        "deadline has elapsed",
        "unreachable",
        "timed out",
    ]
    .into_iter()
    .any(|sign| reason.contains(sign))
}

/// The objects of a list as a server sent it; none where it is not a list.
pub(super) fn items(mut list: Value) -> Option<Vec<Value>> {
    let (api_version, kind) = (taken(&mut list, "apiVersion"), taken(&mut list, "kind"));
    let Value::Array(mut items) = taken(&mut list, "items") else {
        return None;
    };
    // A server leaves these two out of a list's items.
    let kind = kind
        .as_str()
        .and_then(|kind| kind.strip_suffix("List"))
        .map(str::to_owned);
    for item in items.iter_mut().filter_map(Value::as_object_mut) {
        item.entry("apiVersion").or_insert_with(|| api_version.clone());
        item.entry("kind").or_insert_with(|| kind.clone().into());
    }
    Some(items)
}

/// Takes a field out of what a server sent; null where it is not there, or what was sent is not an object.
pub(super) fn taken(sent: &mut Value, field: &str) -> Value {
    sent.get_mut(field).map(Value::take).unwrap_or_default()
}

fn broken(action: &Action, error: &dyn std::error::Error) -> ClusterError {
    ClusterError::Broken {
        action: action.clone(),
        reason: causes(error),
    }
}

/// The innermost causes say what happened, the outer ones mostly where in the library.
fn causes(error: &dyn std::error::Error) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        // An outer text often repeats the inner one.
        if let Some(last) = texts.last_mut()
            && let Some(start) = last.strip_suffix(&text)
        {
            *last = start.trim_end_matches([':', ' ']).to_owned();
        }
        texts.push(text);
        next = error.source();
    }
    // Which part of the library it was helps nobody.
    texts.retain(|text| !text.is_empty() && text != "ServiceError" && !text.starts_with("client error ("));
    text::message(&texts.join(": "))
}

async fn collect(action: &Action, body: Body) -> Result<Bytes, ClusterError> {
    whole(body).await.map_err(|reason| ClusterError::Broken {
        action: action.clone(),
        reason,
    })
}

/// A body to its end, or what went wrong with it.
async fn whole(body: Body) -> Result<Bytes, String> {
    let limited = http_body_util::Limited::new(body, LARGEST_ANSWER);
    let collected = limited.collect().await;
    let collected = collected.map_err(|error| causes(error.as_ref()))?;
    Ok(collected.to_bytes())
}

fn request(method: &Method, path: &str) -> http::request::Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::ACCEPT, "application/json")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_items_of_a_list_say_what_they_are_and_what_is_no_list_has_none() {
        let list = json!({"apiVersion": "v1", "kind": "PodList", "items": [{"metadata": {}}, 5]});
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {}});
        assert_eq!(items(list), Some(vec![pod, json!(5)]));
        for other in [
            json!(null),
            json!([]),
            json!(5),
            json!("x"),
            json!({}),
            json!({"items": {}}),
        ] {
            assert_eq!(items(other.clone()), None, "{other}");
        }
    }
}
