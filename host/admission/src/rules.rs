//! The configuration as it is in force: policies loaded, compiled, checked, and tried once.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use serde_json::{Value, json};
use trocar::{
    AuditError, AuditLog, Engine, PlannerError, PolicyRule,
    capability::ClusterReader,
    config::{self, AdmissionEntry, Config, ConfigError, Layer},
    plan::{Mode, ReviewVerdict},
    plugin,
    policy::Match,
    policy_rule, read_config,
};

use crate::review::{Door, Request, Verdict, Webhook, judge};

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RulesError {
    /// A file is missing or malformed.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A policy cannot be had.
    #[error(transparent)]
    Policy(#[from] PlannerError),
    /// A plugin refuses its settings, or breaks over them.
    #[error("policy {policy:?}: settings: {problem}")]
    Settings {
        /// The policy.
        policy: String,
        /// What is wrong.
        problem: String,
    },
    /// A policy could not judge the simplest of debugs.
    #[error("policy {policy:?} fails at the simplest debug: {problem}")]
    Canned {
        /// The policy.
        policy: String,
        /// What it says.
        problem: String,
    },
    /// A place for records cannot be had.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// A file cannot be read again.
    #[error("cannot read {}: {error}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why not.
        error: io::Error,
    },
}

/// What is in force.
pub struct Rules {
    engine: Arc<Engine>,
    /// The policies, in the order in which they are asked.
    pub policies: Vec<PolicyRule>,
    /// Which pods are judged.
    pub admission: AdmissionEntry,
    /// Where decisions are written down.
    pub audit: AuditLog,
    /// The files as they were read.
    files: Vec<(PathBuf, Vec<u8>)>,
}

impl Rules {
    /// Loads a configuration. It is used as a whole or not at all.
    ///
    /// # Errors
    /// Fails at the first thing that is wrong with it.
    pub fn load(
        engine: &Arc<Engine>,
        file: &Path,
        reader: Option<&Arc<dyn ClusterReader>>,
        tell: fn(&str),
    ) -> Result<Self, RulesError> {
        let config = read_config(&[(Layer::Flag, file.to_owned())])?;
        // Kept with their contents: a mounted ConfigMap is replaced as a whole by a link, of which a watched file shows nothing.
        let files = read_again(&config)?;
        // Opened now: with a required record that cannot be written, every request would be denied.
        let audit = AuditLog::open(&config, tell, tell)?;
        let rules = Self::of_config(engine, &config, audit, files)?;
        // With the canned request each component is instantiated and run once, so that the first real review is not the first
        // call.
        rules.try_once(reader)?;
        Ok(rules)
    }

    /// Loads a configuration that is in no file. Nothing is written down.
    ///
    /// # Errors
    /// Fails at the first thing that is wrong with it.
    pub fn of_document(engine: &Arc<Engine>, document: &Value) -> Result<Self, RulesError> {
        let text = document.to_string().into_bytes();
        let defaults = plugin::defaults();
        let names: Vec<&str> = defaults
            .iter()
            .map(|known| known.manifest().name.as_str())
            .collect();
        let config = config::load(&[(Layer::Flag, "config".into())], &names, &|_| Ok(text.clone()))?;
        Self::of_config(engine, &config, AuditLog::default(), Vec::new())
    }

    fn of_config(
        engine: &Arc<Engine>,
        config: &Config,
        audit: AuditLog,
        files: Vec<(PathBuf, Vec<u8>)>,
    ) -> Result<Self, RulesError> {
        let mut policies = Vec::with_capacity(config.policies.len());
        for policy in &config.policies {
            let rule = policy_rule(engine, config, policy)?;
            check_settings(engine, &rule)?;
            policies.push(rule);
        }
        let admission = config.admission.as_ref().map(|admission| admission.value.clone());
        Ok(Self {
            engine: engine.clone(),
            policies,
            admission: admission.unwrap_or_default(),
            audit,
            files,
        })
    }

    /// Returns true if the files are as they were read.
    pub fn are_current(&self) -> bool {
        let is_same = |(file, text): &(PathBuf, Vec<u8>)| fs::read(file).is_ok_and(|now| now == *text);
        self.files.iter().all(is_same)
    }

    /// The modes of all policies.
    pub fn modes(&self) -> impl Iterator<Item = Mode> {
        self.policies.iter().map(|rule| rule.mode)
    }

    /// Judges a request, as far as that can be done until then. Blocks while plugins run, each within its time limit.
    pub fn judge(
        &self,
        request: &Request,
        webhook: Webhook,
        reader: Option<&Arc<dyn ClusterReader>>,
        time: &str,
        until: Option<Instant>,
    ) -> Verdict {
        judge(
            request,
            &Door {
                engine: &self.engine,
                policies: &self.policies,
                admission: &self.admission,
                reader,
                webhook,
                time,
                until,
            },
        )
    }

    /// Lets every policy judge the simplest of debugs, whatever it is asked about: what it says does not matter, that it
    /// says something does.
    fn try_once(&self, reader: Option<&Arc<dyn ClusterReader>>) -> Result<(), RulesError> {
        let policies: Vec<PolicyRule> = self
            .policies
            .iter()
            .map(|rule| PolicyRule {
                // Without its conditions, which the canned request might not meet.
                matches: Match::default(),
                ..rule.clone()
            })
            .collect();
        let request = canned();
        let verdict = judge(
            &request,
            &Door {
                engine: &self.engine,
                policies: &policies,
                admission: &self.admission,
                reader,
                webhook: Webhook::Mutate,
                time: "2026-01-01T00:00:00Z",
                until: None,
            },
        );
        let reviews = verdict.judged.iter().flat_map(|judged| judged.plan.policies());
        let failed = reviews
            .into_iter()
            .find(|review| review.verdict == ReviewVerdict::Failed);
        match failed {
            None => Ok(()),
            Some(review) => Err(RulesError::Canned {
                policy: review.policy.clone(),
                problem: review
                    .diagnostics
                    .first()
                    .map(|found| found.message.clone())
                    .unwrap_or_default(),
            }),
        }
    }
}

/// The simplest of debugs.
fn canned() -> Request {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "canned", "namespace": "default", "uid": "0"},
        "spec": {"containers": [{"name": "app", "image": "registry.example.com/app:1"}]}});
    let mut after = pod.clone();
    after["spec"]["ephemeralContainers"] =
        json!([{"name": "debugger", "image": "registry.example.com/debug:1", "targetContainerName": "app"}]);
    let review = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "canned", "operation": "UPDATE", "subResource": "ephemeralcontainers", "namespace": "default",
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "userInfo": {"username": "trocar-admission", "groups": ["system:authenticated"]},
            "object": after, "oldObject": pod, "dryRun": true,
        },
    });
    Request::read(review.to_string().as_bytes()).expect("a review of our own is one")
}

/// What a plugin says of its settings beyond its schema.
fn check_settings(engine: &Engine, rule: &PolicyRule) -> Result<(), RulesError> {
    let wrong = |problem: String| RulesError::Settings {
        policy: rule.name.clone(),
        problem,
    };
    match engine.validate_settings(&rule.plugin, &rule.settings) {
        Ok(Ok(found)) => match found.first() {
            None => Ok(()),
            Some(found) => Err(wrong(found.message.clone())),
        },
        Ok(Err(failure)) => Err(wrong(failure.to_string())),
        Err(error) => Err(wrong(error.to_string())),
    }
}

fn read_again(config: &Config) -> Result<Vec<(PathBuf, Vec<u8>)>, RulesError> {
    let files = config.files.iter().map(|file| match fs::read(file) {
        Ok(text) => Ok((file.clone(), text)),
        Err(error) => Err(RulesError::Read {
            file: file.clone(),
            error,
        }),
    });
    files.collect()
}
