//! Cases for policies: reading them from files, running them, holding what comes out against what is expected.
//! How results are printed is in `commands/policy.rs`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use trocar::{
    API_VERSION, Actor, Context, DebugOptions, DebugPlan, Diagnostic, Engine, PlanError, PlanRequest, Target,
    capability::Grants,
    config::{Config, Defaults, PolicyEntry},
    documents,
    plan::PlanChange,
    plugin::{Plugin, PluginManifest, PluginSource, PluginType},
    policy::PolicyRule,
    strict,
};

use super::{args, configuration, diff::unified, error::CliError, resolve};

/// The end of the name of a file with cases.
pub(crate) const EXTENSION: &str = ".cases.yaml";

/// The end of the name of the file with what came out of them.
const SNAPSHOT_EXTENSION: &str = ".snapshots.yaml";

/// One case: what is asked, and what is expected.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct CaseDocument {
    api_version: String,
    kind: String,
    name: String,
    /// For people; not used.
    #[serde(rename = "description")]
    _description: String,
    policies: Vec<PolicyEntry>,
    /// A configuration file whose policies are asked before those of the case.
    config: Option<PathBuf>,
    target: Option<Value>,
    target_file: Option<PathBuf>,
    /// A recorded case of kubectl: its first pod or node that the arguments name, and its arguments.
    kubectl_case: Option<PathBuf>,
    options: Option<DebugOptions>,
    args: Vec<String>,
    strategy: Option<String>,
    actor: Actor,
    context: Context,
    expect: Expect,
}

/// What is expected of a case.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Expect {
    verdict: Option<CaseVerdict>,
    /// Each must be part of something that a policy says.
    messages: Vec<String>,
    /// Each must be the code of something that a policy says.
    codes: Vec<String>,
    /// What must be in the plan that comes out; what is not named may be anything.
    plan: Option<Value>,
}

/// What comes of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CaseVerdict {
    /// The plan may go ahead as the strategy made it.
    Allow,
    /// The plan may go ahead, changed.
    Amend,
    /// The plan may not go ahead.
    Deny,
    /// There is no plan to judge: the strategy or the guard rails refuse.
    Refuse,
}

/// A case that can be run.
pub(crate) struct Case {
    /// The file that it stands in.
    pub(crate) file: PathBuf,
    /// Its name, unique in the file.
    pub(crate) name: String,
    policies: Vec<(PolicyEntry, PluginSource)>,
    target: Target,
    /// What is asked for; or why the command line makes no sense.
    options: Result<DebugOptions, String>,
    strategy: String,
    actor: Actor,
    context: Context,
    expect: Expect,
}

/// What came out of a case.
#[derive(Clone, Debug)]
pub(crate) struct CaseResult {
    pub(crate) outcome: Outcome,
    /// How it differs from what is expected. Empty when it does not.
    pub(crate) differences: Vec<String>,
    pub(crate) took: Duration,
}

/// What a case came to, as it is kept in a snapshot.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Outcome {
    pub(crate) verdict: CaseVerdict,
    /// Why there is no plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) refusal: Option<String>,
    pub(crate) policies: Vec<Said>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) plan: Option<Value>,
}

/// What one policy said and changed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Said {
    policy: String,
    verdict: Value,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    changes: Vec<PlanChange>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    diagnostics: Vec<Diagnostic>,
}

/// Finds the files with cases below a folder, or the file itself, in alphabetical order.
pub(crate) fn find(place: &Path) -> Result<Vec<PathBuf>, CliError> {
    let mut found = Vec::new();
    collect(place, &mut found)?;
    found.sort();
    if found.is_empty() {
        return Err(
            CliError::new(format!("{}: there are no cases", place.display())).hint(format!(
                "cases are in files that end in {EXTENSION}; docs/policies.md shows one"
            )),
        );
    }
    Ok(found)
}

fn collect(place: &Path, found: &mut Vec<PathBuf>) -> Result<(), CliError> {
    let unreadable = |error| CliError::new(format!("cannot read {}: {error}", place.display()));
    if !fs::metadata(place).map_err(unreadable)?.is_dir() {
        found.push(place.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(place).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let is_folder = entry.file_type().map_err(unreadable)?.is_dir();
        let is_cases = entry.file_name().to_string_lossy().ends_with(EXTENSION);
        if is_folder || is_cases {
            collect(&entry.path(), found)?;
        }
    }
    Ok(())
}

/// Reads the cases of a file.
pub(crate) fn read(file: &Path) -> Result<Vec<Case>, CliError> {
    let wrong = |problem: String| CliError::new(format!("{}: {problem}", file.display()));
    let text = resolve::read_file(file)?;
    let mut cases = Vec::new();
    for document in documents::read(&text).map_err(|error| wrong(error.to_string()))? {
        for document in spread(document).map_err(wrong)? {
            let name = document["name"].as_str().unwrap_or_default().to_owned();
            let read: CaseDocument =
                strict::from_value(&document).map_err(|error| wrong(format!("case {name:?}: {error}")))?;
            if read.api_version != API_VERSION || read.kind != "PolicyCases" {
                return Err(wrong(format!("this is not {API_VERSION} PolicyCases")));
            }
            let case = case(file, read)
                .map_err(|failed| failed.ours().of(&format!("{}: case {name:?}", file.display())))?;
            if name.is_empty() || cases.iter().any(|known: &Case| known.name == case.name) {
                return Err(wrong(format!("every case needs a name of its own: {name:?}")));
            }
            cases.push(case);
        }
    }
    Ok(cases)
}

/// The cases of a document: each of its `cases` merged over what stands beside them (RFC 7386).
fn spread(mut document: Value) -> Result<Vec<Value>, String> {
    let Some(cases) = document
        .as_object_mut()
        .and_then(|document| document.remove("cases"))
    else {
        return Ok(vec![document]);
    };
    let Value::Array(cases) = cases else {
        return Err("cases: it must be a list".into());
    };
    let merged = cases.into_iter().map(|case| {
        let mut merged = document.clone();
        json_patch::merge(&mut merged, &case);
        merged
    });
    Ok(merged.collect())
}

fn case(file: &Path, read: CaseDocument) -> Result<Case, CliError> {
    let folder = file.parent().unwrap_or(Path::new(""));
    let mut target = read.target.clone();
    let mut args = read.args.clone();
    if let Some(path) = &read.target_file {
        target = Some(one_document(&folder.join(path))?);
    }
    if let Some(path) = &read.kubectl_case {
        let recorded = one_document(&folder.join(path))?;
        let recorded_args = recorded["args"].as_array().into_iter().flatten();
        args.extend(recorded_args.filter_map(Value::as_str).map(str::to_owned));
        target = target.or_else(|| recorded_target(&recorded, &args));
    }
    let target = target.ok_or_else(|| CliError::new("it has no target, targetFile or kubectlCase"))?;
    let namespace = match read.context.namespace.as_str() {
        "" => "default".to_owned(),
        namespace => namespace.to_owned(),
    };
    let target = Target::new(target, &namespace)?;
    let options = match read.options {
        Some(options) => Ok(options),
        None => options_of(&args, read.strategy.is_some()).map_err(|failed| failed.message().to_owned()),
    };
    let usual = DebugOptions::default();
    let default_strategy = resolve::strategy(target.id().kind, options.as_ref().unwrap_or(&usual));
    Ok(Case {
        file: file.to_owned(),
        name: read.name,
        policies: policies(folder, read.config.as_deref(), read.policies)?,
        strategy: read.strategy.unwrap_or_else(|| default_strategy.to_owned()),
        target,
        options,
        actor: read.actor,
        context: Context {
            namespace,
            suffix: non_empty(read.context.suffix, "bbbbb"),
            time: non_empty(read.context.time, "2026-01-01T00:00:00Z"),
        },
        expect: read.expect,
    })
}

fn non_empty(text: String, otherwise: &str) -> String {
    if text.is_empty() {
        otherwise.to_owned()
    } else {
        text
    }
}

fn one_document(file: &Path) -> Result<Value, CliError> {
    let wrong = |problem: String| CliError::new(format!("{}: {problem}", file.display()));
    let mut read = documents::read(&resolve::read_file(file)?).map_err(|error| wrong(error.to_string()))?;
    match read.len() {
        1 => Ok(read.remove(0)),
        several => Err(wrong(format!("it must hold one document, not {several}"))),
    }
}

/// The object of a recorded case that its arguments name.
fn recorded_target(recorded: &Value, args: &[String]) -> Option<Value> {
    let is_named = |object: &&Value| {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        args.iter()
            .any(|typed| typed == name || typed.rsplit('/').next() == Some(name))
    };
    recorded["objects"].as_array()?.iter().find(is_named).cloned()
}

/// The options that a command line asks for.
fn options_of(typed: &[String], own_strategy: bool) -> Result<DebugOptions, CliError> {
    let flags = args::parse_debug(typed)?;
    let request = resolve::request(&flags.debug, &Defaults::default(), 1, own_strategy)?;
    Ok(request.options)
}

fn policies(
    folder: &Path,
    config: Option<&Path>,
    own: Vec<PolicyEntry>,
) -> Result<Vec<(PolicyEntry, PluginSource)>, CliError> {
    let config = match config {
        Some(path) => configuration::read_alone(&folder.join(path))?,
        None => Config::default(),
    };
    let configured = config.policies.iter().map(|policy| &policy.value);
    let all = configured.chain(&own).map(|entry| {
        let known = config
            .plugins
            .iter()
            .find(|plugin| plugin.value.name == entry.plugin());
        let source = match known.map(|plugin| &plugin.value) {
            Some(plugin) => PluginSource::Pinned(plugin.file.clone(), plugin.digest.clone()),
            None => match PluginSource::typed(entry.plugin()) {
                PluginSource::File(path) => PluginSource::File(folder.join(path)),
                other => other,
            },
        };
        (entry.clone(), source)
    });
    Ok(all.collect())
}

/// Runs cases, and remembers what they touched.
pub(crate) struct Runner<'a> {
    engine: &'a Engine,
    plugins: BTreeMap<(String, bool), Plugin>,
    checked: BTreeSet<(String, String)>,
    coverage: BTreeMap<String, Coverage>,
}

/// What of a policy was touched by a case.
#[derive(Default)]
struct Coverage {
    manifest: Option<PluginManifest>,
    codes: BTreeSet<String>,
    settings: BTreeSet<String>,
}

impl<'a> Runner<'a> {
    pub(crate) fn new(engine: &'a Engine) -> Self {
        Self {
            engine,
            plugins: BTreeMap::new(),
            checked: BTreeSet::new(),
            coverage: BTreeMap::new(),
        }
    }

    /// Runs a case and holds it against what is expected. `before` is what came out when its snapshot was taken.
    pub(crate) fn run(&mut self, case: &Case, before: Option<&Value>) -> Result<CaseResult, CliError> {
        let strategy = self.plugin(&PluginSource::typed(&case.strategy), PluginType::Strategy)?;
        let rules = self.rules(case)?;
        let rules: Vec<&PolicyRule> = rules.iter().collect();
        let started = Instant::now();
        let outcome = match &case.options {
            Ok(options) => self.outcome(case, options, &strategy, &rules),
            Err(refusal) => Outcome::refused(refusal),
        };
        let took = started.elapsed();
        self.touch(&rules, &outcome);
        let mut differences = case.expect.differences(&outcome);
        if let Some(before) = before.filter(|before| **before != json!(outcome)) {
            differences.push(changed(before, &json!(outcome)));
        }
        Ok(CaseResult {
            outcome,
            differences,
            took,
        })
    }

    fn outcome(
        &self,
        case: &Case,
        options: &DebugOptions,
        strategy: &Plugin,
        rules: &[&PolicyRule],
    ) -> Outcome {
        let planned = self.engine.plan(&PlanRequest {
            target: &case.target,
            options,
            strategy,
            settings: "{}",
            context: &case.context,
            actor: &case.actor,
            policies: rules,
            reader: None,
        });
        match &planned {
            Ok(planned) => Outcome::of(&planned.plan, None),
            Err(error) => match error.reviewed() {
                Some(plan) => Outcome {
                    // Of a denial the policies say themselves why.
                    refusal: matches!(error, PlanError::Undecided { .. }).then(|| error.to_string()),
                    ..Outcome::of(plan, Some(CaseVerdict::Deny))
                },
                None => Outcome::refused(error),
            },
        }
    }

    fn plugin(&mut self, source: &PluginSource, wanted: PluginType) -> Result<Plugin, CliError> {
        let key = (source.to_string(), wanted == PluginType::Policy);
        if let Some(plugin) = self.plugins.get(&key) {
            return Ok(plugin.clone());
        }
        let plugin = self.engine.load(source, wanted, &Grants::default())?;
        self.plugins.insert(key, plugin.clone());
        Ok(plugin)
    }

    fn rules(&mut self, case: &Case) -> Result<Vec<PolicyRule>, CliError> {
        let mut rules = Vec::with_capacity(case.policies.len());
        for (entry, source) in &case.policies {
            let plugin = self.plugin(source, PluginType::Policy)?;
            let settings = Value::Object(entry.settings.clone());
            let text = settings.to_string();
            if self
                .checked
                .insert((plugin.description().digest().to_owned(), text.clone()))
            {
                self.check_settings(&plugin, &settings, &text).map_err(|failed| {
                    failed.of(&format!("{}: policy {:?}", case.file.display(), entry.name))
                })?;
            }
            rules.push(PolicyRule {
                name: entry.name.clone(),
                plugin,
                mode: entry.mode,
                matches: entry.matches.clone(),
                settings: text,
            });
        }
        Ok(rules)
    }

    fn check_settings(&self, plugin: &Plugin, settings: &Value, text: &str) -> Result<(), CliError> {
        let problems = resolve::settings_problems(plugin.description().manifest(), settings)?;
        if let Some(problem) = problems.first() {
            return Err(CliError::new(format!("settings: {problem}")));
        }
        match self.engine.validate_settings(plugin, text)? {
            Ok(found) if found.is_empty() => Ok(()),
            Ok(found) => Err(CliError::new(format!("settings: {}", found[0].message))),
            Err(failure) => Err(CliError::new(format!("settings: {failure}"))),
        }
    }

    fn touch(&mut self, rules: &[&PolicyRule], outcome: &Outcome) {
        for rule in rules {
            let manifest = rule.plugin.description().manifest();
            let coverage = self.coverage.entry(manifest.name.clone()).or_default();
            coverage.manifest.get_or_insert_with(|| manifest.clone());
            let said = outcome.policies.iter().filter(|said| said.policy == rule.name);
            coverage
                .codes
                .extend(said.flat_map(|said| said.diagnostics.iter().map(|found| found.code.clone())));
            let settings: Value = serde_json::from_str(&rule.settings).unwrap_or_default();
            set_settings("", &settings, &mut coverage.settings);
        }
    }

    /// What no case has touched: by policy, the codes of its rules and its settings.
    pub(crate) fn untouched(&self) -> Vec<(String, Vec<String>)> {
        let of = |(name, coverage): (&String, &Coverage)| {
            let manifest = coverage.manifest.as_ref()?;
            let rules = manifest.rules.iter().map(|rule| &rule.code);
            let rules = rules.filter(|code| !coverage.codes.contains(*code));
            let mut untouched: Vec<String> = rules.map(|code| format!("rule {code}")).collect();
            let mut settings = BTreeSet::new();
            if let Some(schema) = &manifest.settings_schema {
                known_settings("", schema, &mut settings);
            }
            let settings = settings.difference(&coverage.settings);
            untouched.extend(settings.map(|setting| format!("setting {setting}")));
            (!untouched.is_empty()).then(|| (name.clone(), untouched))
        };
        self.coverage.iter().filter_map(of).collect()
    }
}

/// The settings that a value sets: names joined by dots, items of lists as `[]`.
fn set_settings(prefix: &str, value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let name = joined(prefix, name);
                set_settings(&name, value, found);
                found.insert(name);
            }
        }
        Value::Array(items) => {
            for item in items {
                set_settings(&format!("{prefix}[]"), item, found);
            }
        }
        _ => {}
    }
}

/// The settings that a schema names.
fn known_settings(prefix: &str, schema: &Value, found: &mut BTreeSet<String>) {
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        let name = joined(prefix, name);
        known_settings(&name, schema, found);
        known_settings(&format!("{name}[]"), &schema["items"], found);
        found.insert(name);
    }
}

fn joined(prefix: &str, name: &str) -> String {
    if prefix.is_empty() {
        name.to_owned()
    } else {
        format!("{prefix}.{name}")
    }
}

impl Outcome {
    fn of(plan: &DebugPlan, verdict: Option<CaseVerdict>) -> Self {
        let changed = !plan.changers().is_empty();
        let otherwise = if changed {
            CaseVerdict::Amend
        } else {
            CaseVerdict::Allow
        };
        let verdict = verdict.unwrap_or(otherwise);
        let said = plan.policies.iter().map(|review| Said {
            policy: review.policy.clone(),
            verdict: json!(review.verdict),
            changes: review.changes.clone(),
            diagnostics: review.diagnostics.clone(),
        });
        let shown = json!({"steps": plan.steps, "attach": plan.attach});
        Self {
            verdict,
            refusal: None,
            policies: said.collect(),
            plan: (verdict != CaseVerdict::Deny).then_some(shown),
        }
    }

    fn refused(why: &dyn std::fmt::Display) -> Self {
        Self {
            verdict: CaseVerdict::Refuse,
            refusal: Some(why.to_string()),
            policies: Vec::new(),
            plan: None,
        }
    }

    fn diagnostics(&self) -> impl Iterator<Item = &Diagnostic> {
        self.policies.iter().flat_map(|said| &said.diagnostics)
    }
}

impl Expect {
    fn differences(&self, outcome: &Outcome) -> Vec<String> {
        let mut differences = Vec::new();
        if let Some(wanted) = self.verdict.filter(|wanted| *wanted != outcome.verdict) {
            differences.push(format!(
                "the verdict is {}, not {}",
                json!(outcome.verdict).as_str().unwrap_or_default(),
                json!(wanted).as_str().unwrap_or_default()
            ));
        }
        for wanted in &self.messages {
            let is_said = |found: &Diagnostic| {
                found.message.contains(wanted)
                    || found.help.as_ref().is_some_and(|help| help.contains(wanted))
            };
            let is_refusal = outcome
                .refusal
                .as_ref()
                .is_some_and(|refusal| refusal.contains(wanted));
            if !is_refusal && !outcome.diagnostics().any(is_said) {
                differences.push(format!("nobody says {wanted:?}"));
            }
        }
        for wanted in &self.codes {
            if !outcome.diagnostics().any(|found| found.code == *wanted) {
                differences.push(format!("nothing has the code {wanted:?}"));
            }
        }
        if let Some(wanted) = &self.plan {
            let plan = outcome.plan.clone().unwrap_or_default();
            missing("plan", wanted, &plan, &mut differences);
        }
        if !differences.is_empty() {
            let said = outcome
                .diagnostics()
                .map(|found| format!("said: {}", found.message));
            differences.extend(said);
            differences.extend(
                outcome
                    .refusal
                    .iter()
                    .map(|refusal| format!("refused: {refusal}")),
            );
        }
        differences
    }
}

/// What of an expectation is not so.
fn missing(at: &str, wanted: &Value, found: &Value, differences: &mut Vec<String>) {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(_)) => {
            for (name, wanted) in wanted {
                missing(&format!("{at}.{name}"), wanted, &found[name], differences);
            }
        }
        (Value::Array(wanted), Value::Array(found)) if wanted.len() == found.len() => {
            for (index, (wanted, found)) in wanted.iter().zip(found).enumerate() {
                missing(&format!("{at}[{index}]"), wanted, found, differences);
            }
        }
        (wanted, found) if wanted == found => {}
        (wanted, found) => differences.push(format!("{at} is {found}, not {wanted}")),
    }
}

fn changed(before: &Value, now: &Value) -> String {
    let yaml = |value: &Value| documents::to_yaml(std::slice::from_ref(value));
    let diff = unified(&yaml(before), &yaml(now), "snapshot", "now");
    format!(
        "the snapshot is another (--update takes a new one):\n{}",
        diff.trim_end()
    )
}

/// The snapshots of a file's cases, by their names.
pub(crate) fn snapshots(file: &Path) -> Result<BTreeMap<String, Value>, CliError> {
    let place = snapshot_file(file);
    if !place.exists() {
        return Ok(BTreeMap::new());
    }
    let Value::Object(snapshots) = one_document(&place)? else {
        return Err(CliError::new(format!(
            "{}: these are no snapshots",
            place.display()
        )));
    };
    Ok(snapshots.into_iter().collect())
}

/// Keeps what came out of a file's cases.
pub(crate) fn keep(file: &Path, outcomes: &BTreeMap<String, Value>) -> Result<(), CliError> {
    let place = snapshot_file(file);
    let text = documents::to_yaml(&[json!(outcomes)]);
    fs::write(&place, text)
        .map_err(|error| CliError::new(format!("cannot write {}: {error}", place.display())))
}

fn snapshot_file(file: &Path) -> PathBuf {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.strip_suffix(EXTENSION).unwrap_or(&name);
    file.with_file_name(format!("{stem}{SNAPSHOT_EXTENSION}"))
}
