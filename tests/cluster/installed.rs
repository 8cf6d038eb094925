//! The admission server as installed by its chart: two replicas behind a service, from an image that the test builds.
//!
//! The rendered chart is applied unchanged, except that its webhooks are limited to the test's namespaces: other tests use the
//! same cluster. Requires Helm, skopeo and a registry that accepts images; skipped if one is missing.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Instant,
};

use http::Request;
use serde_json::{Value, json};
use trocar::documents;
use trocar_test_support::{CommandOutput, PATIENCE, TestEnv, in_path, skipped};

use crate::{
    Test,
    admission::{DENIES, IMAGES, OTHER_IMAGE, kubectl},
    cluster::{Cluster, Namespace, text},
};

pub(crate) const TESTS: &[Test] = &[(
    "installed::a_replica_is_ended_under_load_and_no_request_is_lost",
    a_replica_is_ended,
)];

/// The requirements, which may be missing.
struct Tools {
    server: PathBuf,
    helm: PathBuf,
    skopeo: PathBuf,
    kubectl: PathBuf,
    registry: String,
}

impl Tools {
    fn find() -> Result<Self, &'static str> {
        let server = PathBuf::from(env!("CARGO_BIN_EXE_trocar")).with_file_name("trocar-admission");
        if !server.exists() {
            return Err("trocar-admission is not built");
        }
        Ok(Self {
            server,
            helm: in_path("helm").ok_or("there is no helm")?,
            skopeo: in_path("skopeo").ok_or("there is no skopeo")?,
            kubectl: kubectl().ok_or("there is no kubectl")?,
            registry: env::var("TROCAR_TEST_REGISTRY")
                .map_err(|_| "TROCAR_TEST_REGISTRY names no registry")?,
        })
    }
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn succeed(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} fails: {told}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The server in two pods, and its webhooks for two namespaces. Cluster-scoped objects are deleted on drop.
struct Installed<'a> {
    /// Where the server is.
    home: Namespace<'a>,
    /// Where debugs are made.
    shop: Namespace<'a>,
    env: TestEnv,
}

impl<'a> Installed<'a> {
    fn new(cluster: &'a Cluster, tools: &Tools) -> Self {
        let (home, shop) = (cluster.namespace(), cluster.namespace());
        let mut env = TestEnv::new(&tools.kubectl);
        let kubeconfig = env.write("kubeconfig", &cluster.kubeconfig().to_string());
        env.set("KUBECONFIG", &kubeconfig.display().to_string());
        shop.pod("web");
        let installed = Self { home, shop, env };
        let image = installed.push(tools);
        let objects = installed.rendered(tools, &image);
        installed.env.write("objects.json", &objects.to_string());
        let output = installed.kubectl("apply --filename objects.json");
        assert_eq!(output.code, 0, "{output}");
        let collection = installed.home.path_of("apps", "deployments");
        cluster.wait_for(&collection, &installed.home.name, "ready", |deployment| {
            (deployment["status"]["readyReplicas"] == 2).then_some(())
        });
        installed.wait_until_asked();
        installed
    }

    fn kubectl(&self, command: &str) -> CommandOutput {
        self.env.run(command)
    }

    /// Builds the image of the server, and pushes it to the registry.
    fn push(&self, tools: &Tools) -> String {
        let image = format!("{}/trocar-admission:{}", tools.registry, self.home.name);
        let archive = self.env.folder().join("image.tar");
        // A dynamically linked program needs its libraries.
        let libraries = succeed(Command::new("ldd").arg(&tools.server));
        let libraries = libraries.split_whitespace().filter(|word| word.starts_with('/'));
        succeed(
            Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
                .current_dir(repository())
                .args(["xtask", "image"])
                .args([&archive, &tools.server])
                .args(libraries),
        );
        succeed(
            Command::new(&tools.skopeo)
                .args(["copy", "--dest-tls-verify=false"])
                .arg(format!("oci-archive:{}", archive.display()))
                .arg(format!("docker://{image}")),
        );
        fs::remove_file(archive).expect("it was written");
        image
    }

    /// The rendered chart, with webhooks for these two namespaces only.
    fn rendered(&self, tools: &Tools, image: &str) -> Value {
        let (repository_of_image, tag) = image.rsplit_once(':').expect("it has a tag");
        let config = documents::read(IMAGES.as_bytes())
            .expect("the configuration is YAML")
            .remove(0);
        let values = json!({
            "image": {"repository": repository_of_image, "tag": tag}, "tls": {"source": "helm"}, "config": config,
            "deleteHook": {"enabled": false}, "lingerSeconds": 3,
        });
        let values = self.env.write("values.json", &values.to_string());
        let rendered = succeed(
            Command::new(&tools.helm)
                .args([
                    "template",
                    &self.home.name,
                    "--namespace",
                    &self.home.name,
                    "--values",
                ])
                .arg(values)
                .arg(repository().join("host/admission/chart"))
                .env("HOME", self.env.folder()),
        );
        let mut objects = documents::read(rendered.as_bytes()).expect("the chart renders YAML");
        objects.retain(|object| !object.is_null());
        let asked = json!({"key": "kubernetes.io/metadata.name", "operator": "In", "values": [self.home.name, self.shop.name]});
        for webhook in objects
            .iter_mut()
            .filter_map(|object| object["webhooks"].as_array_mut())
            .flatten()
        {
            let expressions = &mut webhook["namespaceSelector"]["matchExpressions"];
            match expressions.as_array_mut() {
                Some(expressions) => expressions.push(asked.clone()),
                None => *expressions = json!([asked]),
            }
        }
        json!({"apiVersion": "v1", "kind": "List", "items": objects})
    }

    fn add(&self, name: &str, image: &str) -> Result<Value, String> {
        let path = format!("{}/web/ephemeralcontainers?dryRun=All", self.shop.path("pods"));
        let request = Request::patch(path).header("content-type", "application/strategic-merge-patch+json");
        let body = json!({"spec": {"ephemeralContainers": [{"name": name, "image": image}]}});
        let sent = self.shop.cluster.send_as_is(request, &body);
        sent.map_err(|error| error.to_string())
    }

    /// Waits: API servers see webhooks and the service's pods with some delay.
    fn wait_until_asked(&self) {
        let began = Instant::now();
        loop {
            match self.add("probe", OTHER_IMAGE) {
                Err(told) if told.contains(DENIES) => return,
                told => assert!(began.elapsed() < PATIENCE, "the webhook never denies: {told:?}"),
            }
        }
    }

    /// The server's pods that are ready and not being deleted.
    fn replicas(&self) -> Vec<String> {
        let pods = self
            .home
            .cluster
            .read(&self.home.path("pods"))
            .expect("pods can be listed");
        let is_ready = |pod: &&Value| {
            let conditions = pod["status"]["conditions"].as_array();
            let mut conditions = conditions.into_iter().flatten();
            pod["metadata"]["deletionTimestamp"].is_null()
                && conditions.any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
        };
        let pods = pods["items"].as_array().into_iter().flatten().filter(is_ready);
        pods.map(|pod| text(&pod["metadata"]["name"])).collect()
    }
}

impl Drop for Installed<'_> {
    fn drop(&mut self) {
        drop(self.kubectl("delete --ignore-not-found --wait=false --filename objects.json"));
    }
}

fn a_replica_is_ended(cluster: &Cluster) {
    let tools = match Tools::find() {
        Ok(tools) => tools,
        Err(missing) => return skipped(&format!("the chart's server was not tried: {missing}")),
    };
    let installed = Installed::new(cluster, &tools);
    let image = cluster.image.clone();
    // The server's own namespace is not an exception.
    let before = installed.replicas();
    let own = format!(
        "debug --namespace={} {} -c dbg -q",
        installed.home.name, before[0]
    );
    let output = installed.kubectl(&format!("{own} --image={OTHER_IMAGE}"));
    assert!(output.code != 0 && output.stderr.contains(DENIES), "{output}");
    assert_eq!(installed.kubectl(&format!("{own} --image={image}")).code, 0);

    let (is_over, count) = (AtomicBool::new(false), AtomicUsize::new(0));
    let load = || {
        while !is_over.load(Ordering::Relaxed) {
            let allowed = installed.add("good", &image);
            assert!(allowed.is_ok(), "{allowed:?}");
            let denied = installed.add("bad", OTHER_IMAGE).expect_err("it is not approved");
            assert!(denied.contains("is not approved"), "{denied}");
            count.fetch_add(2, Ordering::Relaxed);
        }
    };
    thread::scope(|scope| {
        let clients = [scope.spawn(load), scope.spawn(load)];
        for gone in &before {
            installed.home.cluster.wait_for(
                &installed.home.path_of("apps", "deployments"),
                &installed.home.name,
                "ready again",
                |deployment| (deployment["status"]["readyReplicas"] == 2).then_some(()),
            );
            let output = installed.kubectl(&format!(
                "delete pod --namespace={} --wait {gone}",
                installed.home.name
            ));
            assert_eq!(output.code, 0, "{output}");
            if clients.iter().any(|client| client.is_finished()) {
                break;
            }
        }
        is_over.store(true, Ordering::Relaxed);
        for client in clients {
            client
                .join()
                .expect("no request is lost, and none answered wrong");
        }
    });
    assert!(count.load(Ordering::Relaxed) > 0);
    let after = installed.replicas();
    assert!(
        before.iter().all(|gone| !after.contains(gone)),
        "{before:?} {after:?}"
    );
}
