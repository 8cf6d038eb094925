//! Reads objects for plugins that were granted `cluster-read`, of kinds that are not known in advance.
//!
//! A guest's call blocks the thread on which everything else happens, so reading has a thread and a connection of its own,
//! which begin with the first read. What may be read is checked before anything comes here.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        mpsc::{RecvTimeoutError, SyncSender, sync_channel},
    },
    time::Duration,
};

use serde_json::Value;
use tokio::sync::mpsc;

use super::{
    client::{Cluster, taken},
    connect::ClusterConfig,
    paths::{escaped_segment, with_query},
};
use trocar_core::{
    capability::{ClusterReader, ObjectRef, Query, ReadError},
    text,
};

/// Reads from a real cluster, with the user's own rights.
pub struct LiveReader {
    config: ClusterConfig,
    worker: Mutex<Option<mpsc::UnboundedSender<Question>>>,
}

/// What to read, until when, and where the answer goes.
struct Question {
    read: Read,
    within: Duration,
    answer: SyncSender<Result<Value, ReadError>>,
}

enum Read {
    One(ObjectRef),
    Many(Query),
}

impl LiveReader {
    /// Makes a reader. Nothing is started before the first read.
    pub fn new(config: ClusterConfig) -> Self {
        Self {
            config,
            worker: Mutex::default(),
        }
    }

    fn ask(&self, read: Read, within: Duration) -> Result<Value, ReadError> {
        let (answer, answered) = sync_channel(1);
        let question = Question { read, within, answer };
        let gone = || ReadError::Unavailable("the thread that reads has ended".into());
        let mut worker = self.worker.lock().map_err(|_| gone())?;
        let questions = worker.get_or_insert_with(|| start(self.config.clone()));
        questions.send(question).map_err(|_| gone())?;
        match answered.recv_timeout(within) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Timeout) => Err(too_late(within)),
            Err(RecvTimeoutError::Disconnected) => Err(gone()),
        }
    }
}

impl ClusterReader for LiveReader {
    fn get(&self, object: &ObjectRef, within: Duration) -> Result<Value, ReadError> {
        self.ask(Read::One(object.clone()), within)
    }

    fn list(&self, query: &Query, within: Duration) -> Result<Vec<Value>, ReadError> {
        match self.ask(Read::Many(query.clone()), within)? {
            Value::Array(items) => Ok(items),
            _ => Err(ReadError::Unavailable("the answer is not a list".into())),
        }
    }
}

/// Starts the thread, which ends with the last sender.
fn start(config: ClusterConfig) -> mpsc::UnboundedSender<Question> {
    let (sender, mut questions) = mpsc::unbounded_channel::<Question>();
    std::thread::spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
            return;
        };
        runtime.block_on(async {
            let Ok(cluster) = Cluster::new(config) else {
                return;
            };
            let mut kinds = Kinds::default();
            while let Some(question) = questions.recv().await {
                let read = kinds.read(&cluster, question.read);
                let read = tokio::time::timeout(question.within, read).await;
                // Who asked may have given up.
                question
                    .answer
                    .send(read.unwrap_or_else(|_| Err(too_late(question.within))))
                    .ok();
            }
        });
    });
    sender
}

fn too_late(within: Duration) -> ReadError {
    ReadError::Unavailable(format!(
        "the cluster did not answer within {} ms",
        within.as_millis()
    ))
}

/// Kinds that were looked up: their resource, and whether it belongs to a namespace.
#[derive(Default)]
struct Kinds(BTreeMap<(String, String), (String, bool)>);

impl Kinds {
    async fn read(&mut self, cluster: &Cluster, read: Read) -> Result<Value, ReadError> {
        match read {
            Read::One(object) => {
                let namespace = object.namespace.as_deref();
                let path = self
                    .path(cluster, &object.api_version, &object.kind, namespace)
                    .await?;
                let path = format!("{path}/{}", escaped_segment(&object.name));
                read_json(cluster, &path).await
            }
            Read::Many(query) => {
                let namespace = query.namespace.as_deref();
                let path = self
                    .path(cluster, &query.api_version, &query.kind, namespace)
                    .await?;
                let limit = query.limit.to_string();
                let mut parameters = vec![("limit", limit.as_str())];
                if let Some(selector) = &query.label_selector {
                    parameters.push(("labelSelector", selector));
                }
                let mut list = read_json(cluster, &with_query(path, &parameters)).await?;
                let mut items = taken(&mut list, "items");
                let objects = items.as_array_mut().into_iter().flatten();
                for item in objects.filter_map(Value::as_object_mut) {
                    // A server leaves these two out of a list's items.
                    item.insert("apiVersion".into(), query.api_version.clone().into());
                    item.insert("kind".into(), query.kind.clone().into());
                }
                Ok(items)
            }
        }
    }

    /// The path of a kind's objects, in a namespace where there is one and the kind has them.
    async fn path(
        &mut self,
        cluster: &Cluster,
        api_version: &str,
        kind: &str,
        namespace: Option<&str>,
    ) -> Result<String, ReadError> {
        let root = match api_version.split_once('/') {
            None => format!("/api/{}", escaped_segment(api_version)),
            Some((group, version)) => {
                format!("/apis/{}/{}", escaped_segment(group), escaped_segment(version))
            }
        };
        let key = (api_version.to_owned(), kind.to_owned());
        if !self.0.contains_key(&key) {
            let resources = read_json(cluster, &root).await?;
            let found = resource(&resources, kind).ok_or_else(|| {
                ReadError::Unavailable(format!("the cluster has no kind {kind:?} in {api_version:?}"))
            })?;
            self.0.insert(key.clone(), found);
        }
        let (resource, is_namespaced) = &self.0[&key];
        Ok(match namespace.filter(|_| *is_namespaced) {
            Some(namespace) => format!("{root}/namespaces/{}/{resource}", escaped_segment(namespace)),
            None => format!("{root}/{resource}"),
        })
    }
}

/// Finds a kind in an `APIResourceList`. Names with a slash are parts of objects.
fn resource(resources: &Value, kind: &str) -> Option<(String, bool)> {
    let found = resources["resources"].as_array()?.iter().find(|resource| {
        resource["kind"] == kind && resource["name"].as_str().is_some_and(|name| !name.contains('/'))
    })?;
    // The name is the server's text, and becomes a part of a path.
    let name = escaped_segment(found["name"].as_str()?);
    Some((name, found["namespaced"].as_bool()?))
}

async fn read_json(cluster: &Cluster, path: &str) -> Result<Value, ReadError> {
    let (code, text) = cluster.read(path).await.map_err(ReadError::Unavailable)?;
    let parsed: Result<Value, _> = serde_json::from_slice(&text);
    if (200..300).contains(&code) {
        return parsed.map_err(|error| ReadError::Unavailable(format!("the answer is not JSON: {error}")));
    }
    let status = parsed.unwrap_or_default();
    let message = text::message(status["message"].as_str().unwrap_or_default());
    Err(match code {
        404 => ReadError::NotFound,
        403 => ReadError::Forbidden(message),
        _ => ReadError::Unavailable(format!("the server answers {code}: {message}")),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_kind_is_found_by_its_name_and_never_as_a_part() {
        let resources = json!({"resources": [
            {"name": "pods/status", "kind": "Pod", "namespaced": true},
            {"name": "pods", "kind": "Pod", "namespaced": true},
            {"name": "nodes", "kind": "Node", "namespaced": false}
        ]});
        assert_eq!(resource(&resources, "Pod"), Some(("pods".into(), true)));
        assert_eq!(resource(&resources, "Node"), Some(("nodes".into(), false)));
        assert_eq!(resource(&resources, "pods"), None);
    }
}
