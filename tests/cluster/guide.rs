//! Transcripts of the guide, run unchanged in a shell, with the program in its path.

use std::{
    fmt::Write as _,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use trocar_test_support::skipped;

use crate::{
    Test,
    cluster::{Cluster, Namespace},
};

pub(crate) const TESTS: &[Test] = &[("guide::output_is_piped_into_jq", output_is_piped_into_jq)];

/// The image of the transcripts. The cluster under test may have another one only, without `curl`.
const IMAGE: &str = "--image=curlimages/curl";

/// Serves the items, and replaces `curl`: it prints the server's answer like curl, with a progress meter unless it is
/// silent.
const SERVER: &str = r#"cat > /usr/sbin/curl << 'END'
#!/bin/sh
for url; do :; done
case " $* " in
*' -sS '*) exec wget -qO- "$url" ;;
esac
printf '  %% Total    %% Received\n\r  0     0' >&2
wget -qO- "$url"
printf '\r100    60\n' >&2
END
chmod +x /usr/sbin/curl
mkdir /www
echo '{"items": [{"name": "apple"}, {"name": "pear"}, {"name": "plum"}]}' > /www/items
exec httpd -f -p 8080 -h /www"#;

/// A transcript's commands, each with what it prints.
fn transcript(page: &str, word: &str) -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(page);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let blocks = text.split("```console\n").skip(1);
    let blocks = blocks.filter_map(|block| block.split("```").next());
    let block = blocks.filter(|block| block.contains(word)).collect::<String>();
    let commands = block.split("$ ").skip(1).filter_map(|command| {
        let (command, printed) = command.split_once('\n')?;
        Some((command.to_owned(), printed.to_owned()))
    });
    commands.collect()
}

/// The program under its name, in this namespace, with the cluster's image. The debug container has the mounts of the pod's
/// container.
fn program(namespace: &Namespace<'_>) {
    let folder = namespace.env.folder().join("bin");
    fs::create_dir(&folder).expect("a folder can be made");
    let mut script = String::from("#!/bin/sh\nset -- \"$@\" end\n");
    writeln!(script, "while [ \"$1\" != end ]; do").unwrap();
    writeln!(
        script,
        "  case $1 in {IMAGE}) set -- \"$@\" --image={} ;; debug) set -- \"$@\" debug --inherit=mounts -n {} ;; *) set -- \"$@\" \"$1\" ;; esac",
        namespace.cluster.image, namespace.name
    )
    .unwrap();
    writeln!(
        script,
        "  shift\ndone\nshift\nexec {} \"$@\"",
        env!("CARGO_BIN_EXE_trocar")
    )
    .unwrap();
    let path = folder.join("trocar");
    fs::write(&path, script).expect("a file can be written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
}

fn is_ready(pod: &Value) -> Option<()> {
    let conditions = pod["status"]["conditions"].as_array()?;
    let is_ready = |condition: &Value| condition["type"] == "Ready" && condition["status"] == "True";
    conditions.iter().any(is_ready).then_some(())
}

fn output_is_piped_into_jq(cluster: &Cluster) {
    let has_jq = Command::new("jq").arg("--version").stdout(Stdio::null()).status();
    if !has_jq.is_ok_and(|status| status.success()) {
        return skipped("the guide's transcript with jq was not run: jq is not installed");
    }
    let namespace = cluster.namespace();
    program(&namespace);
    let app = json!({
        "name": "app", "image": cluster.image, "command": ["sh", "-c", SERVER],
        "volumeMounts": [{"name": "tools", "mountPath": "/usr/sbin"}],
        "readinessProbe": {"httpGet": {"path": "/items", "port": 8080}, "periodSeconds": 1},
    });
    let more = json!({"containers": [app], "volumes": [{"name": "tools", "emptyDir": {}}]});
    namespace.create_pod("web-0", &[], &more);
    namespace.wait_for_pod("web-0", "ready", is_ready);
    let commands = transcript("docs/guide.md", "| jq");
    assert!(!commands.is_empty(), "the guide has a transcript with jq");
    for (command, wanted) in commands {
        // The same environment as in other runs of the program.
        let mut shell = Command::new("/bin/sh");
        shell
            .args(["-c", &command])
            .current_dir(namespace.env.folder())
            .env_clear();
        for (name, value) in namespace.env.command([""]).get_envs() {
            shell.env(name, value.unwrap_or_default());
        }
        let path = std::env::var("PATH").unwrap_or_default();
        shell.env("PATH", format!("{}/bin:{path}", namespace.env.folder().display()));
        let output = shell.stdin(Stdio::null()).output().expect("there is a shell");
        let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert_eq!(
            (shown(&output.stdout), shown(&output.stderr)),
            (wanted, String::new()),
            "{command}"
        );
        assert!(output.status.success(), "{command}");
    }
}
