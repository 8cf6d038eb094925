//! `--inherit`, `--as-root` and pod-wide flags: the plans, what policies see of them, and refusals.

use serde_json::{Value, json};
use trocar_test_support::TestEnv;

use crate::{configure, offline, online, pod, touched};

/// A pod whose container has a variable of a Secret, and runs as a user.
fn target(env: &TestEnv) {
    let mut target = pod("web-0");
    target["spec"]["containers"][0]["env"] =
        json!([{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "k"}}}]);
    target["spec"]["securityContext"] = json!({"runAsUser": 1000});
    env.write("pod.json", &target.to_string());
}

fn planned(env: &TestEnv, flags: &str) -> Value {
    let output = env.run(&format!(
        "plan -f pod.json --image=busybox:1.36 -c dbg -o json {flags}"
    ));
    assert_eq!(output.code, 0, "{flags}: {output}");
    assert!(!output.stderr.contains("more than the flags"), "{output}");
    let mut plan: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(plan.get("beyondOptions"), None, "{flags}: {plan:#}");
    plan["steps"][0]["object"].take()
}

#[test]
fn inherited_rights_are_in_the_plan_and_count_as_requested() {
    let env = offline();
    target(&env);
    let container = planned(&env, "--inherit=env,user");
    assert_eq!(container["env"][0]["valueFrom"]["secretKeyRef"]["name"], "keys");
    assert_eq!(container["securityContext"]["runAsUser"], 1000);
    let copy = planned(
        &env,
        "--copy-to=copy --inherit=env --as-root --pull-secret=registry --priority-class=high --tolerate-all",
    );
    let spec = &copy["spec"];
    assert_eq!(spec["containers"][1]["env"][0]["name"], "KEY");
    assert_eq!(spec["containers"][1]["securityContext"]["runAsUser"], 0);
    assert_eq!(spec["imagePullSecrets"], json!([{"name": "registry"}]));
    assert_eq!(
        (&spec["priorityClassName"], &spec["tolerations"]),
        (&json!("high"), &json!([{"operator": "Exists"}]))
    );
    let own = planned(&env, "--copy-to=copy -c app --as-root --inherit");
    assert_eq!(own["spec"]["containers"][0]["securityContext"]["runAsUser"], 0);
}

#[test]
fn policies_see_what_is_inherited() {
    let mut target = pod("web-0");
    target["spec"]["containers"][0]["env"] =
        json!([{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "k"}}}]);
    for (setting, flags, code) in [
        ("secrets: []", "--inherit=env", 125),
        ("secrets: []", "--inherit=workdir", 0),
        ("lowestUser: 1", "--as-root", 125),
    ] {
        let (env, server) = online([target.clone()]);
        configure(
            &env,
            &format!("policies: [{{name: privilege-ceiling, settings: {{level: baseline, {setting}}}}}]\n"),
        );
        let output = env.run(&format!(
            "debug web-0 --image=busybox:1.36 --profile=baseline {flags}"
        ));
        assert_eq!(output.code, code, "{flags}: {output}");
        assert_eq!(touched(&server).is_empty(), code != 0, "{flags}");
    }
}

#[test]
fn contradicting_and_impossible_options_are_refused_or_warned_about() {
    let env = offline();
    target(&env);
    for (flags, code, told) in [
        ("--inherit=evn", 2, "did you mean --inherit=env?"),
        (
            "--inherit=user --as-root",
            1,
            "root cannot be used together with the target's user",
        ),
        (
            "--pull-secret=registry",
            1,
            "use a copy of the pod (--copy-to=NAME)",
        ),
        ("--inherit --target=nope", 1, "nope"),
        (
            "--priority-class=high --tolerate-all",
            0,
            "--tolerate-all has no effect without --copy-to",
        ),
        (
            "--inherit=resources",
            0,
            "an ephemeral container has none of its own",
        ),
        ("--copy-to=copy -c app --inherit=env", 0, "--inherit is ignored"),
        (
            "--profile=restricted --as-root",
            0,
            "the profile restricted is for users other than root",
        ),
    ] {
        let output = env.run(&format!("plan -f pod.json --image=busybox:1.36 {flags}"));
        assert!(output.to_string().contains(told), "{flags}: {output}");
        assert_eq!(output.code == 0, code == 0, "{flags}: {output}");
    }
}
