//! The development of plugins: new, build in several languages, test, dev. Tests that need a language's tools are in
//! `tests/conformance`.

use std::fs;

use expect_test::expect;
use rustix::process::Signal;
use trocar_test_support::TestEnv;

use crate::{POD_YAML, check, guest, offline};

#[test]
fn a_new_plugin_says_what_to_type_next() {
    for (language, test, build) in [
        ("rust", "cargo test", "trocar plugin build"),
        (
            "python",
            "python3 -m pytest",
            "trocar plugin build --install-tool",
        ),
        ("javascript", "node --test", "trocar plugin build --install-tool"),
    ] {
        let env = offline();
        let output = env.run(&format!("plugin new mine --type=policy --language={language}"));
        let next = format!("\nnext:\n  cd mine\n  {test}\n  {build}\n  trocar plugin test\n");
        assert!(output.code == 0 && output.stdout.ends_with(&next), "{output}");
        assert_eq!(output.stderr, "");
        let written = fs::read_to_string(env.folder().join("mine/plugin.yaml")).unwrap();
        assert!(written.contains("\nname: mine\n"), "{written}");
        let left: Vec<_> = fs::read_dir(env.folder())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert!(
            left.iter()
                .all(|name| !name.to_string_lossy().starts_with(".mine")),
            "{left:?}"
        );
    }
}

#[test]
fn a_new_plugin_is_written_into_no_folder_that_has_something_in_it() {
    let env = offline();
    fs::create_dir(env.folder().join("empty")).unwrap();
    let made = env.run("plugin new mine --type=policy --language=rust --folder=empty");
    assert_eq!(made.code, 0, "{made}");
    check(
        &env.run("plugin new mine --type=policy --language=rust --folder=empty"),
        expect![[r#"
            --- stderr ---
            error: empty already exists and is not an empty folder
            hint: name another folder with --folder=FOLDER
            --- exit code 1 ---
        "#]],
    );
    env.write("a-file", "");
    let on_file = env.run("plugin new mine --type=policy --language=rust --folder=a-file");
    assert!(
        on_file
            .stderr
            .starts_with("error: a-file already exists and is not an empty folder\n"),
        "{on_file}"
    );
    let nowhere = env.run("plugin new mine --type=policy --language=rust --folder=a-file/below");
    assert!(
        nowhere.stderr.starts_with("error: cannot write a-file/below: "),
        "{nowhere}"
    );
}

#[test]
fn a_name_that_no_plugin_can_have_is_refused() {
    check(
        &offline().run("plugin new Mine --type=strategy --language=rust"),
        expect![[r#"
            --- stderr ---
            error: "Mine" is not a valid plugin name
            hint: use lower-case letters, digits and dashes, at most 63 of them
            --- exit code 2 ---
        "#]],
    );
    check(
        &offline().run("plugin new ephemeral --type=strategy --language=rust"),
        expect![[r#"
            --- stderr ---
            error: "ephemeral" is the name of a default plugin
            hint: choose another name
            --- exit code 2 ---
        "#]],
    );
}

#[test]
fn a_missing_tool_is_reported_with_the_next_step() {
    for (language, tool) in [
        ("python", "componentize-py 0.25.1"),
        ("javascript", "componentize-qjs 0.4.5"),
    ] {
        let env = offline();
        env.run(&format!("plugin new mine --type=strategy --language={language}"));
        let output = env.run("plugin build mine");
        let told = format!("error: {tool} is not installed; plugins in this language need it\n");
        assert!(output.code == 1 && output.stderr.starts_with(&told), "{output}");
        assert!(
            output
                .stderr
                .contains("\nhint: trocar plugin build --install-tool installs it from "),
            "{output}"
        );
    }
}

/// A broken installer.
#[test]
fn a_tool_that_cannot_be_installed_leaves_nothing_behind() {
    let mut env = offline();
    env.run("plugin new mine --type=strategy --language=javascript");
    fs::create_dir(env.folder().join("bin")).unwrap();
    let npm = env.write(
        "bin/npm",
        "#!/bin/sh\nwhile [ \"$1\" != --prefix ]; do shift; done\ntouch \"$2/half\"\nexit 3\n",
    );
    crate::allow(&npm, 0o755);
    env.set(
        "PATH",
        &format!("{}:/usr/bin:/bin", env.folder().join("bin").display()),
    );
    let output = env.run("plugin build mine --install-tool");
    let told = "installing componentize-qjs 0.4.5 from the npm registry\n\
                error: npm could not install componentize-qjs 0.4.5: it exited with code 3\n\
                hint: it needs Node.js 20 or later with npm: node --version\n";
    assert_eq!((output.code, output.stderr.as_str()), (1, told));
    let tools = env.run("plugin build mine").stderr;
    let folder = tools.rsplit(" into ").next().unwrap().trim_end();
    let folder = folder.replace("$HOME", &env.folder().display().to_string());
    let left = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder}: {error}"));
    assert_eq!(left.count(), 0, "{folder}");
}

#[test]
fn folders_with_no_source_or_with_two_are_refused() {
    let env = offline();
    env.write("plugin.yaml", &guest::manifest("trap"));
    check(
        &env.run("plugin build"),
        expect![[r#"
            --- stderr ---
            error: no plugin source found in .
            hint: a plugin has a Cargo.toml with src/lib.rs, a plugin.py or a plugin.js; trocar plugin new NAME creates one
            --- exit code 1 ---
        "#]],
    );
    env.write("plugin.py", "");
    env.write("plugin.js", "");
    check(
        &env.run("plugin build"),
        expect![[r#"
            --- stderr ---
            error: . has plugin.py and plugin.js, so its language is ambiguous
            hint: keep one plugin per folder, in one language
            --- exit code 1 ---
        "#]],
    );
}

/// A strategy's manifest that ends with these lines.
fn manifest(lines: &str) -> String {
    format!(
        "apiVersion: trocar.dev/v1alpha1\nkind: PluginManifest\nname: mine\nversion: 0.1.0\ntype: strategy\nabi: \"0.1\"\n\
         summary: mine\n{lines}"
    )
}

#[test]
fn mistakes_of_a_manifest_have_line_and_column() {
    const SCHEMA: &str = "settingsSchema:\n  type: object\n  additionalProperties: false\n  properties:\n    tools: {type: string}\n";
    for (lines, wanted) in [
        ("sumary: x\n", "line 8, column 1: sumary: unknown field"),
        (
            "settingsSchema:\n  type: object\n  propertys: {}\n",
            "line 10, column 3: settingsSchema: /propertys: ",
        ),
        (
            "settingsSchema:\n  type: object\n  properties:\n    tools: {type: string, default: 5}\n",
            "line 11, column 27: settingsSchema: /properties/tools/default: the default does not fit",
        ),
        (
            format!("{SCHEMA}flags:\n- {{name: tools, setting: tool, help: x}}\n")
                .as_str(),
            "line 14, column 17: flags: \"tools\" sets \"tool\", which is not a setting; did you mean \"tools\"?",
        ),
        (
            "flags:\n- {name: tools, setting: tools, help: x}\n",
            "line 9, column 17: flags: \"tools\" sets \"tools\", which is not a setting of settingsSchema; its settings: none",
        ),
        (
            format!(
                "{SCHEMA}flags:\n- name: tools\n  setting: tools\n  help: x\n- name: tools\n  setting: tools\n  help: z\n")
                .as_str(),
            "line 17, column 3: flags: there are two named \"tools\"",
        ),
        (
            format!("{SCHEMA}flags:\n- {{name: image, setting: tools, help: x}}\n")
                .as_str(),
            "line 14, column 4: flags: trocar debug already has a flag --image",
        ),
    ] {
        let env = offline();
        env.write("plugin.yaml", &manifest(lines));
        let output = env.run("plugin build");
        let told = format!("error: ./plugin.yaml: the manifest: {wanted}");
        assert!(
            output.code == 1 && output.stderr.starts_with(&told),
            "{told}: {output}"
        );
    }
}

/// A folder with a strategy and a case. The "compiler" returns an existing component.
fn with_strategy() -> TestEnv {
    let mut env = offline();
    fs::create_dir(env.folder().join("cases")).unwrap();
    env.write("plugin.yaml", &manifest("settingsSchema: {type: object}\n"));
    env.write("Cargo.toml", "");
    env.write_bytes("made", &golden());
    let folder = env.folder().display().to_string();
    let script = format!(
        "#!/bin/sh\nif [ \"$1\" = locate-project ]; then echo {folder}/Cargo.toml; exit 0; fi\ncp {folder}/made {folder}/made.wasm\n\
         echo '{{\"reason\":\"compiler-artifact\",\"manifest_path\":\"{folder}/Cargo.toml\",\"filenames\":[\"{folder}/made.wasm\"]}}'\n"
    );
    let cargo = env.write("cargo", &script);
    crate::allow(&cargo, 0o755);
    env.set("CARGO", &cargo.display().to_string());
    env.write("pod.yaml", POD_YAML);
    env.write(
        "cases/mine.cases.yaml",
        "apiVersion: trocar.dev/v1alpha1\nkind: PolicyCases\nstrategy: ../mine.wasm\ntargetFile: ../pod.yaml\ncases:\n\
         - name: the image is busybox\n  expect: {verdict: allow, plan: {steps: [{object: {image: busybox}}]}}\n\
         - name: what it tells is seen\n  settings: {do: tell}\n  expect: {codes: [first-code, third-code], messages: [perhaps]}\n\
         - name: why it fails is seen\n  settings: {do: fail, kind: unavailable}\n\
         \x20 expect: {verdict: refuse, codes: [told, second-code], messages: [why not]}\n",
    );
    env
}

fn golden() -> Vec<u8> {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/conformance/golden/c.wasm"
    );
    fs::read(file).unwrap()
}

#[test]
fn the_cases_of_a_strategy_are_run_and_one_by_its_name() {
    let env = with_strategy();
    assert_eq!(env.run("plugin build").code, 0);
    let all = env.run("plugin test");
    assert!(
        all.code == 0 && all.stdout.starts_with("3 passed, 0 failed"),
        "{all}"
    );
    let output = env.run_with([
        "plugin",
        "test",
        "cases/mine.cases.yaml",
        "--case=why it fails is seen",
    ]);
    assert!(
        output.code == 0 && output.stdout.starts_with("1 passed, 0 failed"),
        "{output}"
    );
    check(
        &env.run("plugin test --case=none"),
        expect![[r#"
            --- stderr ---
            error: no case "none"; the cases are "the image is busybox", "what it tells is seen" and "why it fails is seen"
            --- exit code 2 ---
        "#]],
    );
}

#[test]
fn invalid_settings_for_a_cases_strategy_are_reported() {
    let env = with_strategy();
    env.write(
        "plugin.yaml",
        &manifest("settingsSchema: {type: object, properties: {do: {type: integer}}}\n"),
    );
    assert_eq!(env.run("plugin build").code, 0);
    check(
        &env.run("plugin test"),
        expect![[r#"
            --- stderr ---
            error: ./cases/mine.cases.yaml: case "what it tells is seen": settings: do: want integer, but got string
            --- exit code 1 ---
        "#]],
    );
}

#[test]
fn flags_that_a_strategy_ignores_are_reported() {
    let env = with_strategy();
    assert_eq!(env.run("plugin build").code, 0);
    let plan = "plan -f pod.yaml --strategy=./mine.wasm --suffix=bbbbb -o name";
    let flags = "--image=a:1 --target=app --profile=restricted -i -- sh";
    let output = env.run(&format!("{plan} {flags}"));
    let told = "Warning: the strategy \"mine\" ignores the command, --image, --profile, --stdin and --target: its plan is \
                the same without\n";
    assert!(output.code == 0 && output.stderr.starts_with(told), "{output}");
    // This one copies its whole request into the plan.
    let output = env.run(&format!("{plan} --set do=echo {flags}"));
    let nothing = "\" ignores ";
    assert!(output.code == 0 && !output.stderr.contains(nothing), "{output}");
    assert!(!env.run(plan).stderr.contains(nothing));
}

#[test]
fn dev_builds_tests_and_shows_a_plan_and_at_each_save_how_it_changes() {
    let env = with_strategy();
    let mut running = env.start("plugin dev -f pod.yaml");
    let first = running.stderr_until("waiting for changes");
    assert!(first.contains("built in "), "{first}");
    let shown = running.stdout_until("image: busybox");
    assert!(shown.contains("3 passed, 0 failed"), "{shown}");
    // The same length, so that the component stays valid.
    let text = b"\"image\":\"busybox\"";
    let mut other = golden();
    let place = other
        .windows(text.len())
        .position(|window| window == text)
        .expect("the image is in the component");
    other[place + 9..place + 16].copy_from_slice(b"alpines");
    env.write_bytes("made", &other);
    env.write(
        "plugin.yaml",
        &manifest("settingsSchema: {type: object}\nlicense: MIT\n"),
    );
    let changed = running.stdout_until("+    image: alpines");
    assert!(
        changed.contains("1 failed") && changed.contains("-    image: busybox"),
        "{changed}"
    );
    running.signal(Signal::TERM);
    running.finish();
}

#[test]
fn dev_once_ends_as_the_cases_do() {
    let env = with_strategy();
    assert_eq!(env.run("plugin dev --once").code, 0);
    env.write(
        "cases/more.cases.yaml",
        "apiVersion: trocar.dev/v1alpha1\nkind: PolicyCases\nname: not so\nstrategy: ../mine.wasm\ntargetFile: ../pod.yaml\n\
         expect: {verdict: deny}\n",
    );
    assert_eq!(env.run("plugin dev --once").code, 1);
    env.write("plugin.yaml", "name: [\n");
    let broken = env.run("plugin dev --once");
    assert!(
        broken.code == 1 && broken.stderr.contains("line 1, column 7"),
        "{broken}"
    );
}
