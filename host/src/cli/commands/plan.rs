//! `trocar plan`: what a debug would create, without a cluster.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use trocar::{
    Engine, EngineConfig, PlanRequest, Planned, Severity, Target,
    documents::to_yaml,
    plan::{
        DebugPlan, Step,
        after::{Change, changes},
        manifests,
    },
    plugin::{Plugin, PluginSource, PluginType},
    request::{deprecation, ignored_flags},
    target::TargetKind,
};

use crate::cli::{
    args::{PlanArgs, PlanOutput},
    error::CliError,
    resolve, ui,
};

pub(crate) fn run(args: PlanArgs) -> Result<(), CliError> {
    let own_strategy = args.plugin.strategy.is_some();
    let request = resolve::request(&args.debug, args.debug.filename.len(), own_strategy)?;
    let targets = resolve::file_targets(&args.debug.filename, args.namespace.as_deref())?;
    let quiet = args.debug.quiet.is_some_and(|switch| switch.0);
    let planner = Planner::new(&args)?;
    let context = resolve::context(args.namespace.as_deref(), args.suffix.as_deref())?;

    let mut plugins: BTreeMap<String, Plugin> = BTreeMap::new();
    let mut plans: Vec<(DebugPlan, &Target)> = Vec::with_capacity(targets.len());
    for target in &targets {
        let source = resolve::strategy(
            args.plugin.strategy.as_deref(),
            target.id().kind,
            &request.options,
        );
        let key = source.to_string();
        if !plugins.contains_key(&key) {
            plugins.insert(key.clone(), planner.load(&source)?);
        }
        let strategy = &plugins[&key];
        let settings = resolve::settings(&args.plugin, strategy.description().manifest())?;
        let request = PlanRequest {
            target,
            options: &request.options,
            strategy,
            settings: &settings,
            context: &context,
            reader: None,
        };
        let Planned { mut plan, log } = planner.engine.plan(&request).map_err(|error| {
            let failed = CliError::from(error);
            if targets.len() > 1 {
                failed.of(&target.id().to_string())
            } else {
                failed
            }
        })?;
        ui::plugin_log(&plan.strategy.name, &log, args.plugin.verbose);
        let is_node = target.id().kind == TargetKind::Node;
        plan.diagnostics.extend(ignored_flags(request.options, is_node));
        plans.push((plan, target));
    }
    check_names(&plans)?;
    let text = render(&plans, args.output);
    if let Some(notice) = deprecation(request.options.profile) {
        ui::error_line(notice);
    }
    if !matches!(args.output, PlanOutput::Yaml | PlanOutput::Json) {
        show_diagnostics(&plans, quiet);
    }
    ui::output(&text)
}

struct Planner {
    engine: Engine,
    grants: trocar::capability::Grants,
}

impl Planner {
    fn new(args: &PlanArgs) -> Result<Self, CliError> {
        let limits = resolve::limits(&args.plugin.limit)?;
        let grants = resolve::grants(&args.plugin)?;
        let engine = ui::engine(EngineConfig {
            limits,
            // Only a strategy of the user's own is ever compiled.
            cache: args
                .plugin
                .strategy
                .as_ref()
                .and_then(|_| resolve::cache_folder()),
            pooling: false,
        })?;
        Ok(Self { engine, grants })
    }

    fn load(&self, source: &PluginSource) -> Result<Plugin, CliError> {
        Ok(self.engine.load(source, PluginType::Strategy, &self.grants)?)
    }
}

/// Two targets must not come to the same new pod.
fn check_names(plans: &[(DebugPlan, &Target)]) -> Result<(), CliError> {
    let mut made: BTreeMap<(Option<&str>, &str), &DebugPlan> = BTreeMap::new();
    for (plan, _) in plans {
        if !plan.steps.iter().any(|step| matches!(step, Step::CreatePod(_))) {
            continue;
        }
        if let Some(other) = made.insert((plan.debug_namespace(), plan.debug_pod()), plan) {
            return Err(CliError::new(format!(
                "{} and {} would both become pod {:?}",
                other.target,
                plan.target,
                plan.debug_pod()
            ))
            .hint("debug them one at a time, each with a --copy-to of its own"));
        }
    }
    Ok(())
}

fn show_diagnostics(plans: &[(DebugPlan, &Target)], quiet: bool) {
    for (plan, _) in plans {
        for found in plan.diagnostics_of(Severity::Warning) {
            ui::warning(&ui::diagnostic_line(found));
        }
        for excess in &plan.beyond_options {
            ui::warning(&format!("the plan gives more than the flags ask for: {excess}"));
        }
        for found in plan.diagnostics_of(Severity::Info).filter(|_| !quiet) {
            ui::error_line(&found.message);
        }
    }
}

fn render(plans: &[(DebugPlan, &Target)], output: PlanOutput) -> String {
    match output {
        PlanOutput::Yaml => {
            let documents: Vec<Value> = plans.iter().map(|(plan, _)| plan.document()).collect();
            to_yaml(&documents)
        }
        PlanOutput::Json => json_text(match plans {
            [(plan, _)] => plan.document(),
            _ => {
                let items: Vec<Value> = plans.iter().map(|(plan, _)| plan.document()).collect();
                json!({"apiVersion": trocar::API_VERSION, "kind": "DebugPlanList", "items": items})
            }
        }),
        PlanOutput::Manifest => {
            let objects: Vec<Value> = plans.iter().flat_map(|(plan, _)| manifests(plan)).collect();
            to_yaml(&objects)
        }
        PlanOutput::Diff => plans
            .iter()
            .map(|(plan, target)| diff(&changes(plan, target)))
            .collect(),
        PlanOutput::Name => plans
            .iter()
            .map(|(plan, _)| format!("pod/{}\n", plan.debug_pod()))
            .collect(),
    }
}

fn json_text(document: Value) -> String {
    format!("{document:#}\n")
}

fn diff(changes: &[Change]) -> String {
    let yaml = |object: &Option<Value>| {
        object
            .as_ref()
            .map_or_else(String::new, |object| to_yaml(std::slice::from_ref(object)))
    };
    let texts: String = changes
        .iter()
        .map(|change| {
            let header = |exists: bool, side: &str| match exists {
                true => format!("{side}/{}", change.name),
                false => "/dev/null".to_owned(),
            };
            similar::TextDiff::from_lines(&yaml(&change.before), &yaml(&change.after))
                .unified_diff()
                .header(
                    &header(change.before.is_some(), "a"),
                    &header(change.after.is_some(), "b"),
                )
                .to_string()
        })
        .collect();
    if ui::colours_stdout() {
        ui::colour_diff(&texts)
    } else {
        texts
    }
}
