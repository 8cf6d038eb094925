//! `trocar plan`: its output in all formats.

use std::process::Stdio;

use expect_test::expect;
use serde_json::{Value, json};

use crate::{POD_YAML, check, offline};

#[test]
fn a_plan_as_objects_for_kubectl() {
    let env = offline();
    env.write("pod.yaml", POD_YAML);
    let output = env.run("plan -f pod.yaml --image=busybox:1.36 --suffix=abcde -o manifest");
    check(
        &output,
        expect![[r#"
            # kubectl patch pod web-0 -n default --subresource=ephemeralcontainers --patch-file=FILE
            apiVersion: v1
            kind: Pod
            metadata:
              name: web-0
              namespace: default
            spec:
              ephemeralContainers:
              - image: busybox:1.36
                name: debugger-abcde
                securityContext:
                  capabilities:
                    add:
                    - SYS_PTRACE
                terminationMessagePolicy: File
            --- stderr ---
            Defaulting debug container name to debugger-abcde.
        "#]],
    );
}

#[test]
fn a_plan_as_a_diff_and_as_a_name() {
    let env = offline();
    env.write("pod.yaml", POD_YAML);
    check(
        &env.run("plan -f pod.yaml --image=busybox:1.36 -c dbg -o diff"),
        expect![[r#"
            --- a/pod/web-0
            +++ b/pod/web-0
            @@ -7,3 +7,11 @@
               containers:
               - image: registry.example/app:1
                 name: app
            +  ephemeralContainers:
            +  - image: busybox:1.36
            +    name: dbg
            +    securityContext:
            +      capabilities:
            +        add:
            +        - SYS_PTRACE
            +    terminationMessagePolicy: File
        "#]],
    );
    check(
        &env.run("plan -f pod.yaml --copy-to=copy --set-image=app=a:2 -o name"),
        expect![[r#"
            pod/copy
        "#]],
    );
}

#[test]
fn yaml_and_json_are_the_same_document() {
    let env = offline();
    env.write("pod.yaml", POD_YAML);
    let yaml = env.run("plan -f pod.yaml --image=busybox:1.36 -c dbg");
    let json = env.run("plan -f pod.yaml --image=busybox:1.36 -c dbg -o json");
    let read = |text: &str| trocar::documents::read(text.as_bytes()).unwrap();
    assert_eq!(read(&yaml.stdout), read(&json.stdout));
    assert_eq!((yaml.code, yaml.stderr.as_str()), (0, ""));
    assert_eq!(read(&yaml.stdout)[0]["kind"], "DebugPlan");
}

#[test]
fn the_same_input_gives_the_same_plan() {
    let env = offline();
    env.write("pod.yaml", POD_YAML);
    let plan = || env.run("plan -f pod.yaml --image=busybox:1.36 --suffix=abcde -o json");
    assert_eq!(plan(), plan());
}

#[test]
fn a_target_comes_from_standard_input_as_well() {
    let output = offline().run_fed("plan -f - --image=busybox:1.36 -c dbg -o name", POD_YAML);
    check(
        &output,
        expect![[r#"
            pod/web-0
        "#]],
    );
}

#[test]
fn several_documents_and_lists_are_several_targets() {
    let env = offline();
    let other = POD_YAML.replace("web-0", "web-1");
    env.write("pods.yaml", &format!("{POD_YAML}---\n{other}"));
    env.write(
        "list.json",
        r#"{"kind": "List", "apiVersion": "v1", "items": [{"kind": "Node", "apiVersion": "v1", "metadata": {"name": "n1"}}]}"#,
    );
    let output = env.run("plan -f pods.yaml,list.json --image=busybox:1.36 --suffix=abcde -o name");
    check(
        &output,
        expect![[r#"
            pod/web-0
            pod/web-1
            pod/node-debugger-n1-abcde
            --- stderr ---
            Defaulting debug container name to debugger-abcde.
            Defaulting debug container name to debugger-abcde.
            Creating debugging pod node-debugger-n1-abcde with container debugger on node n1.
        "#]],
    );
}

#[test]
fn a_reader_that_went_away_is_not_an_error() {
    let env = offline();
    env.write("pod.yaml", POD_YAML);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = env.command(["plan", "-f", "pod.yaml", "--image=busybox:1.36"]);
    let output = command
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(141));
}

#[test]
fn a_full_disk_is_reported() {
    let env = offline();
    env.write("pod.yaml", POD_YAML);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = env.command(["plan", "-f", "pod.yaml", "--image=busybox:1.36"]);
    let output = command
        .stdin(Stdio::null())
        .stdout(full)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "error: cannot write to stdout: No space left on device (os error 28)\n"
    );
    assert_eq!(output.status.code(), Some(1));
}

/// Regression: rights, names and volumes were compared pairwise, which took 39 s for half as many.
#[test]
fn a_pod_of_tens_of_thousands_of_parts_is_planned_within_seconds_of_the_processor() {
    let env = offline();
    let containers: Vec<Value> = (0..24_000)
        .map(|index| {
            let mount = json!({"name": format!("v{index}"), "mountPath": "/v"});
            json!({"name": format!("c{index}"), "image": "a", "volumeMounts": [mount]})
        })
        .collect();
    let volumes: Vec<Value> = (0..72_000)
        .map(|index| json!({"name": format!("v{index}"), "secret": {"secretName": format!("s{index}")}}))
        .collect();
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-0"},
        "spec": {"containers": containers, "volumes": volumes},
    });
    env.write("pod.json", &pod.to_string());
    for (arguments, ends) in [
        (
            "plan -f pod.json --image=busybox -o name --limit time=20s --limit memory=1Gi",
            "pod/web-0\n",
        ),
        (
            "plan -f pod.json --image=busybox --copy-to=copy -o name --limit time=20s --limit memory=1Gi",
            "",
        ),
    ] {
        let output = env.run_limited("ulimit -t 60", arguments);
        assert!(output.code < 128, "the limit was reached: {output}");
        assert!(output.stdout.ends_with(ends), "{output}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_limit_on_addresses_is_not_the_plugins_fault() {
    let env = offline();
    env.write("pod.json", &json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-0"}, "spec": {"containers": []}}).to_string());
    let output = env.run_limited("ulimit -v 1500000", "plan -f pod.json --image=busybox");
    assert_eq!(
        output.stderr,
        "error: plugin \"ephemeral 0.1.0\": not enough address space to run the plugin: Cannot allocate memory (os error 12)\n\
         hint: a plugin reserves 5 GB of address space, though it uses little memory: raise the limit (ulimit -v)\n"
    );
}
