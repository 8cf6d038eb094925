//! The schemas of all documents: they are valid, the program's output and the documentation's examples conform to them, and unknown
//! fields are refused by schema and program alike.

use std::{collections::BTreeSet, fs, path::PathBuf};

use boon::{Compiler, Draft, SchemaIndex, Schemas};
use serde_json::{Value, json};
use trocar_sdk::{
    DebugOptions, EnvVar, Keep, Profile,
    inherit::{Inherit, Mounts},
};

use crate::{POD_YAML, config_file, configure, offline};

/// A schema of `docs/schemas`.
pub(crate) struct Schema {
    name: String,
    schemas: Schemas,
    index: SchemaIndex,
}

impl Schema {
    pub(crate) fn read(name: &str) -> Self {
        let path = root(&format!("docs/schemas/{name}.schema.json"));
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let document: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            document["$schema"], "https://json-schema.org/draft/2020-12/schema",
            "{name}"
        );
        let mut schemas = Schemas::new();
        let mut compiler = Compiler::new();
        compiler.set_default_draft(Draft::V2020_12);
        compiler.add_resource("schema.json", document).unwrap();
        let index = compiler
            .compile("schema.json", &mut schemas)
            .unwrap_or_else(|error| panic!("{name} is not a schema: {error}"));
        Self {
            name: name.to_owned(),
            schemas,
            index,
        }
    }

    fn problem(&self, document: &Value) -> Option<String> {
        let checked = self.schemas.validate(document, self.index);
        checked.err().map(|error| format!("{error:#}"))
    }

    #[track_caller]
    pub(crate) fn assert_fits(&self, document: &Value) {
        if let Some(problem) = self.problem(document) {
            panic!("{} refuses {document:#}: {problem}", self.name);
        }
    }

    #[track_caller]
    fn assert_refuses(&self, document: &Value, part: &str) {
        let problem = self.problem(document);
        let problem = problem.unwrap_or_else(|| panic!("{} takes {document:#}", self.name));
        assert!(problem.contains(part), "{part:?} is not in: {problem}");
    }
}

fn root(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

fn read(text: &str) -> Vec<Value> {
    trocar::documents::read(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The texts of all files below a folder whose names end so.
fn files(folder: &str, ending: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root(folder)).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(path.to_str().unwrap(), ending));
        } else if path.to_str().unwrap().ends_with(ending) {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
    found
}

#[test]
fn every_schema_is_one_and_refuses_unknown_fields() {
    let all = files("docs/schemas", ".schema.json");
    assert_eq!(all.len(), 10);
    for (path, text) in all {
        let name = path
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .replace(".schema.json", "");
        let schema = Schema::read(&name);
        let document: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(document["additionalProperties"], false, "{name}");
        assert!(
            document["title"].is_string() && document["description"].is_string(),
            "{name}"
        );
        schema.assert_refuses(&json!({"unknownField": 1}), "unknownField");
    }
}

#[test]
fn every_plan_that_the_program_prints_fits() {
    let schema = Schema::read("debug-plan");
    let env = offline();
    env.write("pod.yaml", POD_YAML);
    env.write("node.yaml", "apiVersion: v1\nkind: Node\nmetadata: {name: n1}\n");
    let policies = "policies:\n- name: images\n  plugin: approved-images\n  settings: {mirrors: [{from: docker.io, to: mirror.example.com}]}\n\
                    - name: require-reason\n  mode: warn\n- name: privilege-ceiling\n  mode: audit\n  settings: {level: restricted}\n\
                    - name: session-limits\n  settings: {timeToLive: 60, resources: {cpu: \"1\"}, priorityClass: debug}\n";
    for policies in ["", policies] {
        configure(&env, policies);
        for flags in [
            "-f pod.yaml --image=busybox",
            "-f pod.yaml --image=busybox --profile=sysadmin --env=A=b -- sh",
            "-f pod.yaml --copy-to=copy --image=busybox --replace",
            "-f pod.yaml --copy-to=copy --set-image=*=busybox:2",
            "-f node.yaml --image=busybox",
        ] {
            let output = env.run(&format!("plan -o json {flags}"));
            assert_eq!(output.code, 0, "{output}");
            let plan: Value = serde_json::from_str(&output.stdout).unwrap();
            schema.assert_fits(&plan);
            schema.assert_fits(&read(&env.run(&format!("plan {flags}")).stdout)[0]);
            assert_eq!(
                plan["policies"].as_array().map_or(0, Vec::len),
                if policies.is_empty() { 0 } else { 4 }
            );
        }
    }
    let output = env.run("plan -f pod.yaml,node.yaml --image=busybox -o json");
    assert_eq!(output.code, 0, "{output}");
    let list: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(list["kind"], "DebugPlanList");
    for plan in list["items"].as_array().unwrap() {
        schema.assert_fits(plan);
    }
}

#[test]
fn every_manifest_fits() {
    let schema = Schema::read("plugin-manifest");
    let list: Value = serde_json::from_str(&offline().run("plugin list -o json").stdout).unwrap();
    let items = list["items"].as_array().unwrap();
    assert_eq!(items.len(), 8);
    for item in items {
        schema.assert_fits(&item["manifest"]);
    }
    for (path, text) in files("plugins", "plugin.yaml")
        .into_iter()
        .chain(files("tests/guests", "plugin.yaml"))
        .chain(files("guest-sdk/examples", "plugin.yaml"))
    {
        let manifest = &read(&text)[0];
        assert!(
            schema.problem(manifest).is_none(),
            "{}: {:?}",
            path.display(),
            schema.problem(manifest)
        );
    }
    let mut keyword = items[0]["manifest"].clone();
    keyword["settingsSchema"] = json!({"properties": {"x": {"anyOf": []}}});
    schema.assert_refuses(&keyword, "anyOf");
    let mut unknown = items[0]["manifest"].clone();
    unknown["settingSchema"] = json!({});
    schema.assert_refuses(&unknown, "settingSchema");
    let env = offline();
    env.write_bytes("a.wasm", &crate::guest::component("allows"));
    env.write("plugin.yaml", &unknown.to_string());
    let output = env.run("plugin pack a.wasm --manifest plugin.yaml");
    assert_eq!(output.code, 1);
    assert!(
        output
            .stderr
            .contains("settingSchema: unknown field; did you mean \"settingsSchema\"?"),
        "{output}"
    );
}

#[test]
fn every_file_of_cases_fits() {
    let schema = Schema::read("policy-cases");
    let all = files("plugins", ".cases.yaml");
    assert!(all.len() >= 5);
    for (path, text) in all {
        for document in read(&text) {
            assert!(
                schema.problem(&document).is_none(),
                "{}: {:?}",
                path.display(),
                schema.problem(&document)
            );
        }
    }
    let case = json!({"apiVersion": "trocar.dev/v1alpha1", "kind": "PolicyCases", "name": "one", "target": {"apiVersion": "v1",
        "kind": "Node", "metadata": {"name": "n"}}, "args": ["--image=busybox"]});
    schema.assert_fits(&case);
    for (at, field, nearest) in [
        ("", "polices", "policies"),
        ("/expect", "verdikt", "verdict"),
        ("/actor", "usr", "user"),
        ("/context", "tim", "time"),
        ("/options", "imag", "image"),
    ] {
        let mut wrong = case.clone();
        if let Some(part) = at.strip_prefix('/') {
            wrong[part] = json!({field: "x"});
        } else {
            wrong[field] = json!([]);
        }
        schema.assert_refuses(&wrong, field);
        let env = offline();
        env.write("a.cases.yaml", &wrong.to_string());
        let output = env.run("policy test a.cases.yaml");
        assert_eq!(output.code, 1, "{output}");
        let said = format!("{field}: unknown field; did you mean \"{nearest}\"?");
        assert!(output.stderr.contains(&said), "{said}: {output}");
    }
    let mut of_cases = case.clone();
    of_cases["cases"] = json!([{"name": "one", "polices": []}]);
    schema.assert_refuses(&of_cases, "polices");
}

#[test]
fn every_configuration_of_the_documentation_fits_and_is_taken() {
    let schema = Schema::read("config");
    let mut shown = 0;
    for (path, text) in files("docs", ".md") {
        for block in text.split("```yaml\n").skip(1) {
            let block = block.split("```").next().unwrap();
            if !block.contains("kind: Config") {
                continue;
            }
            shown += 1;
            for document in read(block) {
                assert!(
                    schema.problem(&document).is_none(),
                    "{}: {:?}",
                    path.display(),
                    schema.problem(&document)
                );
            }
            let env = offline();
            // The folder of the audit is there where it is used.
            let block = block.replace("/var/log/trocar/", "");
            env.write("shown.yaml", &block);
            let output = env.run("config check --config=shown.yaml");
            assert_eq!(
                (output.code, output.stderr.as_str()),
                (0, ""),
                "{}: {output}",
                path.display()
            );
        }
    }
    assert!(shown > 0);
}

#[test]
fn an_unknown_field_of_a_configuration_is_refused_twice() {
    let schema = Schema::read("config");
    for (text, field, said) in [
        (
            "polices: []\n",
            "polices",
            "4:1: polices: unknown field; did you mean \"policies\"?",
        ),
        (
            "defaults: {imge: x}\n",
            "imge",
            "defaults.imge: unknown field; did you mean \"image\"?",
        ),
        (
            "audit: [{sink: stderr, require: true}]\n",
            "require",
            "audit.0.require: unknown field; did you mean \"required\"?",
        ),
        (
            "policies: [{name: a, match: {namespace: [x]}}]\n",
            "namespace",
            "policies.0.match.namespace: unknown field; did you mean \"namespaces\"?",
        ),
        (
            "plugins: [{name: a, file: b, digest: c, grant: []}]\n",
            "grant",
            "plugins.0.grant: unknown field; did you mean \"grants\"?",
        ),
    ] {
        let env = offline();
        configure(&env, &format!("# a comment\n{text}"));
        let output = env.run("config view");
        assert!(
            output.stderr.contains(said) && output.code == 1,
            "{said}: {output}"
        );
        schema.assert_refuses(&read(&config_file(text))[0], field);
    }
}

#[test]
fn a_value_of_a_configuration_that_cannot_be_is_refused_twice() {
    let schema = Schema::read("config");
    for (text, said) in [
        ("policies: [{name: A}]\n", "\"A\" is not lower-case"),
        (
            "policies: [{name: a, plugin: ./a.wasm}]\n",
            "is not the name of a plugin",
        ),
        ("policies: [{name: a, mode: maybe}]\n", "\"maybe\" is unknown"),
        ("audit: [{sink: syslog}]\n", "\"syslog\" is unknown"),
        (
            "audit: [{sink: stderr, file: x}]\n",
            "only a sink of kind file has a file, and it needs one",
        ),
        (
            "audit: [{sink: file}]\n",
            "only a sink of kind file has a file, and it needs one",
        ),
        ("defaults: {profile: best}\n", "unknown profile: best"),
        (
            "plugins: [{name: a, file: b, digest: sha256:0}]\n",
            "is not a digest",
        ),
        (
            "plugins: [{name: a, file: b, digest: \"sha256:0000000000000000000000000000000000000000000000000000000000000000\", grants: [everything]}]\n",
            "unknown capability \"everything\"",
        ),
    ] {
        let env = offline();
        configure(&env, text);
        let output = env.run("config view");
        assert!(
            output.stderr.contains(said) && output.code == 1,
            "{said}: {output}"
        );
        schema.assert_refuses(&read(&config_file(text))[0], "");
    }
}

/// Options in which every field is set: a new one does not compile before it is here.
fn all_options() -> DebugOptions {
    let text = || Some("text".to_owned());
    DebugOptions {
        image: text(),
        args: vec!["sh".into()],
        arguments_only: true,
        env: vec![EnvVar {
            name: "A".into(),
            value: "b".into(),
        }],
        container: text(),
        target_container: text(),
        stdin: true,
        stdin_once: true,
        tty: true,
        image_pull_policy: Some("Always".into()),
        profile: Profile::Netadmin,
        custom: Some(serde_json::Map::new()),
        copy_to: text(),
        replace: true,
        same_node: true,
        share_processes: Some(false),
        set_image: [("*".to_owned(), "a".to_owned())].into(),
        keep: Keep {
            labels: Some(true),
            annotations: Some(true),
            liveness: Some(true),
            readiness: Some(true),
            startup: Some(true),
            init_containers: Some(false),
        },
        inherit: Inherit {
            env: true,
            mounts: Some(Mounts::ReadOnly),
            user: true,
            workdir: true,
            resources: true,
        },
        as_root: true,
        pull_secrets: vec!["s".into()],
        priority_class: text(),
        tolerate_all: true,
    }
}

/// A case may have every option, and the schemas know no other.
#[test]
fn every_option_is_in_the_schemas() {
    let options = json!(all_options());
    let known = |properties: &Value, written: &Value| {
        let keys = |value: &Value| {
            value
                .as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect::<BTreeSet<_>>()
        };
        assert_eq!(keys(properties), keys(written));
    };
    for (name, path) in [
        ("debug-options", "/properties"),
        ("policy-cases", "/properties/options/properties"),
    ] {
        let schema = Schema::read(name);
        let text = fs::read_to_string(root(&format!("docs/schemas/{name}.schema.json"))).unwrap();
        let document: Value = serde_json::from_str(&text).unwrap();
        let properties = document.pointer(path).unwrap();
        known(properties, &options);
        for part in ["inherit", "keep"] {
            known(&properties[part]["properties"], &options[part]);
        }
        schema.assert_fits(&match name {
            "debug-options" => options.clone(),
            _ => json!({"apiVersion": "trocar.dev/v1alpha1", "kind": "PolicyCases", "options": options}),
        });
    }
}
