//! Raw requests to an API server: JSON as the server sent it, no field lost. Reading only, but for `write`, which
//! `apply.rs` alone may call.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header};
use http_body_util::BodyExt as _;
use kube::client::{Body, Connection};
use rustls::sign::CertifiedKey;
use serde_json::Value;
use trocar_core::text;

use super::{
    connect::{self, ClusterConfig, Handover, credentials::Authorization},
    error::{Action, ClusterError, CredentialError},
    paths::{collection, path, with_query},
    refusal::Status,
    status::shortened,
    warnings::warnings,
};

/// Who we say that we are.
const USER_AGENT: &str = concat!("trocar/", env!("CARGO_PKG_VERSION"));

const JSON: &str = "application/json";

/// The largest answer that is read, in bytes. A list of ten thousand pods is about half of it.
const MAX_ANSWER_BYTES: usize = 256 << 20;

/// How long to wait before a busy server is asked again, where it does not say.
const BUSY_PAUSES: [Duration; 3] = [
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_millis(900),
];

/// The longest pause before a retry, whatever Retry-After says.
const MAX_PAUSE: Duration = Duration::from_secs(3);

/// One request, as it is logged.
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

/// A connection to a cluster. Nothing is sent before the first request.
#[derive(Clone)]
pub struct Cluster {
    config: ClusterConfig,
    client: Arc<Mutex<Client>>,
    server: String,
    proxy: Option<String>,
}

/// The HTTP client, with the certificate that its connections were made with.
struct Client {
    http: kube::Client,
    identity: Option<Arc<CertifiedKey>>,
}

impl Cluster {
    /// Makes a connection. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// Fails when the certificates or credentials of the configuration cannot be used.
    pub fn new(config: ClusterConfig) -> Result<Self, ClusterError> {
        config.credentials.check()?;
        let shown = |uri: &http::Uri| {
            let shown = connect::without_user(uri).to_string();
            shown.trim_end_matches('/').to_owned()
        };
        let identity = config.credentials.identity();
        let client = Client {
            identity: identity.now(),
            http: connect::client(&config.kube, identity).map_err(CredentialError::Unusable)?,
        };
        Ok(Self {
            client: Arc::new(Mutex::new(client)),
            server: shown(&config.kube.cluster_url),
            proxy: config.kube.proxy_url.as_ref().map(shown),
            config,
        })
    }

    /// The server's address.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// How the cluster is reached, for another process: with the credentials as they were last obtained. No plugin is run.
    pub async fn handover(&self) -> Handover {
        Handover::of(&self.config).await
    }

    /// Waits for the next answer of a credential plugin; forever if there is no plugin.
    pub fn credentials_renewed(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut answers = self.config.credentials.answers();
        async move {
            if answers.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// From now on no credential plugin gets standard input: something else reads it.
    pub fn take_stdin(&self) {
        self.config.credentials.take_stdin();
    }

    /// The HTTP client. A new one where the certificate has changed, so that no connection of the old one is used again.
    fn http(&self) -> Result<kube::Client, CredentialError> {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        let identity = self.config.credentials.identity();
        if !identity.is_still(&client.identity) {
            client.identity = identity.now();
            client.http = connect::client(&self.config.kube, identity).map_err(CredentialError::Unusable)?;
        }
        Ok(client.http.clone())
    }

    /// Reads from a path, for kinds that are not known here: the answer's code and text, or what went wrong.
    pub(super) async fn read(&self, path: &str) -> Result<(u16, Bytes), String> {
        let response = self.send_authorized(&Message::read(path)).await;
        let response = response.map_err(|failure| failure.reason())?;
        let code = response.status().as_u16();
        Ok((code, whole(response.into_body()).await?))
    }

    /// Reads a text, and what time it is by the server's clock.
    pub(super) async fn text(
        &self,
        action: &Action,
        path: &str,
    ) -> Result<(Bytes, Option<String>), ClusterError> {
        let read = async {
            let response = self.answer(action, Method::GET, path, None).await?;
            let date = response
                .headers()
                .get(header::DATE)
                .and_then(|date| date.to_str().ok());
            let time = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
            let text = collect(action, response.into_body()).await?;
            Ok((text, time.map(|time| time.timestamp().to_string())))
        };
        self.in_time(action, read).await
    }

    /// Reads a path, asked for in a media type of the API.
    pub(super) async fn read_as(
        &self,
        action: &Action,
        path: &str,
        accept: &'static str,
    ) -> Result<Value, ClusterError> {
        let read = async {
            let message = Message {
                accept,
                ..Message::read(path)
            };
            let response = self.send_authorized(&message).await;
            let response = response.map_err(|failure| self.failed(action, failure))?;
            if !response.status().is_success() {
                return Err(self.refused(action, response).await);
            }
            let text = collect(action, response.into_body()).await?;
            serde_json::from_slice(&text).map_err(|error| ClusterError::Answer {
                action: action.clone(),
                problem: error.to_string(),
            })
        };
        self.in_time(action, read).await
    }

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

    pub(super) async fn connect(
        &self,
        action: &Action,
        query: &[(&str, &str)],
    ) -> Result<Connection, ClusterError> {
        let path = with_query(path(action), query);
        let opened = self.connect_authorized(&Message::read(&path)).await;
        opened.map_err(|failure| self.failed(action, failure))
    }

    async fn connect_authorized(&self, message: &Message<'_>) -> Result<Connection, Failure> {
        let mut authorization = self.config.credentials.authorization().await?;
        loop {
            let request = message.request(&authorization, Vec::new())?;
            let started = Instant::now();
            let answer = self.http()?.connect(request).await;
            let code = match &answer {
                Ok(_) => Some(101),
                Err(kube::Error::Api(status)) => Some(status.code),
                Err(_) => None,
            };
            self.traced(message, code, started);
            match self.renewed(&authorization, code).await? {
                Some(renewed) => authorization = renewed,
                None => return Ok(answer?),
            }
        }
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
        match self.config.request_timeout {
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
            // A server answers 429 before it handles a request. After 503 and 504 a write may have been carried out.
            let may_repeat = code == 429 || is_read && matches!(code, 503 | 504);
            let pause = pauses.next().filter(|_| may_repeat);
            let Some(pause) = pause else {
                return Err(self.refused(action, response).await);
            };
            let wanted = response.headers().get(header::RETRY_AFTER);
            let wanted = wanted.and_then(|seconds| seconds.to_str().ok()?.parse().ok());
            let wanted = wanted.map_or(pause, Duration::from_secs);
            tokio::time::sleep(wanted.min(MAX_PAUSE)).await;
        }
    }

    async fn send(
        &self,
        action: &Action,
        method: Method,
        path: &str,
        body: Option<(&'static str, &Value)>,
    ) -> Result<Response<Body>, ClusterError> {
        let message = Message {
            method,
            path,
            body,
            accept: JSON,
        };
        let answer = self.send_authorized(&message).await;
        answer.map_err(|failure| self.failed(action, failure))
    }

    async fn send_authorized(&self, message: &Message<'_>) -> Result<Response<Body>, Failure> {
        let mut authorization = self.config.credentials.authorization().await?;
        loop {
            let mut request = message.request(&authorization, message.bytes().into())?;
            // A kubelet that is asked to attach accepts no type at all.
            let accept = HeaderValue::from_static(message.accept);
            request.headers_mut().insert(header::ACCEPT, accept);
            let started = Instant::now();
            let answer = self.http()?.send(request).await;
            let code = answer.as_ref().ok().map(|response| response.status().as_u16());
            self.traced(message, code, started);
            if let (Some(warn), Ok(answer)) = (&self.config.warn, &answer) {
                warnings(answer.headers())
                    .iter()
                    .for_each(|warning| warn(warning));
            }
            match self.renewed(&authorization, code).await? {
                Some(renewed) => authorization = renewed,
                None => return Ok(answer?),
            }
        }
    }

    /// New credentials, where the server refused those that it had taken before: then a request is sent again.
    async fn renewed(
        &self,
        used: &Authorization,
        code: Option<u16>,
    ) -> Result<Option<Authorization>, CredentialError> {
        match code {
            None => Ok(None),
            Some(code) => self.config.credentials.answered(used, code == 401).await,
        }
    }

    fn traced(&self, message: &Message<'_>, code: Option<u16>, started: Instant) {
        if let Some(trace) = &self.config.trace {
            trace(&RequestTrace {
                method: message.method.as_str(),
                path: message.path,
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
    fn failed(&self, action: &Action, failure: Failure) -> ClusterError {
        let reason = failure.reason();
        let server = self.server.clone();
        match failure {
            Failure::Credentials(error) => error.into(),
            Failure::Client(kube::Error::Api(status)) => ClusterError::Refused {
                action: action.clone(),
                status: Box::new(Status::from_kube(*status)),
            },
            // The answer was not a refusal of the API server: mostly a proxy that passes no upgrade on.
            Failure::Client(kube::Error::UpgradeConnection(error)) => ClusterError::NoWebSocket {
                reason: error.to_string(),
            },
            // The order of the arms counts: the texts overlap, and the widest test (`certificate`, `TLS`) comes last.
            _ if self.proxy.is_some() && is_of_proxy(&reason) || is_connecting(&reason) => {
                ClusterError::Unreachable {
                    server,
                    proxy: self.proxy.clone(),
                    reason,
                }
            }
            _ if is_of_identity(&reason) => {
                CredentialError::Unusable(format!("the server refuses the client certificate: {reason}"))
                    .into()
            }
            // Before the arms about certificates: this text contains `TLS`, but no certificate is at fault.
            _ if reason.contains(NO_END) => ClusterError::Broken {
                action: action.clone(),
                reason: NO_END.into(),
            },
            _ if is_of_authority(&reason) => ClusterError::Untrusted {
                server,
                reason: format!(
                    "the server's certificate is not signed by {}",
                    self.config.authority()
                ),
            },
            _ if reason.contains("certificate")
                || reason.contains("TLS")
                || reason.contains("InvalidContentType") =>
            {
                ClusterError::Untrusted { server, reason }
            }
            _ => ClusterError::Broken {
                action: action.clone(),
                reason,
            },
        }
    }
}

/// A request, as often as it is sent.
struct Message<'a> {
    method: Method,
    path: &'a str,
    body: Option<(&'static str, &'a Value)>,
    /// The media type of the answer.
    accept: &'static str,
}

impl<'a> Message<'a> {
    fn read(path: &'a str) -> Self {
        Self {
            method: Method::GET,
            path,
            body: None,
            accept: JSON,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        self.body
            .map_or_else(Vec::new, |(_, body)| body.to_string().into_bytes())
    }

    fn request<T>(&self, authorization: &Authorization, body: T) -> Result<Request<T>, Failure> {
        let mut request = Request::builder()
            .method(&self.method)
            .uri(self.path)
            .header(header::USER_AGENT, USER_AGENT);
        if let Some(header) = &authorization.header {
            request = request.header(header::AUTHORIZATION, header);
        }
        if let Some((content_type, _)) = self.body {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        request.body(body).map_err(Failure::Request)
    }
}

enum Failure {
    Client(kube::Error),
    Credentials(CredentialError),
    Request(http::Error),
}

impl Failure {
    fn reason(&self) -> String {
        match self {
            Self::Client(error) => causes(error),
            Self::Credentials(error) => error.to_string(),
            Self::Request(error) => causes(error),
        }
    }
}

impl From<kube::Error> for Failure {
    fn from(error: kube::Error) -> Self {
        Self::Client(error)
    }
}

impl From<CredentialError> for Failure {
    fn from(error: CredentialError) -> Self {
        Self::Credentials(error)
    }
}

/// How rustls begins what it says, with a link, of a server that hangs up.
const NO_END: &str = "peer closed connection without sending TLS close_notify";

/// Says whether an error's text is about our certificate, which the server does not take or misses.
fn is_of_identity(reason: &str) -> bool {
    reason.contains("received fatal alert")
        && ["ertificate", "UnknownCA", "AccessDenied"]
            .into_iter()
            .any(|sign| reason.contains(sign))
}

/// Says whether an error's text is about the authority that signed the server's certificate.
fn is_of_authority(reason: &str) -> bool {
    ["UnknownIssuer", "CaUsedAsEndEntity"]
        .into_iter()
        .any(|sign| reason.contains(sign))
}

/// Says whether an error's text is about a proxy, that is about the way to it or through it.
fn is_of_proxy(reason: &str) -> bool {
    ["tunnel error", "SOCKS", "socks"]
        .into_iter()
        .any(|sign| reason.contains(sign))
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
    // Which part of the library failed does not help the user.
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
    let limited = http_body_util::Limited::new(body, MAX_ANSWER_BYTES);
    let collected = limited.collect().await;
    let collected = collected.map_err(|error| causes(error.as_ref()))?;
    Ok(collected.to_bytes())
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
