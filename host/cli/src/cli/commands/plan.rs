//! `trocar plan`: what a debug would create, without a cluster.

use serde_json::{Value, json};
use trocar::{
    Actor, Severity, Target, check_names,
    documents::{to_json, to_yaml},
    plan::{
        DebugPlan, Step,
        after::{Change, changes},
        manifests,
    },
    text::plain,
};

use crate::cli::{
    args::{PlanArgs, PlanOutput},
    configuration,
    diff::unified,
    error::CliError,
    planner::{planner, show_found, show_warnings},
    resolve, ui, words,
};

pub(crate) fn run(args: PlanArgs) -> Result<(), CliError> {
    let config = configuration::load_preferred(args.policy.config.as_deref(), args.kuberc.as_deref())?;
    let own_strategy = args.plugin.strategy.is_some() || config.defaults.strategy.is_some();
    let files = args.debug.filename.len();
    let request = resolve::request(&args.debug, &config.defaults, files, own_strategy)?;
    let namespace = resolve::namespace(&args.namespace);
    let targets = resolve::file_targets(&args.debug.filename, namespace)?;
    let quiet = args.debug.quiet.map(|switch| switch.0).or(config.defaults.quiet);
    let mut planner = planner(&args.plugin, &args.policy, &config)?;
    let context = resolve::context(namespace, args.suffix.as_deref())?;
    let actor = actor(&args)?;

    let mut plans: Vec<(DebugPlan, Target)> = Vec::with_capacity(targets.len());
    let is_one = targets.len() == 1;
    for target in targets {
        let plan = planner.plan(&request, &target, &context, &actor);
        let plan = plan.map_err(|failed| match is_one {
            true => CliError::from(failed),
            false => CliError::from(failed).of(&target.id().to_string()),
        })?;
        plans.push((plan, target));
    }
    check_names(plans.iter().map(|(plan, _)| plan))?;
    let text = render(plans.iter().map(|(plan, target)| (plan, target)), args.output);
    if let Some(notice) = words::deprecation(request.options.profile) {
        ui::error_line(notice);
    }
    if !matches!(args.output, PlanOutput::Yaml | PlanOutput::Json) {
        show_diagnostics(&plans, args.output, quiet.unwrap_or(false));
    }
    show(&text, args.output)
}

/// Who would ask, as far as the flags say.
fn actor(args: &PlanArgs) -> Result<Actor, CliError> {
    Ok(Actor {
        user: args.as_user.clone().unwrap_or_default(),
        groups: args.as_group.clone(),
        context: args.context.clone(),
        cluster: None,
        reason: resolve::reason(args.policy.reason.as_deref())?,
    })
}

fn show_diagnostics(plans: &[(DebugPlan, Target)], output: PlanOutput, quiet: bool) {
    for (plan, _) in plans {
        match output {
            PlanOutput::Diff => show_found(plan),
            _ => show_warnings(plan),
        }
        for found in plan.diagnostics_of(Severity::Info).filter(|_| !quiet) {
            ui::error_line(&found.message);
        }
    }
}

/// Prints what was rendered.
pub(crate) fn show(text: &str, output: PlanOutput) -> Result<(), CliError> {
    match output {
        PlanOutput::Diff => ui::diff(text),
        _ => ui::output(text),
    }
}

pub(crate) fn render<'a>(
    plans: impl Iterator<Item = (&'a DebugPlan, &'a Target)>,
    output: PlanOutput,
) -> String {
    match output {
        PlanOutput::Yaml => to_yaml(&documents(plans)),
        PlanOutput::Json => {
            let mut items = documents(plans);
            to_json(&match items.len() {
                1 => items.remove(0),
                _ => json!({"apiVersion": trocar::API_VERSION, "kind": "DebugPlanList", "items": items}),
            })
        }
        PlanOutput::Manifest => {
            let plans: Vec<&DebugPlan> = plans.map(|(plan, _)| plan).collect();
            let objects: Vec<Value> = plans.iter().flat_map(|plan| manifests(plan)).collect();
            let how: String = plans.iter().filter_map(|plan| how_to_patch(plan)).collect();
            how + &to_yaml(&objects)
        }
        PlanOutput::Diff => plans
            .map(|(plan, target)| reviews(plan) + &diff(&changes(plan, target)))
            .collect(),
        PlanOutput::Name => plans
            .map(|(plan, _)| format!("pod/{}\n", plan.debug_pod()))
            .collect(),
    }
}

/// The command that adds an ephemeral container, as a comment above its patch: kubectl apply does not.
fn how_to_patch(plan: &DebugPlan) -> Option<String> {
    let adds = |step: &Step| matches!(step, Step::AddEphemeralContainer(_));
    plan.steps().iter().any(adds).then(|| {
        let (pod, namespace) = (plan.debug_pod(), plan.debug_namespace().unwrap_or_default());
        let command = format!(
            "kubectl patch pod {pod} -n {namespace} --subresource=ephemeralcontainers --patch-file=FILE"
        );
        format!("# {}\n", plain(&command))
    })
}

fn documents<'a>(plans: impl Iterator<Item = (&'a DebugPlan, &'a Target)>) -> Vec<Value> {
    plans.map(|(plan, _)| plan.document()).collect()
}

/// What the policies came to and which rights were not asked for, as comments that tools for diffs pass over.
fn reviews(plan: &DebugPlan) -> String {
    let mut lines = String::new();
    for review in plan.policies() {
        let verdict = json!(review.verdict);
        let mode = json!(review.mode);
        let (verdict, mode) = (
            verdict.as_str().unwrap_or_default(),
            mode.as_str().unwrap_or_default(),
        );
        lines += &format!("# policy {} ({mode}): {verdict}\n", review.policy);
        for change in &review.changes {
            lines += &format!("#   {change}\n");
        }
        for found in &review.diagnostics {
            lines += &format!("#   {}\n", plain(&ui::with_help(found)));
        }
    }
    for right in plan.beyond_options() {
        lines += &format!("# right beyond the flags: {}\n", plain(&right.to_string()));
    }
    lines
}

fn diff(changes: &[Change]) -> String {
    let yaml = |object: &Option<Value>| {
        object
            .as_ref()
            .map_or_else(String::new, |object| to_yaml(std::slice::from_ref(object)))
    };
    changes
        .iter()
        .map(|change| {
            let header = |exists: bool, side: &str| match exists {
                true => format!("{side}/{}", change.name),
                false => "/dev/null".to_owned(),
            };
            unified(
                &yaml(&change.before),
                &yaml(&change.after),
                &header(change.before.is_some(), "a"),
                &header(change.after.is_some(), "b"),
            )
        })
        .collect()
}
