//! Who is trusted: rules of the configuration about where plugins come from and who signed them.
//!
//! Each layer's rules are asked by themselves, and all of them must hold. So a weaker layer can only ask for more.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{RegistryReference, SCHEME, is_digest};

/// What `trust:` of one file says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TrustEntry {
    /// What happens to plugins that no rule names.
    pub default: TrustDefault,
    /// Digests, of components or manifests, that are never used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<String>,
    /// What is asked of whom.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<TrustRule>,
}

/// What happens to plugins that no rule names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrustDefault {
    /// They are used.
    #[default]
    Allow,
    /// They are not.
    Deny,
}

/// What is asked of plugins from some sources.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrustRule {
    /// Registries, repositories, folders or files: what begins with one of them in whole parts of its path.
    pub sources: Vec<String>,
    /// What happens where the signatures are missing.
    #[serde(default)]
    pub require: Require,
    /// Signatures that all have to be there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub all_of: Vec<Signer>,
    /// Signatures of which some have to be there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub any_of: Option<AnyOf>,
}

/// What happens where signatures are missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Require {
    /// The plugin is not used.
    #[default]
    Enforce,
    /// It is told.
    Warn,
}

/// Signatures of which some have to be there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AnyOf {
    /// How many of them.
    #[serde(default = "one")]
    pub minimum_matches: usize,
    /// The signatures.
    pub signatures: Vec<Signer>,
}

fn one() -> usize {
    1
}

/// A signature that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Signer {
    /// `pubKey`.
    pub kind: String,
    /// Who it is, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The public key in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What the signature has to say besides.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// Says whether a plugin has a signature: by which name the signer is shown, if it has.
pub type Evidence<'a> = dyn Fn(&Signer) -> Option<String> + 'a;

/// What came of a plugin that is used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// Who signed it, as far as rules ask for that.
    pub signers: Vec<String>,
    /// What is missing, where rules only warn.
    pub warnings: Vec<String>,
}

/// Why a plugin is not trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Untrusted {
    /// Its digest is revoked.
    #[error("{digest} is revoked by {place}")]
    Revoked {
        /// The digest.
        digest: String,
        /// Where.
        place: String,
    },
    /// No rule names it, and what no rule names is not used.
    #[error("no rule of {place} names it")]
    Unnamed {
        /// Where the rules are.
        place: String,
    },
    /// Signatures are missing.
    #[error("{place} asks for {missing}")]
    Unsigned {
        /// The rule.
        place: String,
        /// What is missing.
        missing: String,
    },
}

/// The source of a plugin, as rules name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// Host and repository.
    Registry(String),
    /// The absolute path of a file, without links.
    File(String),
}

impl Named {
    /// What rules know a plugin of a registry by.
    pub fn registry(reference: &RegistryReference) -> Self {
        Self::Registry(reference.name())
    }

    /// Says whether one of a rule's sources stands for this: whole parts of the path count, so that `acme` is not `acme-evil`.
    fn is_named_by(&self, source: &str) -> bool {
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
    /// What is wrong with the rules: where, as a pointer, and what.
    pub fn problem(&self) -> Option<(String, String)> {
        for (index, digest) in self.deny.iter().enumerate() {
            if !is_digest(digest) {
                let problem = format!("{digest:?} is not a digest: it is sha256: and 64 hexadecimal digits");
                return Some((format!("/deny/{index}"), problem));
            }
        }
        self.rules.iter().enumerate().find_map(|(index, rule)| {
            let (at, problem) = rule.problem()?;
            Some((format!("/rules/{index}{at}"), problem))
        })
    }

    /// All signatures that rules ask for, each with the pointer to it.
    pub fn signers(&self) -> impl Iterator<Item = (String, &Signer)> {
        self.rules.iter().enumerate().flat_map(|(index, rule)| {
            let at = format!("/rules/{index}");
            rule.signers()
                .map(move |(part, signer)| (format!("{at}{part}"), signer))
        })
    }

    /// Judges a plugin. `place` says where in the configuration something stands, by its pointer from here.
    ///
    /// # Errors
    /// Fails when it is revoked, named by no rule where that is asked for, or lacks a signature.
    pub fn judge(
        &self,
        named: &Named,
        digests: &[&str],
        evidence: &Evidence<'_>,
        place: &dyn Fn(&str) -> String,
    ) -> Result<Accepted, Untrusted> {
        for (index, digest) in self.deny.iter().enumerate() {
            if digests.contains(&digest.as_str()) {
                return Err(Untrusted::Revoked {
                    digest: digest.clone(),
                    place: place(&format!("/deny/{index}")),
                });
            }
        }
        let mut accepted = Accepted::default();
        let mut is_named = false;
        for (index, rule) in self.rules.iter().enumerate() {
            if !rule.sources.iter().any(|source| named.is_named_by(source)) {
                continue;
            }
            is_named = true;
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
        if !is_named && self.default == TrustDefault::Deny {
            return Err(Untrusted::Unnamed { place: place("") });
        }
        Ok(accepted)
    }
}

impl TrustRule {
    fn problem(&self) -> Option<(String, String)> {
        if self.sources.is_empty() {
            return Some(("/sources".into(), "a rule names at least one source".into()));
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
            let can_hold = (1..=any.signatures.len()).contains(&any.minimum_matches);
            let problem = format!(
                "{} of {} signatures cannot be asked for",
                any.minimum_matches,
                any.signatures.len()
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

    /// The signers that are there, and what is missing.
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
            let there: Vec<String> = any.signatures.iter().filter_map(evidence).collect();
            if there.len() < any.minimum_matches {
                let names: Vec<String> = any.signatures.iter().map(Signer::name).collect();
                missing.push(format!(
                    "{} of the signatures of {}",
                    any.minimum_matches,
                    names.join(", ")
                ));
            }
            found.extend(there);
        }
        (found, (!missing.is_empty()).then(|| missing.join(" and ")))
    }
}

impl Signer {
    fn problem(&self) -> Option<String> {
        match self.kind.as_str() {
            "pubKey" => {
                let is_key = self
                    .key
                    .as_ref()
                    .is_some_and(|key| key.contains("-----BEGIN PUBLIC KEY-----"));
                (!is_key).then(|| "a signature of the kind pubKey has a key: a public key in PEM".to_owned())
            }
            "genericIssuer" | "githubAction" => Some(format!(
                "the kind {:?} needs certificates of Sigstore, which this version does not verify; use the kind pubKey",
                self.kind
            )),
            other => Some(format!("the kind {other:?} is unknown; there is \"pubKey\"")),
        }
    }

    /// Who it is, for people.
    pub fn name(&self) -> String {
        self.owner
            .clone()
            .unwrap_or_else(|| "a key of the configuration".into())
    }
}

/// A source is an absolute path, a host, or a host and the beginning of a repository.
fn source_problem(source: &str) -> Option<String> {
    if source.starts_with('/') {
        let is_plain = source.split('/').all(|part| part != ".." && part != ".");
        return (!is_plain).then(|| format!("{source:?} leads up and down; write where it leads to"));
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
            key: Some(KEY.into()),
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
    fn a_source_stands_for_whole_parts_of_a_path() {
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
            assert_eq!(named.is_named_by(source), wanted, "{source} {named:?}");
        }
    }

    #[test]
    fn every_rule_that_names_a_plugin_has_to_hold() {
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
            "c.yaml/rules/1 asks for a signature of java team"
        );
        assert!(judge(&trust, &registry("ghcr.io/acme/go"), &["platform"]).is_ok());
        assert!(
            judge(&trust, &registry("quay.io/x"), &[]).is_ok(),
            "nothing is asked of others"
        );
    }

    #[test]
    fn what_no_rule_names_is_not_used_where_that_is_the_default() {
        let trust = trust(TrustDefault::Deny, vec![rule("ghcr.io/acme", &[])]);
        assert!(judge(&trust, &registry("ghcr.io/acme/java"), &[]).is_ok());
        for other in [registry("quay.io/x"), Named::File("/home/me/x.wasm".into())] {
            assert_eq!(
                judge(&trust, &other, &["platform"]).unwrap_err(),
                "no rule of c.yaml names it"
            );
        }
    }

    #[test]
    fn a_revoked_digest_is_not_used_even_if_it_is_signed() {
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
    fn mistakes_in_rules_are_found_where_they_stand() {
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
            (rule("/opt/../x", &[]), "/rules/0/sources/0", "up and down"),
            (kind("githubAction"), "/rules/0/allOf/0", "does not verify"),
            (kind("pubkey"), "/rules/0/allOf/0", "unknown"),
            (
                of_signer(Signer {
                    key: None,
                    ..signer("a")
                }),
                "/rules/0/allOf/0",
                "has a key",
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
                "2 of 1",
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
                "0 of 1",
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
