//! From flags to a planner, and what is shown of a plan before it is carried out.

use trocar::{
    DebugPlan, EngineConfig, GivenForQuota, LeftBehind, Planner, PluginChoice, Severity, StoredOtherwise,
    config::Config, left_behind, plugin::PluginSource,
};

use super::{
    args::{PluginFlags, PolicyFlags, Verbosity},
    error::CliError,
    resolve, ui, words,
};

/// How many differences between what was planned and what was stored are shown.
const MAX_DIFFERENCES_SHOWN: usize = 5;

/// Makes a planner; nothing is loaded before the first plan.
pub(crate) fn planner(
    flags: &PluginFlags,
    policy_flags: &PolicyFlags,
    config: &Config,
) -> Result<Planner, CliError> {
    let is_path = |typed: &String| !matches!(PluginSource::typed(typed), PluginSource::Default(_));
    let may_compile = !config.plugins.is_empty()
        || flags.strategy.as_ref().is_some_and(is_path)
        || policy_flags.policy.iter().any(is_path);
    let engine = ui::engine(EngineConfig {
        limits: resolve::limits(&flags.limit)?,
        // Default plugins are machine code within the program: without others the folder is not even opened.
        cache: resolve::cache_folder().filter(|_| may_compile),
        // A pool is reserved at once, and one run makes few instances.
        pooling: false,
        ..EngineConfig::default()
    })?;
    let verbosity = flags.verbose.0;
    let choice = PluginChoice {
        strategy: flags.strategy.clone(),
        settings: resolve::settings(flags)?,
        grants: resolve::grants(&flags.grant)?,
        policies: policy_flags.policy.clone(),
    };
    Ok(Planner::new(engine, config)
        .with_plugins(choice)
        .with_log(move |plugin, lines| ui::plugin_log(plugin, lines, verbosity))
        .with_unread(tell_unread(config)))
}

/// Tells of flags that make no difference. What a configuration may have set was perhaps not typed.
fn tell_unread(config: &Config) -> impl Fn(&str, &[String]) + Send + Sync + use<> {
    let defaults = &config.defaults;
    let (has_policy, has_profile) = (defaults.image_pull_policy.is_some(), defaults.profile.is_some());
    move |strategy, options| {
        let is_typed = |option: &&String| match option.as_str() {
            "imagePullPolicy" => !has_policy,
            "profile" => !has_profile,
            _ => true,
        };
        let typed: Vec<&str> = options.iter().filter(is_typed).map(String::as_str).collect();
        if !typed.is_empty() {
            ui::warning(&words::unread(strategy, &typed));
        }
    }
}

/// A planner that only asks policies.
pub(crate) fn planner_of_policies(
    flags: &PolicyFlags,
    config: &Config,
    verbosity: Verbosity,
) -> Result<Planner, CliError> {
    let none = PluginFlags {
        strategy: None,
        set: Vec::new(),
        grant: Vec::new(),
        limit: Vec::new(),
        verbose: verbosity,
    };
    planner(&none, flags, config)
}

/// Shows what a person should know before a plan is carried out: warnings, and rights that were not asked for.
pub(crate) fn show_warnings(plan: &DebugPlan) {
    show_found(plan);
    for right in plan.beyond_options() {
        ui::warning(&format!("the plan grants more than the flags ask for: {right}"));
    }
}

/// Shows the warnings alone, where the rights are part of the output.
pub(crate) fn show_found(plan: &DebugPlan) {
    for found in plan.diagnostics_of(Severity::Warning) {
        ui::warning(&ui::with_help(found));
    }
}

/// Shows what quotas made a debug container be given.
pub(crate) fn show_given(given: &[GivenForQuota]) {
    for given in given {
        let resources = given.resources.iter();
        let resources: Vec<String> = resources
            .map(|(name, amount)| format!("{name}={amount}"))
            .collect();
        ui::warning(&format!(
            "quota {:?} requires resources, so the debug container gets {}; --custom sets others",
            given.quota,
            resources.join(", ")
        ));
    }
}

/// Shows what a server stored, or would store, otherwise than it was judged.
pub(crate) fn show_differences(plan: &DebugPlan, stored: Option<&StoredOtherwise>, who: &str) {
    if let Some(stored) = stored {
        let told = stored_in_words(stored).join("; ");
        ui::warning(&format!(
            "{who} something else than was planned for {}: {told}",
            plan.target()
        ));
    }
}

/// The first differences, how many more there are, and what no plan may do.
pub(crate) fn stored_in_words(stored: &StoredOtherwise) -> Vec<String> {
    let differences = &stored.differences;
    let shown = differences.iter().take(MAX_DIFFERENCES_SHOWN);
    let mut told: Vec<String> = shown.map(ToString::to_string).collect();
    if differences.len() > told.len() {
        told.push(format!("and {} more", differences.len() - told.len()));
    }
    let guard_rail = stored.guard_rail.iter();
    told.extend(guard_rail.map(|violation| format!("it breaks a guard rail: {violation}")));
    told
}

/// What a debug leaves behind, and the command that removes it or comes back to it.
pub(crate) fn what_stays(plan: &DebugPlan, may_run: bool) -> Vec<String> {
    let mut lines = what_is_left(plan, left_behind(plan));
    if may_run {
        lines.extend(comes_back(plan, "still runs"));
    }
    lines
}

/// How to come back to the debug container, where it does so: `still runs`, for example.
pub(crate) fn comes_back(plan: &DebugPlan, condition: &str) -> Option<String> {
    let (pod, namespace) = (plan.debug_pod(), plan.debug_namespace().unwrap_or_default());
    let container = plan.attach()?;
    Some(format!(
        "If it {condition}, come back with: trocar attach pod/{pod}:{container} -n {namespace}"
    ))
}

/// What of a plan is left in the cluster, and how it is removed.
pub(crate) fn what_is_left(plan: &DebugPlan, left: Vec<LeftBehind>) -> Vec<String> {
    let (pod, namespace) = (plan.debug_pod(), plan.debug_namespace().unwrap_or_default());
    let left = left.into_iter().map(|left| match left {
        LeftBehind::Container { container } => format!(
            "Container {container} stays listed in pod {pod} of namespace {namespace}: Kubernetes cannot remove \
             ephemeral containers."
        ),
        LeftBehind::Pod => format!(
            "Pod {pod} stays in namespace {namespace}. Remove it with: kubectl delete pod {pod} -n {namespace}"
        ),
        LeftBehind::Deleted { pod } => format!("Pod {pod} was deleted."),
    });
    left.collect()
}
