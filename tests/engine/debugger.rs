//! The library as embedded by programs, against a server: everything between an approval and a session.

use kube::Config as KubeConfig;
use serde_json::{Value, json};
use trocar::{
    ApplyError, Approved, Config, Context, DebugOptions, DebugRequest, Debugger, Engine, EngineConfig,
    cluster::{Cluster, ClusterConfig},
    reference::Reference,
};
use trocar_test_support::{Answer, FakeApiServer, Fault};

fn server() -> FakeApiServer {
    FakeApiServer::start([json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "web-0", "namespace": "default"},
        "spec": {"containers": [{"name": "app", "image": "app:1"}]},
    })])
}

fn debugger(server: &FakeApiServer) -> Debugger {
    let config = KubeConfig::new(server.url().parse().unwrap());
    let cluster = Cluster::new(ClusterConfig::from_kube(config)).unwrap();
    let context = Context {
        namespace: "default".into(),
        suffix: "abc12".into(),
        time: "2026-01-01T00:00:00Z".into(),
    };
    Debugger::new(cluster, Engine::new(EngineConfig::default()).unwrap(), context)
}

async fn approved(debugger: &mut Debugger) -> Approved {
    let target = debugger.find(&Reference::parse("web-0").unwrap()).await.unwrap();
    let request = DebugRequest::new(DebugOptions {
        image: Some("busybox:1.36".into()),
        ..DebugOptions::default()
    });
    let draft = debugger.plan(&request, &target).await.unwrap();
    draft
        .approve(|_| panic!("a default plugin gives nothing beyond the flags"))
        .unwrap()
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(test);
}

#[test]
fn an_approval_is_good_for_the_debugger_and_the_rules_that_it_was_made_by() {
    run(async {
        let server = server();
        let mut debugger = debugger(&server);
        let foreign = approved(&mut self::debugger(&server)).await;
        let refused = debugger.apply(foreign).await;
        assert!(matches!(refused, Err(ApplyError::OtherDebugger)));

        let earlier = approved(&mut debugger).await;
        let mut debugger = debugger.with_config(&Config::default());
        let refused = debugger.apply(earlier).await;
        assert!(matches!(refused, Err(ApplyError::OtherDebugger)));
        assert!(server.writes().is_empty());

        let own = approved(&mut debugger).await;
        assert!(debugger.apply(own).await.is_ok());
        assert_eq!(server.writes().len(), 1);
    });
}

#[test]
fn differences_in_what_was_stored_are_returned() {
    run(async {
        let server = server();
        server.inject(Fault::new(
            "PATCH",
            "/ephemeralcontainers",
            Answer::stored_as(|pod| {
                let containers = pod["spec"]["ephemeralContainers"].as_array_mut();
                for container in containers.into_iter().flatten() {
                    container["securityContext"] = json!({"privileged": true});
                }
            }),
        ));
        let mut debugger = debugger(&server);
        let approved = approved(&mut debugger).await;
        let applied = debugger.apply(approved).await.unwrap();
        let places: Vec<&str> = applied
            .stored_otherwise()
            .unwrap()
            .differences
            .iter()
            .map(|difference| difference.place.as_str())
            .collect();
        assert_eq!(places, ["/spec/ephemeralContainers/0/securityContext/privileged"]);
        let stored: &Value = &applied.pod()["spec"]["ephemeralContainers"][0];
        assert_eq!(stored["securityContext"]["privileged"], true);
    });
}
