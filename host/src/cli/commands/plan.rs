//! `trocar plan`: what a debug would create, without a cluster.

use serde_json::{Value, json};
use trocar::{
    Severity, Target,
    documents::to_yaml,
    plan::{
        DebugPlan,
        after::{Change, changes},
        manifests,
    },
    request::deprecation,
};

use crate::cli::{
    args::{PlanArgs, PlanOutput},
    error::CliError,
    planner::{Planner, check_names, show_warnings},
    resolve, ui,
};

pub(crate) fn run(args: PlanArgs) -> Result<(), CliError> {
    let own_strategy = args.plugin.strategy.is_some();
    let request = resolve::request(&args.debug, args.debug.filename.len(), own_strategy)?;
    let namespace = resolve::namespace(&args.namespace);
    let targets = resolve::file_targets(&args.debug.filename, namespace)?;
    let quiet = args.debug.quiet.is_some_and(|switch| switch.0);
    let mut planner = Planner::new(&args.plugin, None)?;
    let context = resolve::context(namespace, args.suffix.as_deref())?;

    let mut plans: Vec<(DebugPlan, Target)> = Vec::with_capacity(targets.len());
    let is_one = targets.len() == 1;
    for target in targets {
        let planned = planner.plan(&target, &request.options, &context);
        let plan = planned.map_err(|failed| match is_one {
            true => failed,
            false => failed.of(&target.id().to_string()),
        })?;
        plans.push((plan, target));
    }
    check_names(plans.iter().map(|(plan, _)| plan))?;
    let text = render(&plans, args.output);
    if let Some(notice) = deprecation(request.options.profile) {
        ui::error_line(notice);
    }
    if !matches!(args.output, PlanOutput::Yaml | PlanOutput::Json) {
        show_diagnostics(&plans, quiet);
    }
    ui::output(&text)
}

fn show_diagnostics(plans: &[(DebugPlan, Target)], quiet: bool) {
    for (plan, _) in plans {
        show_warnings(plan);
        for found in plan.diagnostics_of(Severity::Info).filter(|_| !quiet) {
            ui::error_line(&found.message);
        }
    }
}

pub(crate) fn render(plans: &[(DebugPlan, Target)], output: PlanOutput) -> String {
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
