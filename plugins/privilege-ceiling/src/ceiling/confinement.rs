//! The confinement of a container: user, seccomp, AppArmor, SELinux, privilege escalation, host ports.
//!
//! Compared with what the profile gives on the same target: a container with the profile's security context, in a pod with the
//! target's. So what the target's pod leaves unconfined for all its containers is allowed.

use serde_json::{Value, json};
use trocar_sdk::{
    Object, Profile,
    pod::{flag, list, object, object_mut, text},
};

use super::{
    Ceiling,
    privileges::{context, present},
};
use crate::{
    finding::Finding,
    level::PROBES,
    planned::{Judged, Planned},
};

/// A container's security context within that of its pod.
#[derive(Clone, Copy)]
pub(super) struct Confinement<'a> {
    of_pod: Option<&'a Object>,
    own: Option<&'a Object>,
    is_restricted: bool,
}

/// The confinement that the ceiling's profile gives on the same target.
#[derive(Clone, Copy)]
pub(super) struct Profiled<'a> {
    confinement: Confinement<'a>,
    /// The settings bound user ids by a number instead.
    says_user: bool,
}

/// How unconfined a program is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Confined {
    Yes,
    /// By the node's configuration.
    Perhaps,
    No,
}

/// The SELinux types that the Pod Security Standards allow.
const SELINUX_TYPES: [&str; 4] = [
    "container_engine_t",
    "container_init_t",
    "container_kvm_t",
    "container_t",
];

/// The profile's confinement; none if it is not bounded.
pub(super) fn given<'a>(ceiling: &Ceiling, planned: &Planned<'a>) -> Option<Profiled<'a>> {
    let profile = ceiling.confined?;
    Some(Profiled {
        confinement: Confinement {
            of_pod: planned.original_spec().and_then(context),
            own: None,
            is_restricted: profile == Profile::Restricted,
        },
        says_user: ceiling.lowest_user.is_some(),
    })
}

impl<'a> Confinement<'a> {
    fn of(planned: &Planned<'a>, container: &'a Object) -> Self {
        Self {
            of_pod: planned.spec().and_then(context),
            own: context(container),
            is_restricted: false,
        }
    }

    /// A field of the container's security context, else of the pod's.
    fn field(&self, name: &str) -> Option<&'a Value> {
        let own = self.own.and_then(|own| present(own, name));
        own.or_else(|| present(self.of_pod?, name))
    }

    fn may_be_root(&self) -> bool {
        if self.is_restricted {
            return false;
        }
        let windows = self
            .field("windowsOptions")
            .and_then(|windows| windows["runAsUserName"].as_str());
        let is_windows_admin = windows.is_some_and(|user| {
            let user = user.to_ascii_lowercase();
            user.ends_with("administrator") || user.ends_with("system")
        });
        match self.field("runAsUser") {
            Some(user) => user.as_u64().is_none_or(|user| user == 0),
            None => is_windows_admin || self.field("runAsNonRoot") != Some(&Value::Bool(true)),
        }
    }

    fn seccomp(&self) -> Confined {
        if self.is_restricted {
            return Confined::Yes;
        }
        confined(self.field("seccompProfile"), Confined::Perhaps)
    }

    fn app_armor(&self) -> Confined {
        confined(self.field("appArmorProfile"), Confined::Yes)
    }

    fn selinux(&self, field: &str) -> &'a str {
        let options = self.field("seLinuxOptions").and_then(Value::as_object);
        options
            .and_then(|options| text(options, field))
            .unwrap_or_default()
    }
}

fn confined(profile: Option<&Value>, otherwise: Confined) -> Confined {
    match profile.map(|profile| profile["type"].as_str()) {
        None => otherwise,
        Some(Some("RuntimeDefault" | "Localhost")) => Confined::Yes,
        Some(_) => Confined::No,
    }
}

/// The parts of a container's confinement that are looser than the profile's.
pub(super) fn above(
    given: &Profiled<'_>,
    planned: &Planned<'_>,
    judged: &Judged<'_>,
    found: &mut Vec<Finding>,
) {
    let mut tell = |code: &'static str, what: &str, field: &str| {
        found.push(Finding {
            code,
            container: Some(judged.name().to_owned()),
            what: what.to_owned(),
            at: format!("{}{field}", judged.at),
        });
    };
    if !judged.is_kept {
        let is_windows = planned.is_windows();
        for (code, what, field) in looser(given, &Confinement::of(planned, judged.container), is_windows) {
            tell(code, &what, &format!("/securityContext/{field}"));
        }
        if let Some(field) = calls_another_host(judged.container, judged.before) {
            tell(
                "host-probe",
                "would make the kubelet call another host",
                &format!("/{field}"),
            );
        }
    }
    let uses_network = planned.spec().is_some_and(|spec| flag(spec, "hostNetwork"));
    if !uses_network && opens_host_port(judged.container, judged.before) {
        tell("host-port", "would open a port of the node", "/ports");
    }
}

/// A code, a phrase, and the field of the security context.
type Looser = (&'static str, String, &'static str);

fn looser(given: &Profiled<'_>, asked: &Confinement<'_>, is_windows: bool) -> Vec<Looser> {
    let profiled = &given.confinement;
    let mut found: Vec<Looser> = Vec::new();
    if asked.may_be_root() && !profiled.may_be_root() && !given.says_user {
        found.push(("user-id", "could run as root".into(), "runAsUser"));
    }
    if profiled.is_restricted && !is_windows {
        if !keeps_privileges(asked.own) {
            let what = "could gain privileges; allowPrivilegeEscalation must be false".into();
            found.push(("privilege-escalation", what, "allowPrivilegeEscalation"));
        }
        if !drops_all(asked.own) {
            let what = "would keep Linux capabilities; capabilities.drop must hold ALL".into();
            found.push(("linux-capability", what, "capabilities/drop"));
        }
    }
    if asked.seccomp() > profiled.seccomp() && !is_windows {
        let what = "would run without a seccomp profile; RuntimeDefault and Localhost are ones".into();
        found.push(("unconfined", what, "seccompProfile"));
    }
    if asked.app_armor() > profiled.app_armor() {
        let what = "would run without an AppArmor profile".into();
        found.push(("unconfined", what, "appArmorProfile"));
    }
    if unmasks_proc(asked.own) {
        found.push(("proc-mount", "would see all of /proc".into(), "procMount"));
    }
    for field in ["type", "user", "role", "level"] {
        let label = asked.selinux(field);
        let is_usual = label.is_empty() || field == "type" && SELINUX_TYPES.contains(&label);
        if !is_usual && label != profiled.selinux(field) {
            let what = format!("would have the SELinux {field} {label:?}");
            found.push(("selinux", what, "seLinuxOptions"));
        }
    }
    let account = |confinement: &Confinement<'_>| {
        let windows = confinement.field("windowsOptions");
        let spec = |field: &str| {
            windows
                .and_then(|windows| windows[field].as_str())
                .map(str::to_owned)
        };
        (spec("gmsaCredentialSpecName"), spec("gmsaCredentialSpec"))
    };
    if account(asked) != (None, None) && account(asked) != account(profiled) {
        let what = "would use a service account of Windows".into();
        found.push(("service-account", what, "windowsOptions"));
    }
    found
}

fn keeps_privileges(context: Option<&Object>) -> bool {
    context.and_then(|context| context.get("allowPrivilegeEscalation")) == Some(&Value::Bool(false))
}

fn drops_all(context: Option<&Object>) -> bool {
    let capabilities = context.and_then(|context| object(context, "capabilities"));
    let dropped = capabilities.map_or(&[][..], |capabilities| list(capabilities, "drop"));
    dropped.iter().any(|name| name == "ALL")
}

fn unmasks_proc(context: Option<&Object>) -> bool {
    let mount = context.and_then(|context| present(context, "procMount"));
    mount.is_some_and(|mount| mount != "Default" && mount != "")
}

/// Removes what is looser than the profile, as far as fields of the container can.
pub(super) fn lower(
    given: &Profiled<'_>,
    planned: &Planned<'_>,
    judged: &Judged<'_>,
    container: &mut Object,
) {
    let ports = container.get_mut("ports").and_then(Value::as_array_mut);
    for port in ports.into_iter().flatten() {
        if is_new_host_port(port, judged.before)
            && let Some(port) = port.as_object_mut()
        {
            port.remove("hostPort");
            port.remove("hostIP");
        }
    }
    if judged.is_kept {
        return;
    }
    if calls_another_host(judged.container, judged.before).is_some() {
        crate::level::call_the_pod(container);
    }
    let asked = Confinement::of(planned, judged.container);
    for (_, _, field) in looser(given, &asked, planned.is_windows()) {
        let context = object_mut(container, "securityContext");
        match field {
            "runAsUser" => {
                context.remove("runAsUser");
                context.insert("runAsNonRoot".into(), json!(true));
            }
            "capabilities/drop" => {
                object_mut(context, "capabilities").insert("drop".into(), json!(["ALL"]));
            }
            "allowPrivilegeEscalation" => {
                context.insert(field.into(), json!(false));
            }
            "seccompProfile" => {
                context.insert(field.into(), json!({"type": "RuntimeDefault"}));
            }
            other => {
                context.remove(other);
            }
        }
    }
}

/// Removes from a created pod what is looser for all its containers than in the target.
pub(super) fn lower_pod(given: &Profiled<'_>, planned: &Planned<'_>, spec: &mut Object) {
    let of_original = given.confinement.of_pod;
    let bare = |of_pod| Confinement {
        of_pod,
        own: None,
        is_restricted: false,
    };
    let given = Profiled {
        confinement: bare(of_original),
        ..*given
    };
    let asked = bare(planned.spec().and_then(context));
    for (_, _, field) in looser(&given, &asked, planned.is_windows()) {
        let context = object_mut(spec, "securityContext");
        let fields: &[&str] = match field {
            "runAsUser" => &["runAsUser", "runAsNonRoot"],
            _ => &[field],
        };
        for field in fields {
            match of_original.and_then(|original| present(original, field)) {
                Some(value) => context.insert((*field).into(), value.clone()),
                None => context.remove(*field),
            };
        }
    }
}

fn calls_another_host(container: &Object, before: Option<&Object>) -> Option<&'static str> {
    let calls = |handler: &Value| {
        let actions = ["httpGet", "tcpSocket"].into_iter();
        let mut hosts = actions.map(|action| &handler[action]["host"]);
        hosts.any(|host| host.as_str().is_some_and(|host| !host.is_empty()))
    };
    let is_new = |field: &&'static str| {
        let value = container.get(*field);
        value != before.and_then(|before| before.get(*field))
    };
    let probes = PROBES.into_iter().filter(is_new);
    let mut probes = probes.filter(|probe| container.get(*probe).is_some_and(calls));
    let calls_in_hook = |hooks: &Value| hooks.as_object().is_some_and(|hooks| hooks.values().any(calls));
    let in_hook = ["lifecycle"].into_iter().filter(is_new);
    let mut in_hook = in_hook.filter(|field| container.get(*field).is_some_and(calls_in_hook));
    probes.next().or_else(|| in_hook.next())
}

/// Host ports that a container did not have before.
fn opens_host_port(container: &Object, before: Option<&Object>) -> bool {
    let mut ports = list(container, "ports").iter();
    ports.any(|port| is_new_host_port(port, before))
}

fn is_new_host_port(port: &Value, before: Option<&Object>) -> bool {
    let key = |port: &Value| {
        let number = port["hostPort"].as_u64().filter(|number| *number > 0)?;
        Some((
            number,
            port["protocol"].as_str().unwrap_or("TCP").to_owned(),
            port["hostIP"].clone(),
        ))
    };
    let had = before.map_or(&[][..], |before| list(before, "ports"));
    key(port).is_some_and(|asked| !had.iter().any(|port| key(port).as_ref() == Some(&asked)))
}
