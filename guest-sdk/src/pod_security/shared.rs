//! Checks of security contexts that are the same for pods and containers: profiles, SELinux, Windows options and the
//! user.

use serde_json::Value;

use super::{
    Level,
    controls::{APP_ARMOR, HOST_PROCESS, RUN_AS_NON_ROOT, RUN_AS_USER, SECCOMP, SELINUX},
    message::{Owner, only},
    review::Review,
    spot::Spot,
};

const SELINUX_TYPES: [&str; 4] = [
    "container_engine_t",
    "container_init_t",
    "container_kvm_t",
    "container_t",
];

pub(super) const PROFILE_TYPES: [&str; 2] = ["Localhost", "RuntimeDefault"];

impl Review {
    /// What can be set for the pod and for each container.
    pub(super) fn shared_context(&mut self, context: &Spot<'_>, owner: Owner<'_>) {
        for (field, control) in [("seccompProfile", SECCOMP), ("appArmorProfile", APP_ARMOR)] {
            let profile = self.object(context, field);
            let kind = profile.field("type");
            if !profile.is_absent() && !kind.is_one_of(&PROFILE_TYPES) {
                let field = format!("{field}.type");
                let allowed = only(&PROFILE_TYPES);
                self.refuse(control, Level::Baseline, &kind, owner, &field, &allowed);
            }
        }
        let selinux = self.object(context, "seLinuxOptions");
        self.selinux_options(&selinux, owner);
        let windows = self.object(context, "windowsOptions");
        let host_process = windows.field("hostProcess");
        self.must_be_off(HOST_PROCESS, &host_process, owner, "windowsOptions.hostProcess");
        self.user(context, owner);
    }

    fn selinux_options(&mut self, options: &Spot<'_>, owner: Owner<'_>) {
        for field in ["type", "user", "role"] {
            let option = options.field(field);
            let is_known_type = field == "type" && option.is_one_of(&SELINUX_TYPES);
            if is_known_type || option.text_or_empty() == Some("") {
                continue;
            }
            let allowed = match field {
                "type" => only(&SELINUX_TYPES),
                _ => "it must not be set".to_owned(),
            };
            let field = format!("seLinuxOptions.{field}");
            self.refuse(SELINUX, Level::Baseline, &option, owner, &field, &allowed);
        }
    }

    fn user(&mut self, context: &Spot<'_>, owner: Owner<'_>) {
        let user = context.field("runAsUser");
        let may_be_root = self.has_user_namespace;
        if !user.is_absent() && user.number().is_none_or(|number| number == 0 && !may_be_root) {
            let allowed = "any other number or nothing is allowed";
            self.refuse(RUN_AS_USER, Level::Restricted, &user, owner, "runAsUser", allowed);
        }
        let non_root = context.field("runAsNonRoot");
        let is_allowed = match non_root.value {
            None | Some(Value::Bool(true)) => true,
            Some(Value::Bool(false)) => self.has_user_namespace,
            Some(_) => false,
        };
        if !is_allowed {
            let (level, field) = (Level::Restricted, "runAsNonRoot");
            self.refuse(
                RUN_AS_NON_ROOT,
                level,
                &non_root,
                owner,
                field,
                "only true is allowed",
            );
        }
    }
}
