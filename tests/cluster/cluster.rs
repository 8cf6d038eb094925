//! The cluster under test: creates, reads and awaits objects, and runs the program against it.

use std::{
    env,
    ffi::OsStr,
    path::PathBuf,
    sync::{
        RwLock, RwLockReadGuard,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::{AsyncBufReadExt as _, StreamExt as _};
use http::Request;
use kube::{Client, Config, config::Kubeconfig};
use serde_json::{Value, json};
use trocar::cluster::ClusterConfig;
use trocar_test_support::{CommandOutput, PATIENCE, Running, Terminal, TestEnv};

/// The pause before a failed read is repeated.
const PAUSE: Duration = Duration::from_millis(100);

/// A cluster that tests may use.
pub(crate) struct Cluster {
    kubeconfig: PathBuf,
    runtime: tokio::runtime::Runtime,
    client: Client,
    config: Config,
    /// The number of repetitions of tests that must never fail.
    pub(crate) repeat: usize,
    pub(crate) image: String,
    /// Held for reading by every test, for writing by the one that stops the API server.
    in_use: RwLock<()>,
    namespaces: AtomicU32,
}

impl Cluster {
    /// The cluster that `TROCAR_TEST_KUBECONFIG` names.
    pub(crate) fn from_environment() -> Option<Self> {
        let kubeconfig = PathBuf::from(env::var_os("TROCAR_TEST_KUBECONFIG")?);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("the system gives an event queue");
        let config = Kubeconfig::read_from(&kubeconfig).expect("TROCAR_TEST_KUBECONFIG names a kubeconfig");
        let (client, config) = runtime.block_on(async {
            let config = Config::from_custom_kubeconfig(config, &Default::default()).await;
            let config = config.expect("the kubeconfig names a cluster");
            let client = Client::try_from(config.clone()).expect("its credentials can be used");
            (client, config)
        });
        let repeat = env::var("TROCAR_TEST_REPEAT")
            .ok()
            .and_then(|repeat| repeat.parse().ok());
        Some(Self {
            kubeconfig,
            runtime,
            client,
            config,
            repeat: repeat.unwrap_or(3),
            image: env::var("TROCAR_TEST_IMAGE").unwrap_or_else(|_| "busybox:1.36".into()),
            in_use: RwLock::default(),
            namespaces: AtomicU32::new(0),
        })
    }

    /// The kubeconfig under test, with absolute paths.
    pub(crate) fn kubeconfig(&self) -> Value {
        let config = Kubeconfig::read_from(&self.kubeconfig).expect("it was read before");
        serde_json::to_value(config).expect("a kubeconfig is JSON")
    }

    /// Creates a namespace, which is deleted on drop.
    pub(crate) fn namespace(&self) -> Namespace<'_> {
        self.namespace_with(&json!({}))
    }

    /// The same with labels.
    pub(crate) fn namespace_with(&self, labels: &Value) -> Namespace<'_> {
        let in_use = self
            .in_use
            .read()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        Namespace::new(self, labels, Some(in_use))
    }

    /// A namespace for a test that must run alone, since it disturbs the whole cluster.
    pub(crate) fn alone<T>(&self, test: impl FnOnce(&Namespace<'_>) -> T) -> T {
        let _in_use = self
            .in_use
            .write()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        test(&Namespace::new(self, &json!({}), None))
    }

    /// Reads the object at a path; none if it does not exist.
    pub(crate) fn read(&self, path: &str) -> Option<Value> {
        self.try_read(path)
            .unwrap_or_else(|error| panic!("cannot read {path}: {error}"))
    }

    fn try_read(&self, path: &str) -> Result<Option<Value>, kube::Error> {
        let request = Request::get(path)
            .body(Vec::new())
            .expect("a path of ours is well formed");
        match self.runtime.block_on(self.client.request::<Value>(request)) {
            Ok(object) => Ok(Some(object)),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Waits until the API server stops answering.
    pub(crate) fn wait_until_away(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.try_read("/api/v1/namespaces/default").is_ok() {
            assert!(Instant::now() < deadline, "the API server stays");
            std::thread::sleep(PAUSE);
        }
    }

    /// Creates an object.
    pub(crate) fn create(&self, path: &str, object: &Value) -> Value {
        self.send(Request::post(path), object)
            .unwrap_or_else(|error| panic!("cannot create {object} at {path}: {error}"))
    }

    pub(crate) fn send(&self, request: http::request::Builder, body: &Value) -> Result<Value, kube::Error> {
        self.send_as_is(request.header("content-type", "application/json"), body)
    }

    /// The same, with a content type.
    pub(crate) fn send_as_is(
        &self,
        request: http::request::Builder,
        body: &Value,
    ) -> Result<Value, kube::Error> {
        let request = request
            .body(body.to_string().into_bytes())
            .expect("a request of ours is well formed");
        self.runtime.block_on(self.client.request(request))
    }

    /// Creates many objects, some concurrently. Returns what is wanted of each.
    pub(crate) fn create_all<T>(
        &self,
        path: &str,
        objects: impl Iterator<Item = Value>,
        kept: impl Fn(&Value) -> T,
    ) -> Vec<T> {
        const AT_ONCE: usize = 16;
        let requests = objects.map(|object| {
            let request = Request::post(path).header("content-type", "application/json");
            let request = request.body(object.to_string().into_bytes());
            self.client
                .request::<Value>(request.expect("a request of ours is well formed"))
        });
        let created = futures_util::stream::iter(requests)
            .buffered(AT_ONCE)
            .map(|created| created.map(|created| kept(&created)));
        let created: Vec<_> = self.runtime.block_on(created.collect());
        let created = created.into_iter().collect::<Result<_, _>>();
        created.unwrap_or_else(|error| panic!("cannot create at {path}: {error}"))
    }

    /// Deletes the object at a path without grace period, if it exists.
    pub(crate) fn delete(&self, path: &str) {
        let options = json!({"gracePeriodSeconds": 0});
        drop(self.send(Request::delete(path), &options));
    }

    /// Waits for an object of a collection that matches. Returns what was found in it.
    pub(crate) fn wait_for<T>(
        &self,
        collection: &str,
        name: &str,
        what: &str,
        mut found: impl FnMut(&Value) -> Option<T>,
    ) -> T {
        let mut last = Value::Null;
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let watching = self.watch(collection, name, &mut last, &mut found);
            let within = deadline.saturating_duration_since(Instant::now());
            let result = self
                .runtime
                .block_on(async { tokio::time::timeout(within, watching).await });
            if let Ok(Ok(found)) = result {
                return found;
            }
            std::thread::sleep(PAUSE);
        }
        panic!("{collection}/{name} never is {what}: {last}");
    }

    async fn watch<T>(
        &self,
        collection: &str,
        name: &str,
        last: &mut Value,
        found: &mut impl FnMut(&Value) -> Option<T>,
    ) -> Result<T, kube::Error> {
        let list = |more: &str| {
            let path = format!("{collection}?fieldSelector=metadata.name%3D{name}{more}");
            Request::get(path)
                .body(Vec::new())
                .expect("a path of ours is well formed")
        };
        let listed: Value = self.client.request(list("")).await?;
        for object in listed["items"].as_array().into_iter().flatten() {
            *last = object.clone();
            if let Some(found) = found(object) {
                return Ok(found);
            }
        }
        let version = listed["metadata"]["resourceVersion"].as_str().unwrap_or_default();
        let stream = self
            .client
            .request_stream(list(&format!("&watch=true&resourceVersion={version}")))
            .await?;
        let mut lines = stream.lines();
        while let Some(Ok(line)) = lines.next().await {
            let event: Value = serde_json::from_str(&line).unwrap_or_default();
            *last = event["object"].clone();
            if let Some(found) = found(last) {
                return Ok(found);
            }
        }
        Err(kube::Error::LinesCodecMaxLineLengthExceeded)
    }

    /// Returns true if the API server is on this machine, so that it can reach servers of the test.
    pub(crate) fn is_on_loopback(&self) -> bool {
        matches!(self.config.cluster_url.host(), Some("127.0.0.1" | "localhost"))
    }

    /// A connection of the library, with the rights of the tests.
    pub(crate) fn connection(&self) -> trocar::cluster::Cluster {
        let _in_runtime = self.runtime.enter();
        let config = ClusterConfig::from_kube(self.config.clone());
        trocar::cluster::Cluster::new(config).expect("its credentials can be used")
    }

    /// Runs a future of the library to its end.
    pub(crate) fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// The name of a node that runs pods.
    pub(crate) fn node(&self) -> String {
        let nodes = self.read("/api/v1/nodes").expect("nodes can be listed");
        let is_ready = |node: &&Value| {
            let conditions = node["status"]["conditions"].as_array();
            let is_tainted = node["spec"]["taints"].is_array();
            let mut conditions = conditions.into_iter().flatten();
            !is_tainted
                && conditions.any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
        };
        let nodes = nodes["items"].as_array().expect("a list has items");
        let node = nodes
            .iter()
            .find(is_ready)
            .expect("the cluster has a node that is ready");
        text(&node["metadata"]["name"])
    }
}

/// A namespace, and an environment with a kubeconfig for it.
pub(crate) struct Namespace<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) name: String,
    pub(crate) env: TestEnv,
    _in_use: Option<RwLockReadGuard<'a, ()>>,
}

impl<'a> Namespace<'a> {
    fn new(cluster: &'a Cluster, labels: &Value, in_use: Option<RwLockReadGuard<'a, ()>>) -> Self {
        let number = cluster.namespaces.fetch_add(1, Ordering::Relaxed);
        let name = format!("trocar-test-{}-{number}", std::process::id());
        let object =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
        cluster.create("/api/v1/namespaces", &object);
        let mut env = TestEnv::new(env!("CARGO_BIN_EXE_trocar"));
        env.set("KUBECONFIG", &cluster.kubeconfig.display().to_string());
        let namespace = Self {
            cluster,
            name,
            env,
            _in_use: in_use,
        };
        // Pods are only admitted once this is there.
        cluster.wait_for(&namespace.path("serviceaccounts"), "default", "there", |_| {
            Some(())
        });
        namespace
    }

    /// The path of a collection of the core group in this namespace.
    pub(crate) fn path(&self, resource: &str) -> String {
        format!("/api/v1/namespaces/{}/{resource}", self.name)
    }

    /// The path of a collection of another group, for example `apps`.
    pub(crate) fn path_of(&self, group: &str, resource: &str) -> String {
        format!("/apis/{group}/v1/namespaces/{}/{resource}", self.name)
    }

    /// Creates an idle pod, and waits until it runs.
    pub(crate) fn pod(&self, name: &str) -> Value {
        self.create_pod(name, &["sleep", "36000"], &json!({}));
        self.wait_for_pod(name, "running", |pod| {
            (pod["status"]["phase"] == "Running").then(|| pod.clone())
        })
    }

    /// Creates a pod with a container `app`, and with more in its spec.
    pub(crate) fn create_pod(&self, name: &str, command: &[&str], more: &Value) -> Value {
        let mut pod = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": {"test": name}},
            "spec": {
                "containers": [{"name": "app", "image": self.cluster.image, "command": command}],
                "terminationGracePeriodSeconds": 0,
            },
        });
        for (field, value) in more.as_object().into_iter().flatten() {
            pod["spec"][field] = value.clone();
        }
        self.cluster.create(&self.path("pods"), &pod)
    }

    pub(crate) fn wait_for_pod<T>(
        &self,
        name: &str,
        what: &str,
        found: impl FnMut(&Value) -> Option<T>,
    ) -> T {
        self.cluster.wait_for(&self.path("pods"), name, what, found)
    }

    /// The pod as it is now.
    pub(crate) fn read_pod(&self, name: &str) -> Value {
        let path = format!("{}/{name}", self.path("pods"));
        self.cluster.read(&path).expect("the pod is there")
    }

    /// Waits until a pod is gone, or about to go.
    pub(crate) fn wait_for_gone(&self, name: &str) {
        let deadline = Instant::now() + PATIENCE;
        let path = format!("{}/{name}", self.path("pods"));
        loop {
            // If the server does not answer, the pod's state is unknown.
            match self.cluster.try_read(&path) {
                Ok(None) => return,
                Ok(Some(pod)) if pod["metadata"]["deletionTimestamp"].is_string() => return,
                Ok(Some(_)) | Err(_) => {}
            }
            assert!(Instant::now() < deadline, "pod {name} stays");
            std::thread::sleep(PAUSE);
        }
    }

    /// Waits until no pod has this name.
    pub(crate) fn wait_until_no_more(&self, name: &str) {
        let deadline = Instant::now() + PATIENCE;
        let path = format!("{}/{name}", self.path("pods"));
        while self.cluster.read(&path).is_some() {
            assert!(Instant::now() < deadline, "pod {name} stays");
            std::thread::sleep(PAUSE);
        }
    }

    /// Waits until the debug container `dbg` of a copy has ended. The other container keeps running.
    pub(crate) fn wait_for_debug_container_to_end(&self, name: &str) {
        self.wait_for_pod(name, "done with its debug container", |pod| {
            let statuses = pod["status"]["containerStatuses"].as_array()?;
            let has_ended = |status: &Value| {
                status["name"] == "dbg"
                    && ["state", "lastState"]
                        .iter()
                        .any(|state| status[state]["terminated"].is_object())
            };
            statuses.iter().any(has_ended).then_some(())
        });
    }

    /// The names of all pods.
    pub(crate) fn pods(&self) -> Vec<String> {
        let pods = self.cluster.read(&self.path("pods")).expect("pods can be listed");
        let pods = pods["items"].as_array().into_iter().flatten();
        pods.map(|pod| text(&pod["metadata"]["name"])).collect()
    }

    /// Waits until the log of a container ends with a text: output of an attach may not be in it yet.
    pub(crate) fn wait_for_log(&self, pod: &str, container: &str, end: &str) {
        let path = format!("{}/{pod}/log?container={container}", self.path("pods"));
        let deadline = Instant::now() + PATIENCE;
        loop {
            let request = Request::get(&path).body(Vec::new());
            let request = request.expect("a path of ours is well formed");
            let log = self
                .cluster
                .runtime
                .block_on(self.cluster.client.request_text(request));
            if log.as_ref().is_ok_and(|log| log.ends_with(end)) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "the log of {container} does not end with {end:?}: {log:?}"
            );
            std::thread::sleep(PAUSE);
        }
    }

    /// The log of a container, as it is now.
    pub(crate) fn log(&self, pod: &str, container: &str) -> Vec<u8> {
        let path = format!("{}/{pod}/log?container={container}", self.path("pods"));
        let request = Request::get(&path).body(Vec::new().into());
        let request = request.expect("a path of ours is well formed");
        let read = async {
            let response = self.cluster.client.send(request).await?;
            response.into_body().collect_bytes().await
        };
        let log = self.cluster.runtime.block_on(read);
        log.unwrap_or_else(|error| panic!("cannot read {path}: {error}"))
            .to_vec()
    }

    /// The names of a pod's ephemeral containers.
    pub(crate) fn ephemeral_containers(&self, pod: &str) -> Vec<String> {
        let pod = self.read_pod(pod);
        let containers = pod["spec"]["ephemeralContainers"]
            .as_array()
            .into_iter()
            .flatten();
        containers.map(|container| text(&container["name"])).collect()
    }

    /// Lets a user do something in the namespace, and waits until the server knows.
    pub(crate) fn grant(&self, user: &str, rules: &[(&[&str], &[&str])]) {
        self.grant_as(user, user, rules);
    }

    /// The same, by a Role of another name than the user's.
    pub(crate) fn grant_as(&self, role: &str, user: &str, rules: &[(&[&str], &[&str])]) {
        let group = "rbac.authorization.k8s.io";
        let rules: Vec<Value> = rules
            .iter()
            .map(|(resources, verbs)| json!({"apiGroups": [""], "resources": resources, "verbs": verbs}))
            .collect();
        let object = json!({"apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": {"name": role}, "rules": rules});
        self.cluster.create(&self.path_of(group, "roles"), &object);
        let binding = json!({"apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": {"name": role},
            "subjects": [{"kind": "User", "name": user, "apiGroup": group}],
            "roleRef": {"kind": "Role", "name": role, "apiGroup": group}});
        self.cluster
            .create(&self.path_of(group, "rolebindings"), &binding);
        for rule in &rules {
            let parts = |field: &str| rule[field].as_array().into_iter().flatten().map(text);
            for resource in parts("resources") {
                for verb in parts("verbs") {
                    self.wait_until_allowed(user, &verb, &resource);
                }
            }
        }
    }

    /// Waits until the server's authorizer has seen the Role that allows something to a user: it watches Roles, with some
    /// delay. Prints the number of attempts if one was not enough.
    #[expect(clippy::print_stderr, reason = "a test that had to wait says so")]
    pub(crate) fn wait_until_allowed(&self, user: &str, verb: &str, resource: &str) {
        let (name, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {
                "namespace": self.name, "verb": verb, "resource": name, "subresource": subresource,
            }},
        });
        let deadline = Instant::now() + PATIENCE;
        for asked in 1.. {
            let request = Request::post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews")
                .header("impersonate-user", user);
            let answer = self.cluster.send(request, &review);
            if answer
                .as_ref()
                .is_ok_and(|answer| answer["status"]["allowed"] == true)
            {
                if asked > 1 {
                    eprintln!(
                        "{user} may {verb} {resource} in {}: asked {asked} times",
                        self.name
                    );
                }
                return;
            }
            assert!(
                Instant::now() < deadline,
                "the Role of {user} to {verb} {resource} is not in force, asked {asked} times: {answer:?}"
            );
            std::thread::sleep(PAUSE);
        }
    }

    fn arguments(&self, flags: &str, command: &[&str]) -> Vec<String> {
        let mut arguments = vec!["debug".to_owned(), format!("--namespace={}", self.name)];
        arguments.extend(
            flags
                .split_whitespace()
                .map(|flag| flag.replace("$IMAGE", &self.cluster.image)),
        );
        if !command.is_empty() {
            arguments.push("--".into());
        }
        arguments.extend(command.iter().map(ToString::to_string));
        arguments
    }

    /// Runs `trocar debug` without standard input. `$IMAGE` in the flags is the image for tests.
    pub(crate) fn debug(&self, flags: &str, command: &[&str]) -> CommandOutput {
        self.env.run_with(self.arguments(flags, command))
    }

    /// The same, without waiting for its end.
    pub(crate) fn start(&self, flags: &str, command: &[&str]) -> Running {
        self.env.start_with(self.arguments(flags, command))
    }

    /// The same on a terminal.
    pub(crate) fn on_terminal(&self, flags: &str, command: &[&str]) -> Terminal {
        Terminal::start(self.env.command(self.arguments(flags, command)), 80, 24)
    }

    /// The command itself.
    pub(crate) fn command<A: AsRef<OsStr>>(&self, flags: &str, command: &[A]) -> std::process::Command {
        let command: Vec<&str> = command
            .iter()
            .filter_map(|argument| argument.as_ref().to_str())
            .collect();
        self.env.command(self.arguments(flags, &command))
    }
}

impl Drop for Namespace<'_> {
    fn drop(&mut self) {
        self.cluster.delete(&format!("/api/v1/namespaces/{}", self.name));
    }
}

/// A string field of an object.
pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
