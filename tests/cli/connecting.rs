//! Connecting to a cluster: kubeconfig, context, credentials, and misbehaving servers.

use expect_test::expect;
use trocar_test_support::{Answer, Fault, TestEnv, kubeconfig};

use crate::{TROCAR, check, check_at, offline, online, pod};

const DEBUG: &str = "debug web-0 --image=busybox:1.36 -c dbg";

#[test]
fn no_kubeconfig() {
    check(
        &offline().run(DEBUG),
        expect![[r#"
            --- stderr ---
            error: no kubeconfig was found, so the cluster is not known
            hint: set KUBECONFIG, or pass --kubeconfig=FILE or --server=URL; trocar plan works without a cluster
            --- exit code 125 ---
        "#]],
    );
}

#[test]
fn a_kubeconfig_that_cannot_be_used() {
    let mut env = offline();
    check(
        &env.run(&format!("{DEBUG} --kubeconfig=nofile")),
        expect![[r#"
            --- stderr ---
            error: the kubeconfig cannot be used: cannot read nofile: No such file or directory (os error 2)
            --- exit code 125 ---
        "#]],
    );
    let file = env.write("kubeconfig", "users:\n- name: x\n  token: [secret\n");
    env.set("KUBECONFIG", &file.display().to_string());
    check(
        &env.run(DEBUG),
        expect![[r#"
            --- stderr ---
            error: the kubeconfig cannot be used: $HOME/kubeconfig: it is not valid YAML at line 3, column 10
            --- exit code 125 ---
        "#]],
    );
    env.set("KUBECONFIG", "");
    env.write("none.crt", "no certificate");
    check(
        &env.run(&format!(
            "{DEBUG} --server=https://127.0.0.1:1 --certificate-authority=none.crt"
        )),
        expect![[r#"
            --- stderr ---
            error: the kubeconfig cannot be used: none.crt (certificate-authority) holds no certificate in PEM
            hint: such a file has a line -----BEGIN CERTIFICATE-----
            --- exit code 125 ---
        "#]],
    );
    env.set("KUBECONFIG", &file.display().to_string());
    env.write("kubeconfig", "apiVersion: v1\nkind: Config\n");
    check(
        &env.run(DEBUG),
        expect![[r#"
            --- stderr ---
            error: no kubeconfig was found, so the cluster is not known
            hint: set KUBECONFIG, or pass --kubeconfig=FILE or --server=URL; trocar plan works without a cluster
            --- exit code 125 ---
        "#]],
    );
}

#[test]
fn an_unknown_context() {
    let (env, server) = online([pod("web-0")]);
    check(
        &env.run(&format!("{DEBUG} --context=prod")),
        expect![[r#"
            --- stderr ---
            error: the kubeconfig cannot be used: there is no context "prod"
            hint: --context chooses one of test
            --- exit code 125 ---
        "#]],
    );
    assert_eq!(server.request_lines(), [""; 0]);
    assert_eq!(env.run(&format!("{DEBUG} --context=test")).code, 0);
}

#[test]
fn expired_credentials() {
    let (env, server) = online([pod("web-0")]);
    server.inject(Fault::new("GET", "/pods/web-0", Answer::unauthorized()));
    check(
        &env.run(DEBUG),
        expect![[r#"
            --- stderr ---
            error: You must be logged in to the server (Unauthorized)
            hint: the credentials from flags or kubeconfig are missing or expired: log in again
            --- exit code 125 ---
        "#]],
    );
}

#[test]
fn a_server_that_does_not_answer() {
    let (env, server) = online([pod("web-0")]);
    let port = server.port().to_string();
    drop(server);
    let mut output = env.run(DEBUG);
    output.stderr = output.stderr.replace(&port, "PORT");
    check(
        &output,
        expect![[r#"
            --- stderr ---
            The connection to the server http://127.0.0.1:PORT was refused - did you specify the right host or port?
            hint: is the cluster up, and is this the right context? kubectl config get-contexts lists them
            --- exit code 125 ---
        "#]],
    );
}

#[test]
fn a_plain_server_behind_a_secure_address() {
    let (_, server) = online([pod("web-0")]);
    let env = TestEnv::with_server(TROCAR, &server.url().replace("http:", "https:"));
    check_at(
        &env.run(DEBUG),
        &server,
        expect![[r#"
            --- stderr ---
            Unable to connect to the server: received corrupt message of type InvalidContentType
            hint: the server there does not speak TLS: is the address in the kubeconfig right?
            --- exit code 125 ---
        "#]],
    );
}

#[test]
fn credentials_of_a_program_that_is_not_there() {
    let (env, server) = online([pod("web-0")]);
    let mut config = kubeconfig(&server.url().replace("http:", "https:"));
    config["users"][0]["user"] = serde_json::json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1",
        "command": "no-such-login-tool", "interactiveMode": "Never"}});
    env.write("kubeconfig", &config.to_string());
    check(
        &env.run(DEBUG),
        expect![[r#"
            --- stderr ---
            error: no credentials for the server: credential plugin "no-such-login-tool" is not installed
            hint: install no-such-login-tool, or change the command in the kubeconfig: it is looked for in PATH
            --- exit code 125 ---
        "#]],
    );
}

#[test]
fn answers_that_make_no_sense() {
    for (answer, wanted) in [
        (
            Answer::text(200, "{\"kind\": \"Po"),
            r#"--- stderr ---
error: the server's answer is not valid: get pods "web-0" in namespace "default": EOF while parsing a string at line 1 column 12
--- exit code 125 ---
"#,
        ),
        (
            Answer::text(502, "<html>bad gateway</html>"),
            r"--- stderr ---
Error from server: <html>bad gateway</html>
hint: the server is busy or restarting: try again in a moment
--- exit code 125 ---
",
        ),
        (
            Answer::Half,
            r#"--- stderr ---
error: the connection broke: get pods "web-0" in namespace "default": error reading a body from connection: end of file before message length reached
--- exit code 125 ---
"#,
        ),
        (
            Answer::Cut,
            r#"--- stderr ---
error: the connection broke: get pods "web-0" in namespace "default": connection closed before message completed
--- exit code 125 ---
"#,
        ),
    ] {
        let (env, server) = online([pod("web-0")]);
        server.inject(Fault::new("GET", "/pods/web-0", answer));
        check_at(&env.run(DEBUG), &server, wanted);
        assert!(server.writes().is_empty());
    }
}

#[test]
fn answers_of_another_shape_are_errors() {
    let shapes = [
        "[]",
        "5",
        "\"text\"",
        "null",
        "{}",
        "{\"items\": 5}",
        "{\"items\": [5, [], null]}",
        "{\"kind\": [], \"items\": [{}]}",
        "{\"metadata\": []}",
    ];
    for shape in shapes {
        for (method, path, command) in [
            ("GET", "/pods", "debug -l app=web --image=busybox:1.36"),
            ("GET", "/pods/web-0", DEBUG),
            ("GET", "/deployments/web", "debug deploy/web --image=busybox:1.36"),
        ] {
            let (env, server) = online([pod("web-0")]);
            server.inject(Fault::new(method, path, Answer::text(200, shape)));
            let output = env.run(command);
            assert_eq!(
                (output.code, output.stdout.as_str()),
                (125, ""),
                "{shape}: {output}"
            );
            assert!(server.writes().is_empty(), "{shape}: {output}");
        }
        let (env, server) = online([pod("web-0")]);
        crate::configure(&env, "audit: [{sink: stderr}]\n");
        server.inject(Fault::new(
            "POST",
            "/selfsubjectreviews",
            Answer::text(201, shape),
        ));
        let output = env.run(DEBUG);
        assert_eq!(
            output.code, 0,
            "the server does not say who asks: {shape}: {output}"
        );
    }
}

#[test]
fn a_busy_server_is_reported_before_anything_is_written() {
    for (answer, wanted) in [
        (
            Answer::too_many_requests(1),
            r"--- stderr ---
Error from server (TooManyRequests): too many requests, please try again later
hint: the server is busy or restarting: try again in a moment
--- exit code 125 ---
",
        ),
        (
            Answer::unavailable(),
            r"--- stderr ---
Error from server (ServiceUnavailable): apiserver is shutting down
hint: the server is busy or restarting: try again in a moment
--- exit code 125 ---
",
        ),
    ] {
        let (env, server) = online([pod("web-0")]);
        server.inject(Fault::new("GET", "/pods/web-0", answer));
        check(&env.run(DEBUG), wanted);
        assert!(server.writes().is_empty());
    }
}

#[test]
fn an_answer_that_does_not_come() {
    let (env, server) = online([pod("web-0")]);
    let gate = trocar_test_support::Gate::new();
    server.inject(Fault::new("GET", "/pods/web-0", Answer::After(gate.clone())));
    check(
        &env.run(&format!("{DEBUG} --request-timeout=200ms")),
        expect![[r#"
            --- stderr ---
            error: the server did not answer within 0.2 s: get pods "web-0" in namespace "default"
            hint: --request-timeout sets how long to wait
            --- exit code 125 ---
        "#]],
    );
    gate.open();
    check(
        &env.run(&format!("{DEBUG} --request-timeout=soon")),
        expect![[r#"
            --- stderr ---
            error: invalid argument "soon" for "--request-timeout" flag: it is not a duration
            hint: durations are written like 30s, 5m or 1h30m
            --- exit code 2 ---
        "#]],
    );
}

#[test]
fn impersonation_is_passed_on() {
    let (env, server) = online([pod("web-0")]);
    let output = env.run(&format!("{DEBUG} --as=jane --as-group=ops --as-group=dev"));
    check(&output, "");
    for request in server.requests() {
        assert_eq!(request.headers["impersonate-user"], "jane");
    }
    check(
        &env.run(&format!("{DEBUG} --as-group=ops")),
        expect![[r#"
            --- stderr ---
            error: --as-group, --as-uid and --as-user-extra need --as
            --- exit code 2 ---
        "#]],
    );
}

#[test]
fn every_request_is_shown_on_demand() {
    let (env, _server) = online([pod("web-0")]);
    let output = env.run(&format!("{DEBUG} -v 6"));
    let lines: Vec<&str> = output.stderr.lines().collect();
    assert!(
        lines[0].starts_with("GET /api/v1/namespaces/default/pods/web-0 200 in "),
        "{output}"
    );
    assert!(
        lines[1].starts_with("PATCH /api/v1/namespaces/default/pods/web-0/ephemeralcontainers"),
        "{output}"
    );
    assert_eq!(lines.len(), 2);
}

/// The connection flags of every kubectl command.
const GLOBAL: &str = "--cache-dir=/nowhere --disable-compression --match-server-version --warnings-as-errors=false \
    --log-flush-frequency=5s --vmodule=a=1 --request-timeout=30s --token=t --tls-server-name=n -v=0";

#[test]
fn flags_for_the_cluster_stand_before_or_behind_the_command() {
    for arguments in [
        format!("{DEBUG} -s URL {GLOBAL} -n default"),
        format!("-s URL {GLOBAL} -n default {DEBUG}"),
        format!("--server=URL --namespace default {DEBUG} {GLOBAL}"),
        format!("-n default -v 0 -sURL {GLOBAL} {DEBUG}"),
    ] {
        let (_, server) = online([pod("web-0")]);
        let output = offline().run(&arguments.replace("URL", &server.url()));
        check(&output, "");
        assert_eq!(crate::touched(&server).len(), 1, "{arguments}");
    }
}

#[test]
fn connection_flags_after_the_command_win() {
    let (env, server) = online([pod("web-0")]);
    check(&env.run(&format!("-n other {DEBUG} -n default")), "");
    assert!(crate::touched(&server)[0].contains("/namespaces/default/"));
}

#[test]
fn flags_for_the_cluster_are_ignored_where_there_is_none() {
    let env = offline();
    let plain = env.run("plugin list");
    assert_eq!(env.run("--context=prod --token=t -n shop plugin list"), plain);
    check(
        &env.run("--contxt=prod plugin list"),
        expect![[r#"
            --- stderr ---
            error: unknown flag: --contxt
            hint: see 'trocar --help' for usage
            --- exit code 2 ---
        "#]],
    );
}

#[test]
fn kubectls_profiling_flags_are_not_taken_for_profiles() {
    for typed in ["--profile=cpu", "--profile general", "--profile-output=x"] {
        check(
            &offline().run(&format!("{typed} {DEBUG}")),
            expect![[r#"
                --- stderr ---
                error: --profile before the command is kubectl's profiler, which trocar does not have
                hint: the profile of a debug goes after the command: trocar debug --profile=NAME
                --- exit code 2 ---
            "#]],
        );
    }
}

#[test]
fn flags_that_contradict_each_other_are_refused() {
    for (flags, wanted) in [
        (
            "--token=t --username=jane",
            "--token and --username cannot be used together\nhint: leave one of them out",
        ),
        (
            "--token=t --password=p",
            "--token and --username cannot be used together\nhint: leave one of them out",
        ),
        (
            "--insecure-skip-tls-verify --certificate-authority=ca.crt",
            "--insecure-skip-tls-verify and --certificate-authority cannot be used together\nhint: leave one of them out",
        ),
        ("--as-uid=7", "--as-group, --as-uid and --as-user-extra need --as"),
        (
            "--as=jane --as-user-extra=scopes",
            "--as-user-extra: \"scopes\" must be formatted as KEY=VALUE",
        ),
    ] {
        let (env, server) = online([pod("web-0")]);
        check(
            &env.run(&format!("{DEBUG} {flags}")),
            &format!("--- stderr ---\nerror: {wanted}\n--- exit code 2 ---\n"),
        );
        assert_eq!(server.request_lines(), [""; 0]);
    }
}

#[test]
fn all_impersonation_flags_are_sent() {
    let (env, server) = online([pod("web-0")]);
    let flags = "--as=jane --as-group=ops --as-uid=7 --as-user-extra=scopes=a=b";
    check(&env.run(&format!("{DEBUG} {flags}")), "");
    let of_jane: Vec<_> = server
        .requests()
        .into_iter()
        .filter(|request| request.path.contains("/pods/"))
        .collect();
    for request in &of_jane {
        let header = |name: &str| request.headers.get(name).map(String::as_str);
        assert_eq!(header("impersonate-user"), Some("jane"));
        assert_eq!(header("impersonate-group"), Some("ops"));
        assert_eq!(header("impersonate-uid"), Some("7"));
        assert_eq!(header("impersonate-extra-scopes"), Some("a=b"));
    }
    assert!(!of_jane.is_empty());
}

#[test]
fn files_of_kubeconfig_that_are_missing_or_empty_do_not_matter() {
    for list in ["/nowhere/config:WORKS", "unset:WORKS", "empty::WORKS"] {
        let (mut env, _server) = online([pod("web-0")]);
        env.write(
            "unset",
            "apiVersion: v1\nkind: Config\nclusters: null\ncurrent-context: \"\"\n",
        );
        env.write("empty", "");
        env.set("KUBECONFIG", &list.replace("WORKS", "kubeconfig"));
        check(&env.run(DEBUG), "");
    }
}

#[test]
fn a_password_in_an_address_is_never_shown() {
    let mut env = offline();
    for (server, more, wanted) in [
        (
            "http://jane:CANARY@127.0.0.1:1",
            "",
            "The connection to the server http://127.0.0.1:1 was refused - did you specify the right host or port?\n\
             hint: is the cluster up, and is this the right context? kubectl config get-contexts lists them\n",
        ),
        (
            "https://jane:CANARY@example.com",
            "--proxy-url=http://jane:CANARY@127.0.0.1:1",
            "Unable to connect to the server: proxy http://127.0.0.1:1: tunnel error: failed to create underlying \
             connection: tcp connect error: Connection refused (os error 111)\n\
             hint: is the cluster up, and is this the right context? kubectl config get-contexts lists them\n",
        ),
        (
            "jane:CANARY@exa mple.com",
            "",
            "error: the kubeconfig cannot be used: the server's address is not a URL or host:port\n",
        ),
        (
            "https://example.com",
            "--proxy-url=ftp://jane:CANARY@x",
            "error: the kubeconfig cannot be used: proxy-url: the address of the proxy does not begin with http://, \
             https:// or socks5://\n",
        ),
    ] {
        let mut arguments: Vec<&str> = DEBUG.split(' ').collect();
        arguments.extend(["--server", server]);
        arguments.extend(more.split_whitespace());
        let output = env.run_with(arguments);
        check(
            &output,
            &format!("--- stderr ---\n{wanted}--- exit code 125 ---\n"),
        );
    }
    env.set("HTTPS_PROXY", "socks5://jane:CANARY@127.0.0.1:1");
    let output = env.run(&format!("{DEBUG} -s https://example.com"));
    assert!(output.stderr.contains("proxy socks5://127.0.0.1:1: "), "{output}");
    assert!(!output.stderr.contains("CANARY"), "{output}");
}
