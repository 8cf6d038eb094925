//! `trocar policy`: what policies there are, what they say about one case, and whether they say what is expected.

use std::{collections::BTreeMap, path::Path, process::ExitCode, time::Duration};

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use serde_json::{Value, json};
use trocar::{
    DebugOptions, Engine, EngineConfig,
    config::Defaults,
    documents::{to_json, to_yaml},
    manifest::PluginType,
    plugin,
    policy_cases::{self, Case, CaseError, CaseResult, CaseVerdict, EXTENSION, Runner},
    text::plain,
};

use crate::cli::{
    args::{
        self, DocumentOutput, ListOutput, PluginTestArgs, PolicyEvalArgs, PolicyListArgs, PolicyTestArgs,
        TestOutput,
    },
    configuration,
    diff::unified,
    error::CliError,
    exit_code, resolve, ui,
};

pub(crate) fn list(args: &PolicyListArgs) -> Result<(), CliError> {
    let config = configuration::load(args.file.config.as_deref())?;
    let configured = config.policies.iter().map(|policy| {
        let entry = &policy.value;
        json!({"name": entry.name, "plugin": entry.plugin(), "mode": entry.mode, "origin": policy.origin().to_string(),
            "match": entry.matches})
    });
    let mut rows: Vec<Value> = configured.collect();
    for found in plugin::defaults() {
        let manifest = found.manifest();
        let is_policy = manifest.plugin_type == PluginType::Policy;
        let is_used = rows.iter().any(|row| row["plugin"] == manifest.name.as_str());
        if is_policy && !is_used {
            rows.push(json!({"name": manifest.name, "plugin": manifest.name, "mode": "off", "origin": "not configured"}));
        }
    }
    let cell = |row: &Value, field: &str| row[field].as_str().unwrap_or_default().to_owned();
    ui::output(&match args.output {
        ListOutput::Name => rows.iter().map(|row| cell(row, "name") + "\n").collect(),
        ListOutput::Json => to_json(&json!({"items": rows})),
        ListOutput::Table => ui::table(
            ["NAME", "PLUGIN", "MODE", "FROM"],
            rows.iter()
                .map(|row| ["name", "plugin", "mode", "origin"].map(|field| cell(row, field))),
        ),
    })
}

pub(crate) fn eval(args: &PolicyEvalArgs) -> Result<ExitCode, CliError> {
    let cases = cases(&args.case)?;
    let case = chosen(&cases, args.name.as_deref())?;
    let engine = engine(&[], false)?;
    let result = Runner::new(&engine).run(case, None)?;
    let document = json!(result.outcome);
    ui::output(&match args.output {
        DocumentOutput::Yaml => to_yaml(&[document]),
        DocumentOutput::Json => to_json(&document),
    })?;
    Ok(match result.outcome.verdict {
        CaseVerdict::Allow | CaseVerdict::Amend => ExitCode::SUCCESS,
        CaseVerdict::Deny => exit_code::DENIED.into(),
        CaseVerdict::Refuse => exit_code::FAILED.into(),
    })
}

fn cases(file: &Path) -> Result<Vec<Case>, CliError> {
    let text = resolve::read_file(file)?;
    Ok(policy_cases::parse(file, &text, &options)?)
}

/// The options that the command line of a case asks for.
pub(crate) fn options(typed: &[String], own_strategy: bool) -> Result<DebugOptions, String> {
    let asked = || {
        let flags = args::parse_debug(typed)?;
        resolve::request(&flags.debug, &Defaults::default(), 1, own_strategy)
    };
    let request = asked().map_err(|failed: CliError| failed.message().to_owned())?;
    Ok(request.options)
}

fn chosen<'a>(cases: &'a [Case], name: Option<&str>) -> Result<&'a Case, CliError> {
    let names = || trocar::names::list(cases.iter().map(|case| case.name()));
    match (cases, name) {
        (_, Some(name)) => {
            let found = cases.iter().find(|case| case.name() == name);
            found.ok_or_else(|| CliError::usage(format!("no case {name:?}; the cases are {}", names())))
        }
        ([only], None) => Ok(only),
        (_, None) => {
            Err(CliError::usage(format!("several cases: {}", names()))
                .hint("name one of them after the file"))
        }
    }
}

fn engine(limits: &[String], pooling: bool) -> Result<Engine, CliError> {
    ui::engine(EngineConfig {
        limits: resolve::limits(limits)?,
        cache: resolve::cache_folder(),
        pooling,
        ..EngineConfig::default()
    })
}

type Ran = (Case, CaseResult);

pub(crate) fn test(args: &PolicyTestArgs) -> Result<ExitCode, CliError> {
    let engine = engine(&args.limit, true)?;
    let mut runner = Runner::new(&engine);
    if let Some(folder) = &args.as_admission {
        return at_the_door(&mut runner, &args.folder, folder);
    }
    let ran = run_files(&mut runner, &args.folder, args.case.as_deref(), args.update)?;
    report(&runner, &ran, args.output, args.case.is_some())
}

/// The cases of a plugin of either kind: a case without policies is one of its strategy.
pub(crate) fn test_plugin(args: &PluginTestArgs) -> Result<ExitCode, CliError> {
    let engine = engine(&args.limit, true)?;
    let mut runner = Runner::new(&engine);
    let ran = run_files(&mut runner, &args.folder, args.case.as_deref(), args.update)?;
    report(&runner, &ran, args.output, args.case.is_some())
}

/// Runs the cases below a folder, where there are any, and tells what came of them.
pub(crate) fn run_all(engine: &Engine, folder: &Path, output: TestOutput) -> Result<ExitCode, CliError> {
    let mut runner = Runner::new(engine);
    match run_files(&mut runner, folder, None, false) {
        Ok(ran) => report(&runner, &ran, output, false),
        Err(error) if matches!(policy_cases::find(folder), Err(CaseError::NoCases(_))) => {
            ui::warning(error.message());
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => Err(error),
    }
}

/// Runs the cases below a folder, or those of a name alone.
fn run_files(
    runner: &mut Runner<'_>,
    folder: &Path,
    name: Option<&str>,
    update: bool,
) -> Result<Vec<Ran>, CliError> {
    let mut ran: Vec<Ran> = Vec::new();
    let mut known: Vec<String> = Vec::new();
    for file in policy_cases::find(folder)? {
        let mut cases = cases(&file)?;
        if let Some(name) = name {
            known.extend(cases.iter().map(|case| case.name().to_owned()));
            cases.retain(|case| case.name() == name);
        }
        ran.extend(run_file(runner, &file, cases, update)?);
    }
    match name {
        Some(name) if ran.is_empty() => {
            let names = trocar::names::list(known.iter().map(String::as_str));
            Err(CliError::usage(format!(
                "no case {name:?}; the cases are {names}"
            )))
        }
        _ => Ok(ran),
    }
}

/// Tells what came of cases. What no case touches means nothing where one was chosen.
fn report(
    runner: &Runner<'_>,
    ran: &[Ran],
    output: TestOutput,
    is_chosen: bool,
) -> Result<ExitCode, CliError> {
    let untouched = match is_chosen {
        true => Vec::new(),
        false => runner.untouched(),
    };
    let text = match output {
        TestOutput::Text => report_text(ran, &untouched),
        TestOutput::Json => report_json(ran, &untouched),
        TestOutput::Junit => report_junit(ran)?,
    };
    ui::output(&text)?;
    let failed = ran.iter().any(|(_, result)| !result.differences.is_empty());
    Ok(if failed {
        exit_code::FAILED.into()
    } else {
        ExitCode::SUCCESS
    })
}

/// Writes each case as it reaches a cluster's door into a file of its own.
fn at_the_door(runner: &mut Runner<'_>, cases_in: &Path, folder: &Path) -> Result<ExitCode, CliError> {
    let unwritten = |place: &Path, error: std::io::Error| {
        CliError::new(format!("cannot write {}: {error}", place.display()))
    };
    std::fs::create_dir_all(folder).map_err(|error| unwritten(folder, error))?;
    let mut count = 0;
    for file in policy_cases::find(cases_in)? {
        for case in cases(&file)? {
            let document = runner.at_the_door(&case)?;
            count += 1;
            let place = folder.join(format!("{count:04}.json"));
            std::fs::write(&place, to_json(&document)).map_err(|error| unwritten(&place, error))?;
        }
    }
    ui::output(&format!(
        "{count} cases written to {}\n",
        plain(&folder.display().to_string())
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn run_file(
    runner: &mut Runner<'_>,
    file: &Path,
    cases: Vec<Case>,
    update: bool,
) -> Result<Vec<Ran>, CliError> {
    let before = match update {
        true => BTreeMap::new(),
        false => policy_cases::snapshots(file)?,
    };
    let mut ran = Vec::new();
    for case in cases {
        let before = before.get(case.name());
        let mut result = runner.run(&case, before)?;
        if case.expects_nothing() && before.is_none() && !update {
            let told = "it expects nothing: add expect, or take a snapshot with --update";
            result.differences.push(told.into());
        }
        result
            .differences
            .extend(result.before.take().map(|before| changed(&before, &result)));
        ran.push((case, result));
    }
    if update {
        let outcomes = ran
            .iter()
            .map(|(case, result)| (case.name().to_owned(), json!(result.outcome)));
        policy_cases::keep(file, &outcomes.collect())?;
    }
    Ok(ran)
}

/// A snapshot that holds something else, as a difference.
fn changed(before: &Value, result: &CaseResult) -> String {
    let yaml = |value: &Value| to_yaml(std::slice::from_ref(value));
    let diff = unified(&yaml(before), &yaml(&json!(result.outcome)), "snapshot", "now");
    format!(
        "the snapshot differs (--update replaces it):\n{}",
        diff.trim_end()
    )
}

fn report_text(ran: &[Ran], untouched: &[(String, Vec<String>)]) -> String {
    let mut text = String::new();
    let failures = ran.iter().filter(|(_, result)| !result.differences.is_empty());
    let failed = failures.clone().count();
    for (case, result) in failures {
        let file = case.file().display().to_string();
        text += &format!("FAILED {}: {}\n", plain(&file), plain(case.name()));
        for difference in &result.differences {
            text += &format!("    {}\n", difference.replace('\n', "\n    "));
        }
    }
    for (policy, parts) in untouched {
        text += &format!(
            "no case touches of {}: {}\n",
            plain(policy),
            plain(&parts.join(", "))
        );
    }
    let took: Duration = ran.iter().map(|(_, result)| result.took).sum();
    text + &format!(
        "{} passed, {failed} failed, in {} ms\n",
        ran.len() - failed,
        took.as_millis()
    )
}

fn report_json(ran: &[Ran], untouched: &[(String, Vec<String>)]) -> String {
    let case = |(case, result): &Ran| {
        json!({"file": case.file().display().to_string(), "case": case.name(), "passed": result.differences.is_empty(),
            "differences": result.differences, "outcome": result.outcome, "microseconds": result.took.as_micros() as u64})
    };
    let cases: Vec<Value> = ran.iter().map(case).collect();
    let untouched: BTreeMap<&String, &Vec<String>> =
        untouched.iter().map(|(name, parts)| (name, parts)).collect();
    to_json(&json!({"cases": cases, "untouched": untouched}))
}

fn report_junit(ran: &[Ran]) -> Result<String, CliError> {
    let mut suites: BTreeMap<String, TestSuite> = BTreeMap::new();
    for (case, result) in ran {
        let name = plain(&case.file().display().to_string());
        let mut status = TestCaseStatus::success();
        if !result.differences.is_empty() {
            status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(result.differences.join("\n"));
        }
        let mut test = TestCase::new(plain(case.name()), status);
        test.set_time(result.took);
        let suite = suites.entry(name.clone()).or_insert_with(|| TestSuite::new(name));
        suite.add_test_case(test);
    }
    let mut report = Report::new("trocar policy test");
    report.add_test_suites(suites.into_values());
    report
        .to_string()
        .map_err(|error| CliError::new(format!("the report cannot be written as XML: {error}")))
}

impl From<CaseError> for CliError {
    fn from(error: CaseError) -> Self {
        let message = error.to_string();
        match error {
            CaseError::NoCases(_) => Self::new(message).hint(format!(
                "cases are in files that end in {EXTENSION}; docs/policies.md shows one"
            )),
            CaseError::Case { file, name, error } => Self::from(*error)
                .ours()
                .of(&format!("{}: case {name:?}", file.display())),
            CaseError::Policy { file, policy, error } => {
                Self::from(*error).of(&format!("{}: policy {policy:?}", file.display()))
            }
            CaseError::Target(error) => error.into(),
            CaseError::Config(error) => error.into(),
            CaseError::Plugin(error) => error.into(),
            _ => Self::new(message),
        }
    }
}
