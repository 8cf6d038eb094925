//! A case without a cluster: `trocar plan` plans from the case's objects, and the plan is applied in memory.

use serde_json::Value;
use trocar::{
    Target, documents,
    reference::{Kind, Reference},
};
use trocar_test_support::TestEnv;

use crate::{
    TROCAR,
    binary::wanted_after,
    case::Case,
    compare::{cluster, differ},
};

/// The flags with a value, which may be joined to them.
const WITH_VALUE: [&str; 14] = [
    "--container",
    "--copy-to",
    "--custom",
    "--env",
    "--filename",
    "--image",
    "--image-pull-policy",
    "--namespace",
    "--profile",
    "--set-image",
    "--target",
    "-c",
    "-f",
    "-n",
];

/// Returns whether the next argument is the value of this one. Short flags may be joined: the last one of `-itc` counts.
fn takes_value(flag: &str) -> bool {
    let is_short = !flag.starts_with("--");
    let last = flag
        .chars()
        .last()
        .filter(|_| is_short)
        .map(|letter| format!("-{letter}"));
    WITH_VALUE.contains(&last.as_deref().unwrap_or(flag))
}

/// Differences to the expected outcome.
pub(crate) fn differences(case: &Case) -> Vec<String> {
    let mut objects = case.objects.clone();
    let outcome = carry_out(case, &mut objects);
    let mut found = match &outcome {
        Err(reason) if !case.fails() => vec![format!("refused: {reason}")],
        Ok(()) if case.fails() => vec!["it is not refused".to_owned()],
        _ => Vec::new(),
    };
    found.extend(differ(&wanted_after(case), &cluster(&objects), "after"));
    found
}

/// Plans, and applies the plan to the objects. After a refusal, the remaining steps are not applied.
fn carry_out(case: &Case, objects: &mut Vec<Value>) -> Result<(), String> {
    let typed = Typed::of(&case.args);
    if !typed.files.is_empty() && !typed.targets.is_empty() {
        return Err("both names and files are given".into());
    }
    let env = TestEnv::new(TROCAR);
    for (name, text) in &case.files {
        env.write(name, text);
    }
    // Flags are checked first, also if the target does not exist.
    let targets = typed.targets(case, objects);
    let mut args = vec!["plan".to_owned(), "-o=json".to_owned()];
    for (index, target) in targets.iter().flatten().enumerate() {
        let name = format!("target-{index}.json");
        env.write(&name, &target.to_string());
        args.push(format!("-f={name}"));
    }
    args.extend(typed.flags.clone());
    args.extend(typed.command.clone());
    let output = env.run_with(&args);
    let targets = targets?;
    if output.code != 0 {
        return Err(output.stderr);
    }
    let document: Value = serde_json::from_str(&output.stdout).map_err(|error| error.to_string())?;
    let plans = match document["items"].as_array() {
        Some(plans) => plans.clone(),
        None => vec![document],
    };
    assert_eq!(plans.len(), targets.len(), "there is a plan for each target");
    if let Some(rights) = plans.iter().find_map(|plan| plan.get("beyondOptions")) {
        return Err(format!(
            "a default strategy gives more than the flags ask for: {rights}"
        ));
    }
    plans.iter().try_for_each(|plan| apply(case, plan, objects))
}

fn apply(case: &Case, plan: &Value, objects: &mut Vec<Value>) -> Result<(), String> {
    for step in plan["steps"].as_array().into_iter().flatten() {
        let object = &step["object"];
        match step["action"].as_str().unwrap_or_default() {
            "add-ephemeral-container" if case.no_ephemeral => {
                return Err("the cluster has no ephemeral containers".into());
            }
            "add-ephemeral-container" => {
                let pod = find(objects, &plan["target"]);
                let pod = pod.ok_or("the target is not there")?;
                let list = &mut objects[pod]["spec"]["ephemeralContainers"];
                let mut containers = list.as_array().cloned().unwrap_or_default();
                containers.push(object.clone());
                *list = containers.into();
            }
            "create-pod" => {
                if find(objects, &named(object)).is_some() {
                    return Err("the pod is there already".into());
                }
                objects.push(object.clone());
            }
            "delete-pod" => {
                let pod = find(objects, &plan["target"]).ok_or("the target is not there")?;
                objects.remove(pod);
            }
            other => return Err(format!("{other:?} is not an action")),
        }
    }
    Ok(())
}

fn named(object: &Value) -> Value {
    let mut id = object["metadata"].clone();
    id["kind"] = object["kind"].clone();
    id
}

/// The index of the object with this kind, namespace and name.
fn find(objects: &[Value], id: &Value) -> Option<usize> {
    let namespace = |metadata: &Value| metadata["namespace"].as_str().unwrap_or("default").to_owned();
    objects.iter().position(|object| {
        let metadata = &object["metadata"];
        let is_named = object["kind"] == id["kind"] && metadata["name"] == id["name"];
        is_named && (id["kind"] == "Node" || namespace(metadata) == namespace(id))
    })
}

/// A command line, split into targets and the rest.
#[derive(Default)]
struct Typed {
    targets: Vec<String>,
    files: Vec<String>,
    namespace: Option<String>,
    /// The flags, without those for files.
    flags: Vec<String>,
    /// From `--` on.
    command: Vec<String>,
}

impl Typed {
    fn of(args: &[String]) -> Self {
        let mut typed = Self::default();
        let dash = args.iter().position(|arg| arg == "--").unwrap_or(args.len());
        typed.command = args[dash..].to_vec();
        let mut rest = args[..dash].iter();
        while let Some(arg) = rest.next() {
            if !arg.starts_with('-') || arg == "-" {
                typed.targets.push(arg.clone());
                continue;
            }
            match arg.split_once('=') {
                Some((flag, value)) => typed.flag(flag, Some(value)),
                None if takes_value(arg) => typed.flag(arg, rest.next().map(String::as_str)),
                None => typed.flag(arg, None),
            }
        }
        typed
    }

    fn flag(&mut self, flag: &str, value: Option<&str>) {
        match (flag, value) {
            ("-f" | "--filename", Some(value)) => self.files.extend(value.split(',').map(str::to_owned)),
            // A connection flag, which does not apply offline.
            ("--request-timeout", _) => {}
            (flag, Some(value)) => {
                if matches!(flag, "-n" | "--namespace") {
                    self.namespace = Some(value.to_owned()).filter(|namespace| !namespace.is_empty());
                }
                self.flags.push(format!("{flag}={value}"));
            }
            (flag, None) => self.flags.push(flag.to_owned()),
        }
    }

    /// The targets, all of them or none. A file refers to the object in the cluster.
    fn targets(&self, case: &Case, objects: &[Value]) -> Result<Vec<Value>, String> {
        let namespace = self.namespace.as_deref().unwrap_or("default");
        let mut ids = Vec::new();
        for target in &self.targets {
            let reference = Reference::parse(target).map_err(|error| error.to_string())?;
            let kind = match reference.kind {
                Kind::Pod => "Pod",
                Kind::Node => "Node",
                other => return Err(format!("{} has no pods in any case", other.resource())),
            };
            ids.push(serde_json::json!({"kind": kind, "namespace": namespace, "name": reference.name}));
        }
        let files = self.files.iter().flat_map(|file| match file.as_str() {
            "." => case.files.keys().collect(),
            _ => vec![file],
        });
        for file in files {
            let text = case.files.get(file).ok_or("there is no such file")?;
            let read = documents::read(text.as_bytes()).map_err(|error| error.to_string())?;
            for object in documents::flatten(read) {
                let target = Target::new(object, namespace).map_err(|error| error.to_string())?;
                let other = self.namespace.is_some() && target.id().namespace.is_some();
                if other && target.id().namespace.as_deref() != Some(namespace) {
                    return Err("the namespaces differ".into());
                }
                ids.push(serde_json::to_value(target.id()).unwrap());
            }
        }
        let mut known: Vec<Value> = Vec::new();
        ids.retain(|id| {
            let is_new = !known.contains(id);
            known.push(id.clone());
            is_new
        });
        let found = ids.iter().map(|id| {
            let place = find(objects, id).ok_or_else(|| format!("{id} is not there"))?;
            Ok(objects[place].clone())
        });
        found.collect()
    }
}
