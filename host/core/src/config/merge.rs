//! From files to one configuration: includes are followed, layers merged. How a file is read is in `source.rs`, what its
//! values may be in `check.rs`.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
};

use super::{
    AdmissionEntry, AuditEntry, AuditSink, Config, ConfigError, ConfigErrorKind, Defaults, Layer, LockMode,
    PluginEntry, PolicyEntry, RegistryEntry, Sourced,
    check::{check_defaults, check_name, check_plugin, check_policy_plugin, check_registry},
    file::ConfigFile,
    source::{Source, parse},
};

/// How deep files may include files.
const DEEPEST: usize = 8;

/// Loads files in layers, the one that binds most first. `default_plugins` are names that no plugin may take.
///
/// # Errors
/// Fails at the first file that cannot be read, is malformed, or takes what an earlier layer has set.
pub fn load(
    files: &[(Layer, PathBuf)],
    default_plugins: &[&str],
    read: &dyn Fn(&Path) -> io::Result<Vec<u8>>,
) -> Result<Config, ConfigError> {
    let mut loader = Loader {
        read,
        default_plugins,
        config: Config::default(),
        plugins: HashMap::new(),
        policies: HashMap::new(),
        including: Vec::new(),
    };
    for (layer, file) in files {
        loader.file(*layer, file, None)?;
    }
    // Last: within a layer, a policy may come before the plugin that it names.
    loader.check_layers()?;
    Ok(loader.config)
}

impl Config {
    /// Adds defaults of the user's preferences for kubectl, each with the pointer to it: those that no file sets.
    pub fn add_weakest_defaults(
        &mut self,
        file: &Path,
        text: &str,
        given: Defaults,
        places: &[(&'static str, String)],
    ) {
        let source = Source::new(Layer::Kuberc, file, text);
        let mut note = |field: &'static str| {
            let at = places
                .iter()
                .rfind(|(known, _)| *known == field)
                .map_or("", |(_, at)| at);
            self.default_origins.push(source.sourced(at.to_owned(), field));
            self.files
                .extend((!self.files.iter().any(|known| known == file)).then(|| file.to_owned()));
        };
        let defaults = &mut self.defaults;
        fill(&mut defaults.image, given.image, "image", &mut note);
        fill(
            &mut defaults.image_pull_policy,
            given.image_pull_policy,
            "imagePullPolicy",
            &mut note,
        );
        fill(&mut defaults.profile, given.profile, "profile", &mut note);
        fill(
            &mut defaults.pod_running_timeout,
            given.pod_running_timeout,
            "podRunningTimeout",
            &mut note,
        );
        fill(
            &mut defaults.detach_keys,
            given.detach_keys,
            "detachKeys",
            &mut note,
        );
        fill(&mut defaults.quiet, given.quiet, "quiet", &mut note);
    }
}

fn fill<T>(old: &mut Option<T>, new: Option<T>, field: &'static str, note: &mut dyn FnMut(&'static str)) {
    if old.is_none() {
        take(old, new, field, note);
    }
}

struct Loader<'a> {
    read: &'a dyn Fn(&Path) -> io::Result<Vec<u8>>,
    default_plugins: &'a [&'a str],
    config: Config,
    /// Where the plugins are in the configuration, by name.
    plugins: HashMap<String, usize>,
    /// The same of the policies.
    policies: HashMap<String, usize>,
    /// The files that are being read: each includes the next.
    including: Vec<PathBuf>,
}

impl Loader<'_> {
    fn file(
        &mut self,
        layer: Layer,
        path: &Path,
        included_at: Option<&Sourced<()>>,
    ) -> Result<(), ConfigError> {
        let place = || included_at.map(|at| at.origin().to_string());
        if self.including.iter().any(|outer| outer == path) {
            let mut chain: Vec<String> = self
                .including
                .iter()
                .map(|file| file.display().to_string())
                .collect();
            chain.push(path.display().to_string());
            return Err(ConfigError {
                place: place(),
                message: format!("files include each other in a circle: {}", chain.join(" → ")),
                kind: ConfigErrorKind::Circle,
            });
        }
        if self.including.len() == DEEPEST {
            return Err(ConfigError {
                place: place(),
                message: format!("files include files more than {DEEPEST} deep"),
                kind: ConfigErrorKind::Other,
            });
        }
        let bytes = (self.read)(path).map_err(|error| ConfigError {
            place: place(),
            message: format!("cannot read {}: {error}", path.display()),
            kind: ConfigErrorKind::Other,
        })?;
        let (source, file) = parse(layer, path, &bytes)?;
        self.including.push(path.to_owned());
        // Included files first, so that the file that includes them can choose other defaults.
        for (index, include) in file.include.iter().enumerate() {
            let at = source.sourced(format!("/include/{index}"), ());
            self.file(layer, &source.resolve(include), Some(&at))?;
        }
        self.including.pop();
        self.merge(&source, file)?;
        self.config.files.push(path.to_owned());
        Ok(())
    }

    fn merge(&mut self, source: &Source, file: ConfigFile) -> Result<(), ConfigError> {
        self.merge_defaults(source, file.defaults)?;
        self.merge_plugins(source, file.plugins)?;
        self.merge_policies(source, file.policies)?;
        self.merge_audit(source, file.audit)?;
        for (index, cleaner) in file.cleaners.into_iter().enumerate() {
            let is_known = self.config.cleaners.iter().any(|known| known.value == cleaner);
            if !is_known {
                let at = format!("/cleaners/{index}");
                self.config.cleaners.push(source.sourced(at, cleaner));
            }
        }
        self.merge_registries(source, file.registries)?;
        if let Some(trust) = file.trust {
            if let Some((at, problem)) = trust.problem() {
                return Err(source.error(&format!("/trust{at}"), problem));
            }
            // Collected, not merged: each file's rules have to hold, so that a weaker file can only require more.
            self.config.trust.push(source.sourced("/trust".into(), trust));
        }
        if file.lock == LockMode::Required {
            self.config.locks.push(source.sourced("/lock".into(), ()));
        }
        if let Some(admission) = file.admission {
            self.set_admission(source, admission)?;
        }
        Ok(())
    }

    fn merge_plugins(&mut self, source: &Source, plugins: Vec<PluginEntry>) -> Result<(), ConfigError> {
        for (index, mut plugin) in plugins.into_iter().enumerate() {
            let at = format!("/plugins/{index}");
            let known = self.plugins.get(&plugin.name);
            let known = known.map(|index| &self.config.plugins[*index]);
            check_plugin(
                source,
                &at,
                &plugin,
                known.map(Sourced::origin),
                self.default_plugins,
            )?;
            if plugin.source.is_none() {
                plugin.file = source.resolve(&plugin.file);
            }
            self.plugins
                .insert(plugin.name.clone(), self.config.plugins.len());
            self.config.plugins.push(source.sourced(at, plugin));
        }
        Ok(())
    }

    fn merge_policies(&mut self, source: &Source, policies: Vec<PolicyEntry>) -> Result<(), ConfigError> {
        for (index, policy) in policies.into_iter().enumerate() {
            let at = format!("/policies/{index}");
            // By a map, so that the work is linear in the number of policies.
            let known = self.policies.get(&policy.name);
            let known = known.map(|index| &self.config.policies[*index]);
            check_name(
                source,
                &format!("{at}/name"),
                "policy",
                &policy.name,
                known.map(Sourced::origin),
            )?;
            check_policy_plugin(source, &at, policy.plugin())?;
            self.policies
                .insert(policy.name.clone(), self.config.policies.len());
            self.config.policies.push(source.sourced(at, policy));
        }
        Ok(())
    }

    fn merge_audit(&mut self, source: &Source, audits: Vec<AuditEntry>) -> Result<(), ConfigError> {
        for (index, mut audit) in audits.into_iter().enumerate() {
            let at = format!("/audit/{index}");
            if audit.file.is_some() != (audit.sink == AuditSink::File) {
                return Err(source.error(&at, "only a sink of kind file has a file, and it needs one"));
            }
            audit.file = audit.file.map(|file| source.resolve(&file));
            self.config.audit.push(source.sourced(at, audit));
        }
        Ok(())
    }

    fn set_admission(&mut self, source: &Source, admission: AdmissionEntry) -> Result<(), ConfigError> {
        let at = "/admission";
        if let Some(known) = &self.config.admission {
            return Err(ConfigError {
                kind: ConfigErrorKind::NameTaken,
                ..source.error(at, format!("admission is set in {} already", known.origin()))
            });
        }
        self.config.admission = Some(source.sourced(at.to_owned(), admission));
        Ok(())
    }

    fn merge_registries(
        &mut self,
        source: &Source,
        registries: Vec<RegistryEntry>,
    ) -> Result<(), ConfigError> {
        for (index, mut registry) in registries.into_iter().enumerate() {
            let at = format!("/registries/{index}");
            let known = self.config.registries.iter();
            let known = known
                .filter(|known| known.value.host == registry.host)
                .map(Sourced::origin)
                .next();
            check_registry(source, &at, &registry, known)?;
            registry.ca_file = registry.ca_file.map(|file| source.resolve(&file));
            self.config.registries.push(source.sourced(at, registry));
        }
        Ok(())
    }

    /// A layer names plugins of its own layer or of a stronger one: else who owns a weaker file would decide what judges.
    fn check_layers(&self) -> Result<(), ConfigError> {
        for policy in &self.config.policies {
            let name = policy.value.plugin();
            let plugin = self.plugins.get(name).map(|index| &self.config.plugins[*index]);
            if let Some(plugin) = plugin.filter(|plugin| plugin.layer > policy.layer) {
                return Err(ConfigError {
                    place: Some(policy.origin().to_string()),
                    message: format!(
                        "the policy {:?} names the plugin {name:?}, which only a weaker layer defines, in {}",
                        policy.value.name,
                        plugin.origin()
                    ),
                    kind: ConfigErrorKind::WeakerLayer,
                });
            }
        }
        Ok(())
    }

    fn merge_defaults(&mut self, source: &Source, given: Defaults) -> Result<(), ConfigError> {
        check_defaults(source, &given)?;
        let Config {
            defaults,
            default_origins,
            ..
        } = &mut self.config;
        let mut note = |field: &'static str| {
            default_origins.retain(|known| known.value != field);
            default_origins.push(source.sourced(format!("/defaults/{field}"), field));
        };
        take(&mut defaults.image, given.image, "image", &mut note);
        take(
            &mut defaults.image_pull_policy,
            given.image_pull_policy,
            "imagePullPolicy",
            &mut note,
        );
        take(&mut defaults.profile, given.profile, "profile", &mut note);
        take(&mut defaults.strategy, given.strategy, "strategy", &mut note);
        take(
            &mut defaults.pod_running_timeout,
            given.pod_running_timeout,
            "podRunningTimeout",
            &mut note,
        );
        take(
            &mut defaults.detach_keys,
            given.detach_keys,
            "detachKeys",
            &mut note,
        );
        take(&mut defaults.quiet, given.quiet, "quiet", &mut note);
        take(&mut defaults.rm, given.rm, "rm", &mut note);
        take(&mut defaults.ttl, given.ttl, "ttl", &mut note);
        Ok(())
    }
}

fn take<T>(old: &mut Option<T>, new: Option<T>, field: &'static str, note: &mut dyn FnMut(&'static str)) {
    if new.is_some() {
        *old = new;
        note(field);
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Arc};

    use super::*;
    use crate::{config::JudgedPods, plan::Mode};

    const HEAD: &str = "apiVersion: trocar.dev/v1alpha1\nkind: Config\n";

    fn load_all(files: &[(Layer, &str, &str)], more: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let mut texts: BTreeMap<PathBuf, String> = BTreeMap::new();
        for (_, path, text) in files {
            texts.insert(path.into(), format!("{HEAD}{text}"));
        }
        for (path, text) in more {
            texts.insert(path.into(), format!("{HEAD}{text}"));
        }
        let layers: Vec<(Layer, PathBuf)> = files
            .iter()
            .map(|(layer, path, _)| (*layer, path.into()))
            .collect();
        load(&layers, &["ephemeral", "copy", "node"], &|path| {
            let text = texts.get(path).map(|text| text.as_bytes().to_vec());
            text.ok_or_else(|| io::ErrorKind::NotFound.into())
        })
    }

    fn refusal(text: &str) -> String {
        let error = load_all(&[(Layer::User, "c.yaml", text)], &[]).unwrap_err();
        format!("{error} ({:?})", error.kind)
    }

    #[test]
    fn layers_add_up_and_later_defaults_win() {
        let config = load_all(
            &[
                (
                    Layer::System,
                    "/etc/c.yaml",
                    "defaults: {profile: baseline, quiet: true}\npolicies:\n- name: images\n",
                ),
                (
                    Layer::User,
                    "u.yaml",
                    "defaults:\n  profile: general\npolicies:\n- name: mine\n  mode: warn\n",
                ),
            ],
            &[],
        )
        .unwrap();
        assert_eq!(config.defaults.profile.as_deref(), Some("general"));
        assert_eq!(config.defaults.quiet, Some(true));
        let names: Vec<(&str, Mode, Layer)> = config
            .policies
            .iter()
            .map(|policy| (policy.value.name.as_str(), policy.value.mode, policy.layer))
            .collect();
        assert_eq!(
            names,
            [
                ("images", Mode::Enforce, Layer::System),
                ("mine", Mode::Warn, Layer::User)
            ]
        );
        assert_eq!(config.policies[1].origin().to_string(), "u.yaml:6:3");
        let profile = config
            .default_origins
            .iter()
            .find(|known| known.value == "profile")
            .unwrap();
        assert_eq!(profile.origin().to_string(), "u.yaml:4:3");
    }

    #[test]
    fn cleaners_of_all_layers_count_each_once() {
        let config = load_all(
            &[
                (Layer::System, "/etc/c.yaml", "cleaners: [kyverno]\n"),
                (Layer::User, "u.yaml", "cleaners: [kyverno, kube-janitor]\n"),
            ],
            &[],
        );
        let config = config.unwrap();
        let found: Vec<_> = config
            .cleaners
            .iter()
            .map(|cleaner| (cleaner.value, cleaner.layer))
            .collect();
        use crate::config::Cleaner::{KubeJanitor, Kyverno};
        assert_eq!(found, [(Kyverno, Layer::System), (KubeJanitor, Layer::User)]);
    }

    #[test]
    fn a_user_cannot_replace_what_the_system_sets() {
        let error = load_all(
            &[
                (Layer::System, "/etc/c.yaml", "policies:\n- name: images\n"),
                (
                    Layer::User,
                    "u.yaml",
                    "policies:\n- name: images\n  mode: audit\n",
                ),
            ],
            &[],
        )
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "u.yaml:4:3: the policy \"images\" is set in /etc/c.yaml:4:3 already"
        );
    }

    #[test]
    fn what_the_admission_server_judges_is_said_once() {
        let system = (Layer::System, "/etc/c.yaml", "admission: {pods: all}\n");
        let user = (Layer::User, "u.yaml", "admission: {exemptGroups: [ops]}\n");
        let config = load_all(&[system], &[]).unwrap();
        assert_eq!(config.admission.unwrap().value.pods, JudgedPods::All);
        let config = load_all(&[user], &[]).unwrap();
        assert_eq!(config.admission.unwrap().value.pods, JudgedPods::People);
        let error = load_all(&[system, user], &[]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "u.yaml:3:1: admission is set in /etc/c.yaml:3:1 already"
        );
    }

    #[test]
    fn a_layer_names_no_plugin_of_a_weaker_one() {
        let plugin = format!(
            "plugins: [{{name: x, file: x.wasm, digest: \"sha256:{}\"}}]\n",
            "0".repeat(64)
        );
        let policy = "policies:\n- name: mine\n  plugin: x\n";
        let load_two = |system: &str, user: &str| {
            let files = [
                (Layer::System, "/etc/c.yaml", system),
                (Layer::User, "u.yaml", user),
            ];
            load_all(&files, &[])
        };
        let error = load_two(policy, &plugin).unwrap_err();
        assert_eq!(
            error.to_string(),
            "/etc/c.yaml:4:3: the policy \"mine\" names the plugin \"x\", which only a weaker layer defines, in u.yaml:3:11"
        );
        assert_eq!(error.kind, ConfigErrorKind::WeakerLayer);
        let config = load_two(&plugin, policy).unwrap();
        assert_eq!(
            config.policies.len(),
            1,
            "a weaker layer may use what a stronger one defines"
        );
        let config = load_two("", &format!("{plugin}{policy}")).unwrap();
        assert_eq!(config.policies.len(), 1, "a layer may use its own");
    }

    #[test]
    fn trust_of_all_layers_is_kept_and_a_registry_is_said_once() {
        let files = |user: &'static str| {
            let system = "trust: {default: deny}\nregistries: [{host: ghcr.io, mirrors: [harbor.corp/ghcr]}]\nlock: required\n";
            load_all(
                &[
                    (Layer::System, "/etc/c.yaml", system),
                    (Layer::User, "u.yaml", user),
                ],
                &[],
            )
        };
        let config =
            files("trust: {rules: [{sources: [quay.io]}]}\nregistries: [{host: quay.io}]\n").unwrap();
        let layers: Vec<Layer> = config.trust.iter().map(|trust| trust.layer).collect();
        assert_eq!(layers, [Layer::System, Layer::User]);
        assert_eq!(config.locks.len(), 1);
        let error = files("registries: [{host: ghcr.io, mirrors: [evil.example]}]\n").unwrap_err();
        assert_eq!(error.kind, ConfigErrorKind::NameTaken);
        let error = files("registries: [{host: quay.io, plainHTTP: true}]\n").unwrap_err();
        assert_eq!(error.kind, ConfigErrorKind::PlainHttp);
        assert!(files("registries: [{host: '127.0.0.1:5000', plainHTTP: true}]\n").is_ok());
    }

    #[test]
    fn the_places_of_thousands_of_policies_are_looked_up_in_one_reading() {
        let count = 3_000;
        let policies: String = (0..count)
            .map(|index| format!("- name: p{index}\n  mode: warn\n"))
            .collect();
        let config = load_all(&[(Layer::User, "c.yaml", &format!("policies:\n{policies}"))], &[]).unwrap();
        assert_eq!(config.policies.len(), count);
        let text = &config.policies[0].text;
        assert!(!text.is_read(), "nothing was to be told");
        for (index, policy) in config.policies.iter().enumerate() {
            assert!(Arc::ptr_eq(text, &policy.text), "each would read the file again");
            assert_eq!(policy.origin().line, 4 + 2 * index as u64);
        }
    }

    #[test]
    fn includes_come_first_and_never_go_in_a_circle() {
        let config = load_all(
            &[(
                Layer::User,
                "a/c.yaml",
                "include: [more.yaml]\ndefaults: {profile: baseline}\n",
            )],
            &[("a/more.yaml", "defaults: {profile: restricted, image: busybox}\n")],
        )
        .unwrap();
        assert_eq!(config.defaults.profile.as_deref(), Some("baseline"));
        assert_eq!(config.files, [PathBuf::from("a/more.yaml"), "a/c.yaml".into()]);
        let error = load_all(
            &[(Layer::User, "a.yaml", "include: [b.yaml]\n")],
            &[("b.yaml", "include:\n- a.yaml\n")],
        )
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "b.yaml:4:3: files include each other in a circle: a.yaml → b.yaml → a.yaml"
        );
    }

    #[test]
    fn mistakes_say_where_and_what_was_probably_meant() {
        for (text, wanted) in [
            (
                "polices: []\n",
                "c.yaml:3:1: polices: unknown field; did you mean \"policies\"?",
            ),
            (
                "policies:\n- name: a\n  mod: warn\n",
                "c.yaml:5:3: policies.0.mod: unknown field; did you mean \"mode\"?",
            ),
            (
                "policies:\n- name: a\n  mode: wran\n",
                "c.yaml:5:3: policies.0.mode: \"wran\" is unknown; did you mean \"warn\"?",
            ),
            (
                "policies:\n- name: A B\n",
                "c.yaml:4:3: \"A B\" is not lower-case",
            ),
            (
                "defaults: {profile: genral}\n",
                "unknown profile: genral (Profile(Some(\"general\")))",
            ),
            (
                "defaults: {podRunningTimeout: soon}\n",
                "\"soon\" is not a duration",
            ),
            (
                "defaults:\n  ttl: soon\n",
                "c.yaml:4:3: \"soon\" is not a duration",
            ),
            (
                "defaults: {ttl: 0s}\n",
                "a pod's time to live is at least one second",
            ),
            ("defaults: {rm: sometimes}\n", "defaults.rm"),
            (
                "cleaners: [kivverno]\n",
                "\"kivverno\" is unknown; did you mean \"kyverno\"?",
            ),
            (
                "plugins: [{name: copy, file: x.wasm, digest: d}]\n",
                "default plugin",
            ),
            (
                "plugins: [{name: x, file: x.wasm, digest: d}]\n",
                "\"d\" is not a digest",
            ),
            (
                "plugins: [{name: x}]\n",
                "c.yaml:3:11: the plugin \"x\" has neither a file nor a source (Source)",
            ),
            (
                "plugins: [{name: x, file: x.wasm, source: 'oci://ghcr.io/a:1'}]\n",
                "both a file and a source (Source)",
            ),
            (
                "plugins: [{name: x, source: ghcr.io/a:1}]\n",
                "begins with oci://",
            ),
            (
                "plugins: [{name: x, source: 'oci://ghcr.io/A:1'}]\n",
                "lower-case",
            ),
            (
                "plugins: [{name: x, source: 'oci://ghcr.io/a'}]\n",
                "neither a tag nor a digest",
            ),
            (
                "plugins: [{name: x, source: 'oci://ghcr.io/a:1', digest: d}]\n",
                "\"d\" is not a digest",
            ),
            (
                "registries: [{host: ghcr}]\n",
                "c.yaml:3:15: \"ghcr\" is not the name of a host",
            ),
            (
                "registries: [{host: ghcr.io, mirrors: ['https://m']}]\n",
                "c.yaml:3:40:",
            ),
            (
                "trust: {rules: [{sources: [ghcr.io], allOf: [{kind: githubAction}]}]}\n",
                "does not verify",
            ),
            ("trust: {deny: [x]}\n", "c.yaml:3:16: \"x\" is not a digest"),
            ("lock: always\n", "\"always\" is unknown"),
            (
                "policies: [{name: x, plugin: ./x.wasm}]\n",
                "c.yaml:3:22: \"./x.wasm\" is not the name of a plugin (PluginName)",
            ),
            ("audit: [{sink: stderr, file: x}]\n", "a sink of kind file"),
            ("kind: Config\n", "uplicate"),
            ("include: [gone.yaml]\n", "cannot read gone.yaml"),
        ] {
            let message = refusal(text);
            assert!(message.contains(wanted), "{text}: {message}");
        }
        let other = load(
            &[(Layer::User, "x".into())],
            &["ephemeral", "copy", "node"],
            &|_| Ok(b"apiVersion: v1\nkind: Pod\n".to_vec()),
        );
        assert!(
            other
                .unwrap_err()
                .to_string()
                .contains("not trocar.dev/v1alpha1 Config")
        );
    }
}
