//! Trust rules of the configuration: which sources plugins may come from, and which signatures they need.
//!
//! Each configuration layer's rules are checked separately, and all must hold. So a weaker layer can only require more.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{RegistryReference, SCHEME, is_digest};

/// The `trust:` section of one configuration file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TrustEntry {
    /// How plugins are treated that no rule matches.
    pub default: TrustDefault,
    /// Revoked digests of components or manifests: these plugins are never used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<String>,
    /// The rules. A plugin has to satisfy each that matches it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<TrustRule>,
}

/// How plugins are treated that no rule matches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrustDefault {
    /// They may be used.
    #[default]
    Allow,
    /// They are refused.
    Deny,
}

/// The signatures that plugins from some sources need.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrustRule {
    /// Prefixes of what the rule matches: registries, repositories, folders or files, compared by whole path components.
    pub sources: Vec<String>,
    /// What to do when signatures are missing.
    #[serde(default)]
    pub require: Require,
    /// Signatures of which each is required.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub all_of: Vec<Signer>,
    /// Signatures of which a number is required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub any_of: Option<AnyOf>,
}

/// What to do when signatures are missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Require {
    /// Refuse the plugin.
    #[default]
    Enforce,
    /// Warn, and use it.
    Warn,
}

/// Signatures of which a number is required.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AnyOf {
    /// How many of the signatures are required.
    #[serde(default = "one")]
    pub minimum_matches: usize,
    /// The signatures.
    pub signatures: Vec<Signer>,
}

fn one() -> usize {
    1
}

/// A signature that a rule requires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Signer {
    /// `pubKey`, the only supported kind; the names are those of Kubewarden's verification configuration.
    pub kind: String,
    /// The signer's name in messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The public key in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Annotations that the signed payload must contain.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// Looks for a signature of a plugin. Returns the signer's name for messages if it is there.
pub type Evidence<'a> = dyn Fn(&Signer) -> Option<String> + 'a;

/// The result of checking a plugin that may be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// The signers that rules asked for and found.
    pub signers: Vec<String>,
    /// What is missing by rules that only warn.
    pub warnings: Vec<String>,
}

/// Why the trust rules refuse a plugin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Untrusted {
    /// Its digest is revoked.
    #[error("{digest} is revoked by {place}")]
    Revoked {
        /// The digest.
        digest: String,
        /// Where in the configuration.
        place: String,
    },
    /// No rule matches it, and the default is to deny.
    #[error("no trust rule of {place} matches it")]
    Unnamed {
        /// Where the rules are.
        place: String,
    },
    /// Signatures are missing.
    #[error("{place} requires {missing}")]
    Unsigned {
        /// The rule.
        place: String,
        /// What is missing.
        missing: String,
    },
}

/// The source of a plugin, as rules match it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// Host and repository.
    Registry(String),
    /// The absolute path of a file, with symbolic links resolved.
    File(String),
}

impl Named {
    /// The source of a plugin from a registry.
    pub fn registry(reference: &RegistryReference) -> Self {
        Self::Registry(reference.name())
    }

    /// Returns whether a rule's source matches. Whole path components are compared, so that `acme` does not match `acme-evil`.
    fn is_matched_by(&self, source: &str) -> bool {
        let (name, prefix) = match self {
            Self::Registry(name) if !source.starts_with('/') => {
                (name, source.strip_prefix(SCHEME).unwrap_or(source))
            }
            Self::File(path) if source.starts_with('/') => (path, source),
            _ => return false,
        };
        let rest = name.strip_prefix(prefix.trim_end_matches('/'));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl TrustEntry {
    /// The first mistake in the rules: a JSON pointer to it, and a message.
    pub fn problem(&self) -> Option<(String, String)> {
        for (index, digest) in self.deny.iter().enumerate() {
            if !is_digest(digest) {
                let problem = format!("{digest:?} is not a digest: write sha256: and 64 hexadecimal digits");
                return Some((format!("/deny/{index}"), problem));
            }
        }
        self.rules.iter().enumerate().find_map(|(index, rule)| {
            let (at, problem) = rule.problem()?;
            Some((format!("/rules/{index}{at}"), problem))
        })
    }

    /// All signatures that rules require, each with a JSON pointer to it.
    pub fn signers(&self) -> impl Iterator<Item = (String, &Signer)> {
        self.rules.iter().enumerate().flat_map(|(index, rule)| {
            let at = format!("/rules/{index}");
            rule.signers()
                .map(move |(part, signer)| (format!("{at}{part}"), signer))
        })
    }

    /// Checks a plugin. `place` turns a JSON pointer into this section into a position for messages.
    ///
    /// # Errors
    /// Fails when the plugin is revoked, when no rule matches and the default is to deny, and when a required signature is missing.
    pub fn judge(
        &self,
        named: &Named,
        digests: &[&str],
        evidence: &Evidence<'_>,
        place: &dyn Fn(&str) -> String,
    ) -> Result<Accepted, Untrusted> {
        // Before all rules: a revoked plugin is refused although its signatures are valid.
        for (index, digest) in self.deny.iter().enumerate() {
            if digests.contains(&digest.as_str()) {
                return Err(Untrusted::Revoked {
                    digest: digest.clone(),
                    place: place(&format!("/deny/{index}")),
                });
            }
        }
        let mut accepted = Accepted::default();
        let mut is_matched = false;
        for (index, rule) in self.rules.iter().enumerate() {
            if !rule.sources.iter().any(|source| named.is_matched_by(source)) {
                continue;
            }
            is_matched = true;
            let (signers, missing) = rule.missing(evidence);
            accepted.signers.extend(signers);
            let Some(missing) = missing else { continue };
            let place = place(&format!("/rules/{index}"));
            match rule.require {
                Require::Enforce => return Err(Untrusted::Unsigned { place, missing }),
                Require::Warn => accepted
                    .warnings
                    .push(Untrusted::Unsigned { place, missing }.to_string()),
            }
        }
        if !is_matched && self.default == TrustDefault::Deny {
            return Err(Untrusted::Unnamed { place: place("") });
        }
        Ok(accepted)
    }
}

impl TrustRule {
    fn problem(&self) -> Option<(String, String)> {
        if self.sources.is_empty() {
            return Some(("/sources".into(), "a rule needs at least one source".into()));
        }
        for (index, source) in self.sources.iter().enumerate() {
            if let Some(problem) = source_problem(source) {
                return Some((format!("/sources/{index}"), problem));
            }
        }
        let of_signer = self
            .signers()
            .find_map(|(at, signer)| Some((at, signer.problem()?)));
        of_signer.or_else(|| {
            let any = self.any_of.as_ref()?;
            // Zero would hold without any signature.
            let signers = distinct(&any.signatures);
            let can_hold = (1..=signers).contains(&any.minimum_matches);
            let problem = format!(
                "it requires the signatures of {} of {signers} keys",
                any.minimum_matches
            );
            (!can_hold).then(|| ("/anyOf/minimumMatches".into(), problem))
        })
    }

    fn signers(&self) -> impl Iterator<Item = (String, &Signer)> {
        let all = self.all_of.iter().enumerate();
        let all = all.map(|(index, signer)| (format!("/allOf/{index}"), signer));
        let any = self
            .any_of
            .iter()
            .flat_map(|any| any.signatures.iter().enumerate());
        all.chain(any.map(|(index, signer)| (format!("/anyOf/signatures/{index}"), signer)))
    }

    /// The signers that were found, and what is missing.
    fn missing(&self, evidence: &Evidence<'_>) -> (Vec<String>, Option<String>) {
        let mut found = Vec::new();
        let mut missing = Vec::new();
        for signer in &self.all_of {
            match evidence(signer) {
                Some(name) => found.push(name),
                None => missing.push(format!("a signature of {}", signer.name())),
            }
        }
        if let Some(any) = &self.any_of {
            let present = any
                .signatures
                .iter()
                .filter_map(|signer| Some((signer, evidence(signer)?)));
            let (signers, present): (Vec<&Signer>, Vec<String>) = present.unzip();
            if distinct(signers) < any.minimum_matches {
                let names: Vec<String> = any.signatures.iter().map(Signer::name).collect();
                missing.push(format!(
                    "{} of the signatures of {}",
                    any.minimum_matches,
                    names.join(", ")
                ));
            }
            found.extend(present);
        }
        (found, (!missing.is_empty()).then(|| missing.join(" and ")))
    }
}

/// How many signers there are. A key may be listed more than once, with different annotations: it is one signer all the same.
fn distinct<'a>(signers: impl IntoIterator<Item = &'a Signer>) -> usize {
    signers
        .into_iter()
        .map(Signer::identity)
        .collect::<BTreeSet<_>>()
        .len()
}

impl Signer {
    /// The key, however its lines are broken.
    fn identity(&self) -> String {
        let key = self.key.as_ref().or(self.owner.as_ref());
        key.into_iter().flat_map(|key| key.split_whitespace()).collect()
    }

    fn problem(&self) -> Option<String> {
        match self.kind.as_str() {
            "pubKey" => {
                let is_key = self
                    .key
                    .as_ref()
                    .is_some_and(|key| key.contains("-----BEGIN PUBLIC KEY-----"));
                (!is_key).then(|| "a signature of kind pubKey needs a key: a public key in PEM".to_owned())
            }
            // Refused, not passed over: a rule that asks for a signature must never be treated as if it had not asked.
            "genericIssuer" | "githubAction" => Some(format!(
                "kind {:?} needs Sigstore certificates, which this version does not verify; use kind pubKey",
                self.kind
            )),
            other => Some(format!("kind {other:?} is unknown; use \"pubKey\"")),
        }
    }

    /// The signer's name in messages.
    pub fn name(&self) -> String {
        self.owner
            .clone()
            .unwrap_or_else(|| "a key of the configuration".into())
    }
}

/// Returns what is wrong with a source, which is an absolute path, a host, or a host with the beginning of a repository.
fn source_problem(source: &str) -> Option<String> {
    if source.starts_with('/') {
        let is_plain = source.split('/').all(|part| part != ".." && part != ".");
        return (!is_plain).then(|| format!("{source:?} contains . or ..; write the resolved path"));
    }
    let bare = source
        .strip_prefix(SCHEME)
        .unwrap_or(source)
        .trim_end_matches('/');
    let (host, repository) = bare.split_once('/').unwrap_or((bare, ""));
    let is_repository = repository.is_empty() || repository.split('/').all(super::reference::is_component);
    let is_source = super::reference::is_host(host) && is_repository;
    let problem = || format!("{source:?} is neither an absolute path nor HOST/REPOSITORY without a tag");
    (!is_source).then(problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";

    fn signer(owner: &str) -> Signer {
        Signer {
            kind: "pubKey".into(),
            owner: Some(owner.into()),
            key: Some(format!("{KEY}\n{owner}")),
            annotations: BTreeMap::new(),
        }
    }

    fn rule(source: &str, all: &[&str]) -> TrustRule {
        TrustRule {
            sources: vec![source.into()],
            require: Require::Enforce,
            all_of: all.iter().map(|owner| signer(owner)).collect(),
            any_of: None,
        }
    }

    fn trust(default: TrustDefault, rules: Vec<TrustRule>) -> TrustEntry {
        TrustEntry {
            default,
            deny: Vec::new(),
            rules,
        }
    }

    fn judge(trust: &TrustEntry, source: &Named, signed_by: &[&str]) -> Result<Accepted, String> {
        let evidence = |signer: &Signer| {
            signer
                .owner
                .clone()
                .filter(|owner| signed_by.contains(&owner.as_str()))
        };
        let judged = trust.judge(source, &["sha256:m", "sha256:c"], &evidence, &|at| {
            format!("c.yaml{at}")
        });
        judged.map_err(|error| error.to_string())
    }

    fn registry(name: &str) -> Named {
        Named::Registry(name.into())
    }

    #[test]
    fn sources_match_whole_path_components() {
        for (source, named, wanted) in [
            ("ghcr.io/acme", registry("ghcr.io/acme/java"), true),
            ("oci://ghcr.io/acme/", registry("ghcr.io/acme/java"), true),
            ("ghcr.io", registry("ghcr.io/x"), true),
            ("ghcr.io/acme/java", registry("ghcr.io/acme/java"), true),
            ("ghcr.io/acme", registry("ghcr.io/acme-evil/java"), false),
            ("ghcr.io", registry("ghcr.io.evil.example/x"), false),
            ("ghcr.io", registry("ghcr.io:5000/x"), false),
            ("/opt/plugins", Named::File("/opt/plugins/a.wasm".into()), true),
            (
                "/opt/plugins",
                Named::File("/opt/plugins-evil/a.wasm".into()),
                false,
            ),
            ("/", Named::File("/opt/a.wasm".into()), true),
            ("/ghcr.io", registry("ghcr.io/x"), false),
            ("ghcr.io", Named::File("ghcr.io/x".into()), false),
        ] {
            assert_eq!(named.is_matched_by(source), wanted, "{source} {named:?}");
        }
    }

    #[test]
    fn every_matching_rule_has_to_hold() {
        let trust = trust(
            TrustDefault::Allow,
            vec![
                rule("ghcr.io/acme", &["platform"]),
                rule("ghcr.io/acme/java", &["java team"]),
            ],
        );
        let java = registry("ghcr.io/acme/java");
        let accepted = judge(&trust, &java, &["platform", "java team"]).unwrap();
        assert_eq!(accepted.signers, ["platform", "java team"]);
        assert_eq!(
            judge(&trust, &java, &["platform"]).unwrap_err(),
            "c.yaml/rules/1 requires a signature of java team"
        );
        assert!(judge(&trust, &registry("ghcr.io/acme/go"), &["platform"]).is_ok());
        assert!(
            judge(&trust, &registry("quay.io/x"), &[]).is_ok(),
            "other sources need nothing"
        );
    }

    #[test]
    fn unmatched_plugins_are_refused_where_the_default_is_deny() {
        let trust = trust(TrustDefault::Deny, vec![rule("ghcr.io/acme", &[])]);
        assert!(judge(&trust, &registry("ghcr.io/acme/java"), &[]).is_ok());
        for other in [registry("quay.io/x"), Named::File("/home/me/x.wasm".into())] {
            assert_eq!(
                judge(&trust, &other, &["platform"]).unwrap_err(),
                "no trust rule of c.yaml matches it"
            );
        }
    }

    /// The same key, once with its lines broken otherwise, is one signer.
    #[test]
    fn a_key_that_is_listed_twice_signs_once() {
        let mut again = signer("a");
        again.key = again.key.map(|key| key.replace('\n', "\r\n"));
        let any = |minimum_matches, signatures| TrustRule {
            any_of: Some(AnyOf {
                minimum_matches,
                signatures,
            }),
            ..rule("ghcr.io", &[])
        };
        let both = any(2, vec![signer("a"), again, signer("b")]);
        let source = registry("ghcr.io/x");
        assert!(judge(&trust(TrustDefault::Allow, vec![both.clone()]), &source, &["a"]).is_err());
        assert!(judge(&trust(TrustDefault::Allow, vec![both]), &source, &["a", "b"]).is_ok());
        let problem = any(2, vec![signer("a"), signer("a")]).problem();
        assert!(problem.is_some_and(|(_, problem)| problem.contains("2 of 1 keys")));
    }

    #[test]
    fn revoked_digests_are_refused_even_if_signed() {
        let mut trust = trust(TrustDefault::Allow, vec![rule("ghcr.io", &["platform"])]);
        for digest in ["sha256:m", "sha256:c"] {
            trust.deny = vec!["sha256:x".into(), digest.into()];
            let error = judge(&trust, &registry("ghcr.io/a"), &["platform"]).unwrap_err();
            assert_eq!(error, format!("{digest} is revoked by c.yaml/deny/1"));
        }
    }

    #[test]
    fn some_of_several_signatures_and_a_rule_that_only_warns() {
        let any = AnyOf {
            minimum_matches: 2,
            signatures: vec![signer("a"), signer("b"), signer("c")],
        };
        let mut trust = trust(
            TrustDefault::Allow,
            vec![TrustRule {
                any_of: Some(any),
                ..rule("ghcr.io", &[])
            }],
        );
        let source = registry("ghcr.io/x");
        assert_eq!(judge(&trust, &source, &["c", "a"]).unwrap().signers, ["a", "c"]);
        let error = judge(&trust, &source, &["b"]).unwrap_err();
        assert!(error.contains("2 of the signatures of a, b, c"), "{error}");
        trust.rules[0].require = Require::Warn;
        let accepted = judge(&trust, &source, &["b"]).unwrap();
        assert_eq!(accepted.signers, ["b"]);
        assert!(
            accepted.warnings[0].contains("2 of the signatures"),
            "{accepted:?}"
        );
    }

    #[test]
    fn mistakes_in_rules_are_found_with_their_place() {
        let of_signer = |signer: Signer| TrustRule {
            all_of: vec![signer],
            ..rule("ghcr.io", &[])
        };
        let kind = |kind: &str| {
            of_signer(Signer {
                kind: kind.into(),
                ..signer("a")
            })
        };
        for (broken, at, why) in [
            (rule("ghcr.io/acme:1", &[]), "/rules/0/sources/0", "without a tag"),
            (rule("acme", &[]), "/rules/0/sources/0", "neither"),
            (rule("/opt/../x", &[]), "/rules/0/sources/0", "the resolved path"),
            (kind("githubAction"), "/rules/0/allOf/0", "does not verify"),
            (kind("pubkey"), "/rules/0/allOf/0", "unknown"),
            (
                of_signer(Signer {
                    key: None,
                    ..signer("a")
                }),
                "/rules/0/allOf/0",
                "needs a key",
            ),
            (
                TrustRule {
                    any_of: Some(AnyOf {
                        minimum_matches: 2,
                        signatures: vec![signer("a")],
                    }),
                    ..rule("ghcr.io", &[])
                },
                "/rules/0/anyOf/minimumMatches",
                "requires the signatures of 2 of 1",
            ),
            (
                TrustRule {
                    any_of: Some(AnyOf {
                        minimum_matches: 0,
                        signatures: vec![signer("a")],
                    }),
                    ..rule("ghcr.io", &[])
                },
                "/rules/0/anyOf/minimumMatches",
                "requires the signatures of 0 of 1",
            ),
        ] {
            let (found, problem) = trust(TrustDefault::Allow, vec![broken]).problem().unwrap();
            assert!(found == at && problem.contains(why), "{found}: {problem}");
        }
        let good = trust(
            TrustDefault::Deny,
            vec![rule("oci://ghcr.io/acme/", &["a"]), rule("/opt", &[])],
        );
        assert_eq!(good.problem(), None);
    }
}
