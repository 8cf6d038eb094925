//! A plan that was judged, and a plan that was agreed to. Both are values that only the chain makes.
//!
//! ```compile_fail,E0451
//! // A plan cannot be approved without its draft.
//! fn forged(draft: trocar_core::planning::Draft) -> trocar_core::planning::Approved {
//!     trocar_core::planning::Approved { draft, agreed: Vec::new() }
//! }
//! ```
//!
//! ```compile_fail,E0599
//! // A draft that was used for an approval cannot be approved again, or changed.
//! fn changed(mut draft: trocar_core::planning::Draft) {
//!     draft.plan_mut();
//! }
//! ```

use std::collections::HashSet;

use crate::{
    plan::{DebugPlan, Right},
    target::Target,
};

/// A checked plan that the policies allow, and the target that it was made for. Not agreed to yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    plan: DebugPlan,
    target: Target,
    is_third_party: bool,
}

impl Draft {
    pub(super) fn new(plan: DebugPlan, target: Target, is_third_party: bool) -> Self {
        Self {
            plan,
            target,
            is_third_party,
        }
    }

    /// The plan.
    pub fn plan(&self) -> &DebugPlan {
        &self.plan
    }

    /// The plan alone.
    pub fn into_plan(self) -> DebugPlan {
        self.plan
    }

    /// What it was made for.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The rights that need consent: those beyond the options, where a plugin that is not a default one made the plan
    /// what it is. Empty when none is needed.
    pub fn rights(&self) -> &[Right] {
        if self.is_third_party {
            self.plan.beyond_options()
        } else {
            &[]
        }
    }

    /// The same plan for the target as it is now, where nothing changed that a plan is made of.
    ///
    /// None where anything else than [`Target::is_same_to_rules`] allows has changed.
    pub fn for_target(&self, now: &Target) -> Option<Self> {
        self.target.is_same_to_rules(now).then(|| Self {
            target: now.clone(),
            ..self.clone()
        })
    }

    /// Asks for consent where it is needed; `agree` is given the rights.
    ///
    /// # Errors
    /// Fails when consent is refused; the error holds the draft.
    pub fn approve(self, agree: impl FnOnce(&[Right]) -> bool) -> Result<Approved, NotAgreed> {
        if !self.rights().is_empty() && !agree(self.rights()) {
            return Err(NotAgreed(Box::new(self)));
        }
        Ok(Approved {
            agreed: self.rights().to_vec(),
            draft: self,
        })
    }
}

/// Consent was refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("the plan grants more than was asked for, and was not approved")]
pub struct NotAgreed(pub Box<Draft>);

/// A plan that may be carried out: judged, and agreed to.
#[derive(Clone, Debug, PartialEq)]
pub struct Approved {
    draft: Draft,
    agreed: Vec<Right>,
}

impl Approved {
    /// The plan.
    pub fn plan(&self) -> &DebugPlan {
        &self.draft.plan
    }

    /// What it was made for.
    pub fn target(&self) -> &Target {
        &self.draft.target
    }

    /// The draft that was agreed to.
    pub fn draft(&self) -> &Draft {
        &self.draft
    }

    /// The rights that were agreed to.
    pub fn agreed(&self) -> &[Right] {
        &self.agreed
    }

    /// Takes a newer draft instead of the one that was agreed to.
    ///
    /// # Errors
    /// Fails with the newer draft when it gives more than was agreed to, or is for a target of another name: that needs a
    /// new answer.
    pub fn renew(&self, newer: Draft) -> Result<Self, Box<Draft>> {
        let (new, old) = (newer.target.id(), self.draft.target.id());
        let is_same = (new.kind, &new.namespace, &new.name) == (old.kind, &old.namespace, &old.name);
        let agreed: HashSet<&Right> = self.agreed.iter().collect();
        // A target that changed meanwhile may give the same plan more rights than the user has seen.
        let is_covered = newer.rights().iter().all(|right| agreed.contains(right));
        if !is_same || !is_covered {
            return Err(Box::new(newer));
        }
        Ok(Self {
            draft: newer,
            agreed: self.agreed.clone(),
        })
    }

    /// The same plan for the target as it is now: see [`Draft::for_target`].
    pub fn for_target(&self, now: &Target) -> Option<Self> {
        Some(Self {
            draft: self.draft.for_target(now)?,
            agreed: self.agreed.clone(),
        })
    }
}
