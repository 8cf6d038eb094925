//! Cases for the admission webhook: the `AdmissionReview` that an API server would send about what the strategy plans, and the
//! configuration of the policies. The webhook should come to the same verdict.

use serde_json::{Value, json};
use trocar_core::{
    manifest::PluginType,
    plan::{DebugPlan, Step},
    target::TargetKind,
};
use trocar_sdk::{DebugOptions, options::API_VERSION};

use super::{Case, CaseError, run::Runner};
use crate::engine::PlanRequest;

/// The kind of these documents.
pub const DOOR_KIND: &str = "PolicyCaseAtTheDoor";

impl Runner<'_> {
    /// Generates the document of a case: an `AdmissionReview`, the configuration, the objects that can be read, and the verdict of
    /// the case here. Its `unreachable` has the reason if the case never sends a request to a cluster.
    ///
    /// # Errors
    /// Fails when a plugin cannot be loaded, and when settings are invalid.
    pub fn at_the_door(&mut self, case: &Case) -> Result<Value, CaseError> {
        let verdict = self.run(case, None)?.outcome.verdict;
        let mut document = json!({
            "apiVersion": API_VERSION, "kind": DOOR_KIND, "file": case.file, "name": case.name, "verdict": verdict,
        });
        let planned = match &case.options {
            Err(refusal) => Err(refusal.clone()),
            Ok(options) => self.planned(case, options)?,
        };
        match planned {
            Err(refusal) => document["unreachable"] = json!(refusal),
            Ok(plan) => {
                document["config"] = self.config(case)?;
                document["time"] = json!(case.context.time);
                document["review"] = review(case, &plan);
                document["sourceIsKnown"] = json!(is_source_known(case, &plan));
                let mut objects = case.objects.clone().unwrap_or_default().0;
                if case.target.id().kind == TargetKind::Node {
                    objects.push(json!(case.target.object()));
                }
                document["objects"] = json!(objects);
            }
        }
        Ok(document)
    }

    /// The strategy's plan, before policies review it.
    fn planned(
        &mut self,
        case: &Case,
        options: &DebugOptions,
    ) -> Result<Result<DebugPlan, String>, CaseError> {
        let strategy = self.plugin(&case.strategy, PluginType::Strategy)?;
        let planned = self.engine().plan(&PlanRequest {
            target: &case.target,
            options,
            strategy: &strategy,
            strategy_name: None,
            settings: &case.settings,
            context: &case.context,
            actor: &case.actor,
            policies: &[],
            reader: case.reader().as_ref(),
            time_to_live: None,
        });
        Ok(planned
            .map(|planned| planned.plan)
            .map_err(|error| error.to_string()))
    }

    /// The policies as a configuration, with plugins pinned by digest.
    fn config(&mut self, case: &Case) -> Result<Value, CaseError> {
        let (mut plugins, mut policies) = (Vec::new(), Vec::new());
        for (index, (entry, source)) in case.policies.iter().enumerate() {
            let mut policy = json!(entry);
            let plugin = self.plugin(source, PluginType::Policy)?;
            if let Some(file) = plugin.description().source().file() {
                let name = format!("plugin-{index}");
                let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
                let capabilities = &plugin.description().manifest().capabilities;
                let grants: Vec<&str> = capabilities.iter().map(|wanted| wanted.name.as_str()).collect();
                let digest = plugin.description().digest();
                plugins.push(json!({"name": name, "file": file, "digest": digest, "grants": grants}));
                policy["plugin"] = json!(name);
            }
            policies.push(policy);
        }
        Ok(json!({"apiVersion": API_VERSION, "kind": "Config", "plugins": plugins, "policies": policies}))
    }
}

/// Returns false for copies: the created pod does not name its source.
fn is_source_known(case: &Case, plan: &DebugPlan) -> bool {
    let is_copy = case.target.id().kind == TargetKind::Pod;
    let creates = plan.steps().iter().any(|step| matches!(step, Step::CreatePod(_)));
    !(is_copy && creates)
}

/// The `AdmissionReview` for the first step of a plan. A deletion has none: it is not judged.
fn review(case: &Case, plan: &DebugPlan) -> Value {
    let target = case.target.object();
    let namespace = plan.debug_namespace().unwrap_or(&case.context.namespace);
    let (subresource, operation, object, old) = match plan.steps().first() {
        Some(Step::AddEphemeralContainer(container)) => {
            let mut pod = json!(target);
            let list = &mut pod["spec"]["ephemeralContainers"];
            match list {
                Value::Array(containers) => containers.push(json!(container)),
                other => *other = json!([container]),
            }
            ("ephemeralcontainers", "UPDATE", pod, json!(target))
        }
        Some(Step::CreatePod(pod)) => {
            let mut pod = json!(pod);
            if let Some(reason) = &case.actor.reason {
                // The stamp of the created pod has it there.
                pod["metadata"]["annotations"]["trocar.dev/reason"] = json!(reason);
            }
            ("", "CREATE", pod, Value::Null)
        }
        _ => ("", "", Value::Null, Value::Null),
    };
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "case", "resource": {"group": "", "version": "v1", "resource": "pods"}, "subResource": subresource,
            "operation": operation, "namespace": namespace, "name": plan.debug_pod(),
            "userInfo": {"username": case.actor.user, "groups": case.actor.groups},
            "object": object, "oldObject": old, "dryRun": true,
        },
    })
}
