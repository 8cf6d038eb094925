//! Wrong files and flags: each error has the place and what was probably meant.

use expect_test::expect;

use crate::{POD_YAML, check, offline};

const IMAGE: &str = "--image=busybox:1.36";

#[track_caller]
fn check_file(text: &str, wanted: &str) {
    let env = offline();
    env.write("pod.yaml", text);
    check(&env.run(&format!("plan -f pod.yaml {IMAGE}")), wanted);
}

#[test]
fn malformed_yaml() {
    check_file(
        "kind: Pod\nmetadata: [\n",
        r"--- stderr ---
error: pod.yaml: line 2, column 11: unclosed bracket '['
--- exit code 1 ---
",
    );
}

#[test]
fn malformed_json() {
    check_file(
        "{\n \"kind\": \"Pod\",,\n}",
        r"--- stderr ---
error: pod.yaml: line 2, column 16: key must be a string
--- exit code 1 ---
",
    );
}

#[test]
fn a_key_that_stands_twice() {
    check_file(
        &format!("{POD_YAML}kind: Node\n"),
        r"--- stderr ---
error: pod.yaml: line 9, column 1: duplicate mapping key: kind
--- exit code 1 ---
",
    );
}

#[test]
fn another_kind() {
    check_file(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n",
        r#"--- stderr ---
error: "/v1, Kind=ConfigMap" not supported by debug
--- exit code 1 ---
"#,
    );
}

#[test]
fn nothing_at_all() {
    check_file(
        "",
        r"--- stderr ---
error: pod.yaml: it holds no object
hint: kubectl get pod NAME -o yaml writes such a file
--- exit code 1 ---
",
    );
    check_file(
        "# only a comment\n---\n",
        r"--- stderr ---
error: pod.yaml: it holds no object
hint: kubectl get pod NAME -o yaml writes such a file
--- exit code 1 ---
",
    );
}

#[test]
fn no_object() {
    check_file(
        "just text\n",
        r"--- stderr ---
error: pod.yaml: it does not hold an object
hint: kubectl get pod NAME -o yaml writes such a file
--- exit code 1 ---
",
    );
    check_file(
        "metadata: {name: x}\n",
        r#"--- stderr ---
error: unable to decode "pod.yaml": Object 'Kind' is missing in '{"metadata":{"name":"x"}}'
--- exit code 1 ---
"#,
    );
}

#[test]
fn a_pod_that_is_none() {
    check_file(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: Web_0}\nspec: {}\n",
        r#"--- stderr ---
error: pod.yaml: Pod has no valid name: "Web_0"
--- exit code 1 ---
"#,
    );
    check_file(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: {}}\n",
        r"--- stderr ---
error: pod.yaml: Pod is malformed: spec.containers is not a list
--- exit code 1 ---
",
    );
}

#[test]
fn bytes_that_are_no_text() {
    let env = offline();
    env.write_bytes("pod.yaml", b"kind: \xff\xfe\n");
    check(
        &env.run(&format!("plan -f pod.yaml {IMAGE}")),
        expect![[r#"
            --- stderr ---
            error: pod.yaml: the text is not UTF-8 (at byte 6)
            --- exit code 1 ---
        "#]],
    );
}

#[test]
fn a_file_of_50_megabytes() {
    let env = offline();
    env.write_bytes("pod.yaml", &vec![b'#'; 50 << 20]);
    check(
        &env.run(&format!("plan -f pod.yaml {IMAGE}")),
        expect![[r#"
            --- stderr ---
            error: pod.yaml is larger than the 16 MiB that are read
            --- exit code 1 ---
        "#]],
    );
    check(
        &env.run(&format!("plan -f web.yaml {IMAGE} --custom=pod.yaml")),
        expect![[r#"
            --- stderr ---
            error: pod.yaml does not contain a valid container spec: the text is 52428800 bytes long; at most 16777216 are read
            --- exit code 1 ---
        "#]],
    );
}

#[test]
fn a_missing_file() {
    check(
        &offline().run(&format!("plan -f nofile.yaml {IMAGE}")),
        expect![[r#"
            --- stderr ---
            error: the path "nofile.yaml" does not exist
            --- exit code 1 ---
        "#]],
    );
    check(
        &offline().run(&format!("plan -f x {IMAGE} --custom=nofile.yaml")),
        expect![[r#"
            --- stderr ---
            error: must pass a container spec json file for custom profile: open nofile.yaml: no such file or directory
            --- exit code 1 ---
        "#]],
    );
}

#[test]
fn a_folder_without_objects() {
    let env = offline();
    env.write("notes.txt", "x");
    check(
        &env.run(&format!("plan -f . {IMAGE}")),
        expect![[r#"
            --- stderr ---
            error: error reading [.]: recognized file extensions are [.json .yaml .yml]
            --- exit code 1 ---
        "#]],
    );
}

#[track_caller]
fn check_flags(flags: &str, wanted: &str) {
    let env = offline();
    env.write("pod.yaml", POD_YAML);
    check(&env.run(&format!("plan -f pod.yaml {flags}")), wanted);
}

#[test]
fn an_unknown_flag() {
    check_flags(
        "--imge=x",
        r"--- stderr ---
error: unknown flag: --imge
hint: did you mean --image?
hint: see 'trocar plan --help' for usage
--- exit code 2 ---
",
    );
}

#[test]
fn an_unknown_value() {
    check_flags(
        "--image=a --profile=genaral",
        r"--- stderr ---
error: unknown profile: genaral
--- exit code 2 ---
",
    );
    check_flags(
        "--image=a -o yml",
        r#"--- stderr ---
error: invalid argument "yml" for "--output" flag: it must be one of yaml, json, manifest, diff, name
hint: did you mean yaml?
hint: see 'trocar plan --help' for usage
--- exit code 2 ---
"#,
    );
    check_flags(
        "--image=a --image-pull-policy=Sometimes",
        r"--- stderr ---
error: invalid image pull policy: Sometimes
--- exit code 2 ---
",
    );
    check_flags(
        "--image=a --quiet=perhaps",
        r#"--- stderr ---
error: invalid argument "perhaps" for "--quiet" flag: strconv.ParseBool: parsing "perhaps": invalid syntax
hint: see 'trocar plan --help' for usage
--- exit code 2 ---
"#,
    );
}

#[test]
fn an_invalid_image() {
    check_flags(
        "--image=Bad/Image",
        r#"--- stderr ---
error: invalid image name "Bad/Image": invalid reference format
--- exit code 2 ---
"#,
    );
    check_flags(
        "--copy-to=c --set-image=app=Bad/Image",
        r#"--- stderr ---
error: invalid image name "Bad/Image" for container "app": invalid reference format
--- exit code 2 ---
"#,
    );
}

#[test]
fn names_that_cannot_be() {
    check_flags(
        "--image=a -c Debug_1",
        r#"--- stderr ---
error: --container="Debug_1": a container's name is up to 63 lower-case letters, digits and dashes between them
--- exit code 2 ---
"#,
    );
    check_flags(
        "--image=a --copy-to=Copy",
        r#"--- stderr ---
error: --copy-to="Copy": a pod's name is up to 253 lower-case letters and digits, with dashes and dots between them
--- exit code 2 ---
"#,
    );
    check_flags(
        "--image=a -c app",
        r#"--- stderr ---
error: pod "web-0" already has a container named "app"; the names taken are "app"
--- exit code 1 ---
"#,
    );
    check_flags(
        "--image=a --target=ap",
        r#"--- stderr ---
error: --target=ap: pod "web-0" has no such container; it has "app"
--- exit code 1 ---
"#,
    );
    check_flags(
        "--copy-to=c --set-image=ap=a:2",
        r#"--- stderr ---
error: --set-image=ap=…: "ap" is not a container of the pod; did you mean "app"? (containers: "app")
--- exit code 1 ---
"#,
    );
    check_flags(
        "--image=a --suffix=ABC",
        r#"--- stderr ---
error: --suffix: "ABC" is not 1 to 20 lower-case letters and digits
--- exit code 2 ---
"#,
    );
}

#[test]
fn flags_that_do_not_go_together() {
    check_flags(
        "--image=a -t",
        r"--- stderr ---
error: -i/--stdin is required for containers with -t/--tty=true
--- exit code 2 ---
",
    );
    check_flags(
        "",
        r"--- stderr ---
error: you must specify --image when not using --copy-to.
--- exit code 2 ---
",
    );
    check_flags(
        "--image=a --replace",
        r"--- stderr ---
error: --replace may only be used with --copy-to.
--- exit code 2 ---
",
    );
}

#[track_caller]
fn check_custom(custom: &str, wanted: &str) {
    let env = offline();
    env.write("pod.yaml", POD_YAML);
    env.write("custom.yaml", custom);
    check(
        &env.run(&format!("plan -f pod.yaml {IMAGE} --custom=custom.yaml")),
        wanted,
    );
}

#[test]
fn a_custom_container_that_is_wrong() {
    check_custom(
        "securityContext:\n  runAsUser: 0\n  privilegd: true\n",
        r#"--- stderr ---
error: custom.yaml does not contain a valid container spec: line 3, column 3: securityContext.privilegd: unknown field; did you mean "privileged"?
--- exit code 1 ---
"#,
    );
    check_custom(
        "env:\n- name: A\n  valeu: x\n",
        r#"--- stderr ---
error: custom.yaml does not contain a valid container spec: line 3, column 3: env.0.valeu: unknown field; did you mean "value"?
--- exit code 1 ---
"#,
    );
    check_custom(
        "env: no\n",
        r"--- stderr ---
error: custom.yaml does not contain a valid container spec: line 1, column 1: env: invalid type: boolean `false`, expected a sequence
--- exit code 1 ---
",
    );
    check_custom(
        "env: [\n",
        r"--- stderr ---
error: custom.yaml does not contain a valid container spec: line 1, column 6: unclosed bracket '['
--- exit code 1 ---
",
    );
    check_custom(
        "[]\n",
        r"--- stderr ---
error: custom.yaml does not contain a valid container spec: line 1, column 1: it must be an object
--- exit code 1 ---
",
    );
    check_custom(
        "a: &a [x]\nb: *c\n",
        r"--- stderr ---
error: custom.yaml does not contain a valid container spec: line 2, column 4: alias references unknown anchor
--- exit code 1 ---
",
    );
}

#[test]
fn a_custom_container_that_says_what_it_may_not() {
    check_custom(
        "name: x\n",
        r"--- stderr ---
error: name, command, image, lifecycle and volume devices are not modifiable via custom profile
--- exit code 2 ---
",
    );
    check_custom(
        "ports:\n- containerPort: 80\n",
        r#"--- stderr ---
error: --custom sets "ports", which an ephemeral container cannot have; a copy of the pod can (--copy-to=NAME)
--- exit code 1 ---
"#,
    );
    check_custom(
        "targetContainerName: app\n",
        r"--- stderr ---
error: custom.yaml does not contain a valid container spec: line 1, column 1: targetContainerName: unknown field; which container to join is an option of the request
hint: --target=CONTAINER names the container to join
--- exit code 1 ---
",
    );
}

#[test]
fn a_plugin_that_is_wrong() {
    check_flags(
        "--image=a --strategy=copi",
        r#"--- stderr ---
error: there is no plugin named "copi"; the default plugins are approved-images, copy, ephemeral, node, privilege-ceiling, protected-targets, require-reason, session-limits
hint: to use a file, name its path: ./NAME.wasm
--- exit code 1 ---
"#,
    );
    check_flags(
        "--image=a --strategy=./none.wasm",
        r"--- stderr ---
error: cannot read the plugin ./none.wasm: No such file or directory (os error 2)
hint: trocar plugin list shows the plugins that can be used by name
--- exit code 1 ---
",
    );
    check_flags(
        "--image=a --strategy=./pod.yaml",
        r#"--- stderr ---
error: plugin "./pod.yaml": this is not a WebAssembly component: it does not start with a WebAssembly header
hint: a plugin is the .wasm file that trocar plugin build or trocar plugin pack writes
--- exit code 1 ---
"#,
    );
    check_flags(
        "--image=a --set=x=1",
        r#"--- stderr ---
error: --set: plugin "ephemeral" has no settings
hint: trocar plugin inspect ephemeral shows its settings
--- exit code 2 ---
"#,
    );
    check_flags(
        "--image=a --limit=tiem=5s",
        r#"--- stderr ---
error: --limit: unknown limit "tiem"; the limits are time, memory, table-elements, host-calls, data, result, log, component, compile-time
--- exit code 2 ---
"#,
    );
    check_flags(
        "--image=a --limit=time=soon",
        r#"--- stderr ---
error: --limit: "soon" must be a positive whole number with a unit: ms, s or m
--- exit code 2 ---
"#,
    );
    check_flags(
        "--image=a --grant=everything",
        r#"--- stderr ---
error: --grant: unknown capability "everything"; there is "cluster-read"
--- exit code 2 ---
"#,
    );
}

#[test]
fn no_target() {
    check(
        &offline().run("plan --image=a"),
        expect![[r#"
            --- stderr ---
            error: NAME or filename is required for debug
            --- exit code 2 ---
        "#]],
    );
}
