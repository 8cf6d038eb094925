//! Interoperability with other registries and tools, if they are installed: see tests/registry/signatures/README.md. Missing ones
//! are printed as `SKIPPED`.

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
};

use serde_json::json;
use trocar_test_support::{CommandOutput, TestEnv, in_path, skipped};

use crate::{POD_YAML, configure, guest, offline};

/// The path of a program. Prints `SKIPPED` and returns none if it is not installed.
fn tool(name: &str) -> Option<PathBuf> {
    let found = in_path(name);
    if found.is_none() {
        skipped(&format!("{name} is not in PATH"));
    }
    found
}

/// A registry that listens on this machine.
struct Registry {
    name: &'static str,
    host: String,
    process: Option<Child>,
}

impl Drop for Registry {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            drop(process.kill());
            drop(process.wait());
        }
    }
}

/// All installed registries.
fn registries() -> Vec<Registry> {
    let mut found = Vec::new();
    for (name, arguments) in [
        ("registry", &["-port", "0"][..]),
        ("registry-with-referrers", &[]),
    ] {
        found.extend(tool(name).map(|program| in_memory(name, Command::new(program).args(arguments))));
    }
    match env::var("TROCAR_TEST_REGISTRY") {
        Ok(host) => found.push(Registry {
            name: "docker-registry",
            host,
            process: None,
        }),
        Err(_) => skipped("TROCAR_TEST_REGISTRY names no registry"),
    }
    found
}

/// Starts a registry of go-containerregistry, which says on which port it listens.
fn in_memory(name: &'static str, command: &mut Command) -> Registry {
    let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(process.stderr.take().unwrap())
        .lines()
        .map_while(Result::ok);
    let port = lines.find_map(|line| Some(line.split_once("serving on port ")?.1.to_owned()));
    // Drain its output, so that it never blocks.
    thread::spawn(move || lines.for_each(drop));
    Registry {
        name,
        host: format!("127.0.0.1:{}", port.expect("it says where it listens")),
        process: Some(process),
    }
}

/// A plugin that no other test has, in a repository that no other test uses.
struct Scene {
    env: TestEnv,
    repository: String,
    /// What was printed of the push: the name with the digest.
    pushed: String,
}

impl Scene {
    fn at(registry: &Registry) -> Self {
        let env = offline();
        let repository = format!("{}/trocar-test-{:016x}/lists", registry.host, random());
        env.write_bytes("lists.wasm", &guest::plugin("modest_memory"));
        let pushed = env.run(&format!("plugin push lists.wasm oci://{repository}:1"));
        assert_eq!(pushed.code, 0, "{}: {pushed}", registry.name);
        let pushed = pushed.stdout.trim_end().to_owned();
        Self {
            env,
            repository,
            pushed,
        }
    }

    /// Pulls into an empty home that requires a signature of this key.
    fn pull_trusting(&self, key: &str) -> CommandOutput {
        let env = offline();
        let signer = json!({"kind": "pubKey", "owner": "the team", "key": key});
        let trust = json!({"rules": [{"sources": [self.repository], "allOf": [signer]}]});
        configure(&env, &format!("trust: {trust}\n"));
        env.run(&format!("plugin pull oci://{}:1", self.repository))
    }

    /// Runs another program in the folder of this test.
    fn runs(&self, program: &PathBuf, arguments: &[&str]) -> String {
        let output = Command::new(program)
            .args(arguments)
            .current_dir(self.env.folder())
            .env("HOME", self.env.folder())
            .env("COSIGN_PASSWORD", "")
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{} {arguments:?}: {told}",
            program.display()
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

fn random() -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).unwrap();
    u64::from_ne_bytes(bytes)
}

#[test]
fn registries_of_others_keep_plugins() {
    for registry in registries() {
        let scene = Scene::at(&registry);
        let Scene { env, repository, .. } = &scene;
        let again = env.run(&format!("plugin push lists.wasm oci://{repository}:2"));
        assert_eq!(again.stdout.trim_end(), scene.pushed, "{}", registry.name);
        let listed = env.run(&format!("plugin list --available oci://{repository} -o name"));
        assert_eq!(
            listed.stdout,
            format!("oci://{repository}:1\noci://{repository}:2\n"),
            "{}: {listed}",
            registry.name
        );
        env.write("pod.yaml", POD_YAML);
        for typed in [format!("oci://{repository}:1"), format!("oci://{}", scene.pushed)] {
            let elsewhere = offline();
            elsewhere.write("pod.yaml", POD_YAML);
            let pulled = elsewhere.run(&format!("plugin pull {typed}"));
            assert_eq!(pulled.code, 0, "{}: {pulled}", registry.name);
            let plan = elsewhere.run(&format!(
                "plan -f pod.yaml --image=busybox:1 --strategy=oci://{}",
                scene.pushed
            ));
            assert_eq!(plan.code, 0, "{}: {plan}", registry.name);
        }
        let gone = env.run(&format!("plugin pull oci://{repository}:3"));
        assert!(
            gone.code == 1 && gone.stderr.contains("does not exist"),
            "{}: {gone}",
            registry.name
        );
    }
}

#[test]
fn signatures_by_cosign_are_trusted_and_unsigned_plugins_are_not() {
    let Some(cosign) = tool("cosign") else { return };
    for registry in registries() {
        for form in ["--new-bundle-format=true", "--new-bundle-format=false"] {
            let scene = Scene::at(&registry);
            for name in ["team", "other"] {
                scene.runs(&cosign, &["generate-key-pair", "--output-key-prefix", name]);
            }
            let key = |name: &str| fs::read_to_string(scene.env.folder().join(name)).unwrap();
            let before = scene.pull_trusting(&key("team.pub"));
            assert!(
                before.code == 1 && before.stderr.contains("requires a signature of the team"),
                "{} {form}: {before}",
                registry.name
            );
            let sign = [
                "sign",
                "--key",
                "team.key",
                "--use-signing-config=false",
                "--tlog-upload=false",
                "--allow-http-registry",
                "--yes",
                form,
                &scene.pushed,
            ];
            scene.runs(&cosign, &sign);
            let pulled = scene.pull_trusting(&key("team.pub"));
            assert!(
                pulled.code == 0 && pulled.stderr.contains("signed by the team"),
                "{} {form}: {pulled}",
                registry.name
            );
            let pulled = scene.pull_trusting(&key("other.pub"));
            assert_eq!(pulled.code, 1, "{} {form}: {pulled}", registry.name);
        }
    }
}

#[test]
fn others_read_what_is_carried() {
    let registry = registries().into_iter().next();
    let Some(registry) = registry else { return };
    let scene = Scene::at(&registry);
    let config = format!("plugins: [{{name: lists, source: 'oci://{}'}}]\n", scene.pushed);
    configure(&scene.env, &config);
    for command in ["plugin pull", "plugin bundle --output all.tar"] {
        let done = scene.env.run(command);
        assert_eq!(done.code, 0, "{done}");
    }
    let digest = scene.pushed.split_once('@').unwrap().1;
    if let Some(skopeo) = tool("skopeo") {
        let from = format!("oci-archive:all.tar:{}", scene.pushed);
        let to = ["copy", "--quiet", &from, "dir:skopeo"];
        scene.runs(&skopeo, &to);
        let manifest = fs::read(scene.env.folder().join("skopeo/manifest.json")).unwrap();
        assert_eq!(trocar::registry::digest(&manifest), digest);
    }
    if let Some(oras) = tool("oras") {
        let manifest = scene.runs(
            &oras,
            &["manifest", "fetch", "--oci-layout", &format!("all.tar@{digest}")],
        );
        assert_eq!(trocar::registry::digest(manifest.as_bytes()), digest);
    }
}
