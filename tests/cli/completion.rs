//! Completion: the program's answers, and their effect in real shells on a terminal.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Command};

use serde_json::{Value, json};
use trocar_test_support::{Answer, FakeApiServer, Fault, Gate, Terminal, TestEnv, kubeconfig, skipped};

use crate::{TROCAR, node, offline, online, pod};

/// Pods, a node, a workload and a namespace; and an earlier debug with its image.
fn scene() -> (TestEnv, FakeApiServer) {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}});
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "front", "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}}});
    let (env, server) = online([
        pod("web-0"),
        pod("web-1"),
        pod("db-0"),
        node("n1"),
        namespace,
        deployment,
    ]);
    let output = env.run("debug db-0 --image=busybox:1.36 -c dbg");
    assert_eq!(output.code, 0, "{output}");
    (env, server)
}

/// The candidates, without descriptions.
fn next(env: &TestEnv, line: &str) -> String {
    let output = env.run_with(std::iter::once("__complete").chain(line.split(' ')));
    assert_eq!((output.stderr.as_str(), output.code), ("", 0), "{line}: {output}");
    let values = output
        .stdout
        .lines()
        .map(|line| line.split('\t').next().unwrap_or_default());
    values.collect::<Vec<_>>().join(" ")
}

#[test]
fn names_come_from_the_cluster_of_the_line_and_its_namespace() {
    let (env, server) = scene();
    for (line, wanted) in [
        ("debug w", "web-0 web-1 :4"),
        ("debug node/", "node/n1 :4"),
        ("debug deploy/f", "deploy/front :4"),
        ("debug no", "node/ :6"),
        ("debug web-0 --target=", "--target=app :4"),
        ("debug deploy/front --copy-to=c -c ", "app :4"),
        ("debug deploy/front -c ", ":4"),
        ("clean ", ":4"),
        ("debug web-0 --copy-to=c --set-image=", "--set-image=app= :6"),
        ("debug -n ", "shop :4"),
        ("sessions --namespace=s", "--namespace=shop :4"),
        ("--context ", "test :4"),
        ("debug --image=", "--image=busybox:1.36 :4"),
        ("attach ", "pod/db-0:dbg :4"),
        ("plugin inspect e", "ephemeral :4"),
        ("debug --strategy=c", "--strategy=copy :4"),
        ("debug --policy=r", "--policy=require-reason :4"),
        ("debug --custom=", ":0"),
        ("debug web-0 -- s", ":4"),
        ("debug --nope=x", ":4"),
    ] {
        assert_eq!(next(&env, line), wanted, "{line}");
    }
    server.put(pod_in("shop", "cart-0"));
    assert_eq!(next(&env, "debug -n shop c"), "cart-0 cronjob/ :4");
    assert_eq!(next(&env, "-n shop debug ca"), "cart-0 :4");
}

fn pod_in(namespace: &str, name: &str) -> Value {
    let mut pod = pod(name);
    pod["metadata"]["namespace"] = json!(namespace);
    pod
}

#[test]
fn a_table_is_asked_for_and_never_more_than_a_page() {
    let (env, server) = scene();
    next(&env, "debug w");
    let list = server.wait_for_request("GET", "/namespaces/default/pods");
    assert!(list.headers["accept"].contains("as=Table"), "{list:?}");
    assert_eq!(
        (list.query["limit"].as_str(), list.query["includeObject"].as_str()),
        ("500", "None")
    );
}

#[test]
fn a_cluster_that_does_not_answer_or_refuses_is_silence() {
    let (env, server) = scene();
    let gate = Gate::new();
    server.inject(Fault::new("GET", "/pods", Answer::After(gate.clone())).times(1));
    assert_eq!(next(&env, "debug w"), ":4");
    gate.open();
    server.inject(Fault::new("GET", "/pods", Answer::forbidden("no")));
    assert_eq!(next(&env, "debug no"), "node/ :6");
    server.goes_down();
    assert_eq!(next(&env, "debug -n "), ":4");
    assert_eq!(next(&offline(), "debug w"), ":4");
}

#[test]
fn a_line_that_makes_no_sense_and_files_that_are_broken_are_silence() {
    let (mut env, _server) = scene();
    for line in [
        "",
        "-",
        "--",
        "debug --",
        "nope nope",
        "debug -itx",
        "debug --as-group",
        "\u{7f} \u{1b}",
    ] {
        next(&env, line);
    }
    assert_eq!(env.run("__complete").stderr, "");
    let broken = env.write("broken", "{").display().to_string();
    env.set("KUBECONFIG", &broken);
    assert_eq!(next(&env, "debug w"), ":4");
    assert_eq!(next(&env, "debug --context="), ":4");
}

/// Hostile names of objects, and their effect on a command line if unquoted.
#[test]
fn a_context_that_a_shell_would_run_is_not_offered() {
    let mut env = offline();
    let mut config = kubeconfig("http://127.0.0.1:1");
    let named = |name: &str| json!({"name": name, "context": {"cluster": "test", "user": "test"}});
    config["contexts"] = json!([named("$(touch pwned)"), named("a b"), named("me@prod")]);
    let file = env.write("kubeconfig", &config.to_string()).display().to_string();
    env.set("KUBECONFIG", &file);
    assert_eq!(next(&env, "debug --context="), "--context=me@prod :4");
}

/// A kubeconfig whose credential plugin is a script that records its calls and returns a token.
fn with_plugin(mode: &str) -> (TestEnv, FakeApiServer) {
    let (mut env, server) = scene();
    let script = env.write(
        "login",
        "#!/bin/sh\necho \"$KUBERNETES_EXEC_INFO\" >> ran\nread line && echo \"got $line\" >> ran\n\
         (: < /dev/tty) 2>/dev/null && echo has a terminal >> ran\n[ -n \"$DISPLAY\" ] && echo has a display >> ran\n\
         echo 'asks for a password' >&2\n\
         echo '{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{\"token\":\"canary-token\"}}'\n",
    );
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let mut config = kubeconfig(&server.url());
    config["users"] = json!([{"name": "test", "user": {"exec": {"apiVersion": "client.authentication.k8s.io/v1",
        "command": script.display().to_string(), "interactiveMode": mode}}}]);
    let file = env.write("kubeconfig", &config.to_string()).display().to_string();
    env.set("KUBECONFIG", &file);
    env.set("DISPLAY", ":0");
    (env, server)
}

#[test]
fn a_credential_plugin_that_must_ask_is_not_run_and_no_other_can_ask() {
    let (env, _server) = with_plugin("Always");
    let mut terminal = env.start_on_terminal("__complete debug w");
    terminal.wait();
    assert!(!env.folder().join("ran").exists());
    let (env, _server) = with_plugin("IfAvailable");
    let mut terminal = env.start_on_terminal("__complete debug w");
    terminal.wait();
    let shown = terminal.read_to_end();
    // Credentials go over TLS only, so this server gets no request; but the plugin may have been run.
    let ran = fs::read_to_string(env.folder().join("ran")).unwrap_or_default();
    for wrong in ["\"interactive\":true", "got ", "has a terminal", "has a display"] {
        assert!(!ran.contains(wrong), "{ran}");
    }
    for wrong in ["password", "canary"] {
        assert!(!shown.contains(wrong), "{shown}");
    }
}

#[test]
fn no_credential_is_ever_a_candidate() {
    let mut env = offline();
    let mut config = kubeconfig("https://u:canary-url@127.0.0.1:1");
    config["users"] = json!([{"name": "test", "user": {"token": "canary-token", "username": "canary-name", "password": "canary-password",
        "client-key-data": "Y2FuYXJ5"}}]);
    let file = env.write("kubeconfig", &config.to_string()).display().to_string();
    env.set("KUBECONFIG", &file);
    for line in [
        "debug --token=",
        "debug --token ",
        "--token=canary-typed debug ",
        "debug --user=",
        "debug --username=",
        "debug --password=",
        "debug --cluster=",
        "debug --server=",
        "debug --client-key=",
        "debug --token=canary-typed --",
    ] {
        let output = env.run_with(std::iter::once("__complete").chain(line.split(' ')));
        assert!(!output.to_string().contains("canary"), "{line}: {output}");
    }
    assert_eq!(next(&env, "debug --user="), "--user=test :4");
}

/// A shell on a terminal, in which `trocar` prints its arguments, and completes like the real one.
struct Shell(Terminal);

impl Shell {
    /// Starts a shell. Prints `SKIPPED` and returns none if it is not installed.
    fn start(env: &TestEnv, shell: &str, arguments: &[&str], load: &str) -> Option<Self> {
        if Command::new(shell).arg("--version").output().is_err() {
            skipped(&format!(
                "completion of {shell} was not driven: it is not installed"
            ));
            return None;
        }
        let bin = env.folder().join("bin");
        fs::create_dir_all(&bin).unwrap();
        let stand_in = bin.join("trocar");
        let text = format!(
            "#!/bin/sh\ncase \"$1\" in __complete|completion) exec {TROCAR} \"$@\";; esac\necho \"called: [$*]\"\n"
        );
        // Renamed into place: a file that is open for writing cannot be executed.
        fs::write(bin.join("draft"), text).unwrap();
        fs::set_permissions(bin.join("draft"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(bin.join("draft"), stand_in).unwrap();
        let alone = env.command([""; 0]);
        let mut command = Command::new(shell);
        command.args(arguments).current_dir(env.folder()).env_clear();
        for (name, value) in alone.get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        command
            .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
            .env("PS1", "> ")
            .env("LC_ALL", "C.UTF-8");
        let mut terminal = Terminal::start(command, 200, 50);
        terminal.write(&format!("{load}; echo load''ed\r"));
        terminal.read_until("loaded");
        Some(Self(terminal))
    }

    /// Types keys, and checks the arguments that the program gets.
    fn check(&mut self, keys: &str, wanted: &str) {
        self.0.write(&format!("{keys}\r"));
        let shown = self.0.read_until("called: [");
        let rest = self.0.read_until("]");
        assert!(
            rest.starts_with(wanted) && rest.ends_with(&format!("{wanted}]")),
            "{keys:?}: {shown}{rest}"
        );
    }
}

/// Checks the same keys in every shell.
fn drive(shell: &str, arguments: &[&str], load: &str) {
    let (env, _server) = scene();
    env.write("custom.yaml", "");
    let Some(mut shell) = Shell::start(&env, shell, arguments, load) else {
        return;
    };
    for (keys, wanted) in [
        ("trocar deb\tx", "debug x"),
        ("trocar debug db\t", "debug db-0"),
        ("trocar debug -n sh\t", "debug -n shop"),
        ("trocar -n default debug db\t", "-n default debug db-0"),
        ("trocar debug db-0 --target=a\t", "debug db-0 --target=app"),
        (
            "trocar debug db-0 --image=busyb\t",
            "debug db-0 --image=busybox:1.36",
        ),
        (
            "trocar debug db-0 --image busybox:1.\t",
            "debug db-0 --image busybox:1.36",
        ),
        ("trocar debug --profile=res\t", "debug --profile=restricted"),
        ("trocar debug --same\t", "debug --same-node"),
        ("trocar debug nod\tn\t", "debug node/n1"),
        ("trocar attach pod/db-0:\t", "attach pod/db-0:dbg"),
        ("trocar debug --custom=cust\t", "debug --custom=custom.yaml"),
        ("trocar --context te\t", "--context test"),
    ] {
        shell.check(keys, wanted);
    }
}

#[test]
fn bash_completes() {
    let load = "source <(trocar completion bash)";
    drive("bash", &["--norc", "--noprofile", "-i"], load);
}

#[test]
fn zsh_completes() {
    let load = "autoload -U compinit; compinit -u -d dump; source <(trocar completion zsh)";
    drive("zsh", &["-f", "-i"], load);
}

#[test]
fn fish_completes() {
    drive("fish", &["--no-config", "-i"], "trocar completion fish | source");
}

#[test]
fn kubectl_has_its_own_script() {
    let script = offline().run("completion kubectl").stdout;
    assert!(
        script.starts_with("#!/bin/sh\n") && script.ends_with("exec trocar __complete \"$@\"\n"),
        "{script}"
    );
    for shell in ["bash", "zsh", "fish", "powershell"] {
        assert!(
            offline()
                .run(&format!("completion {shell}"))
                .stdout
                .contains("__complete"),
            "{shell}"
        );
    }
}
