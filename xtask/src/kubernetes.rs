//! Writes the table of the Kubernetes API that the host checks plans with: every type that a pod reaches.
//!
//! Names, types, required fields and list keys come from Kubernetes' OpenAPI document, pointers from the Go sources: the
//! OpenAPI does not say whether a zero value means something.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::Path,
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

/// Where the table goes, from the folder of the workspace.
const TABLE: &str = "host/core/src/kubernetes/table.rs";

/// The type that everything else is reached from.
const START: &str = "io.k8s.api.core.v1.Pod";

/// Writes the table from an OpenAPI document and the Go files that declare its types.
pub(crate) fn write(root: &Path, version: &str, swagger: &str, sources: &[&str]) -> Result<()> {
    let document = fs::read(swagger).with_context(|| format!("cannot read {swagger}"))?;
    let document: Value = serde_json::from_slice(&document)?;
    let mut structs = BTreeMap::new();
    for path in sources {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
        structs.extend(go_structs(&text));
    }
    let table = generate(version, &document["definitions"], &structs)?;
    fs::write(root.join(TABLE), table).with_context(|| format!("cannot write {TABLE}"))
}

/// The fields of a Go struct, by their names in JSON.
#[derive(Default)]
struct GoStruct {
    fields: BTreeMap<String, GoField>,
    /// Structs whose fields stand among its own.
    inlined: Vec<String>,
}

#[derive(Clone, Copy)]
struct GoField {
    is_pointer: bool,
    omits_empty: bool,
}

/// Reads struct declarations line by line, which is enough for files that gofmt wrote.
fn go_structs(source: &str) -> BTreeMap<String, GoStruct> {
    let mut structs = BTreeMap::new();
    let mut open: Option<(String, GoStruct)> = None;
    for line in source.lines() {
        if let Some(name) = line
            .strip_prefix("type ")
            .and_then(|rest| rest.strip_suffix(" struct {"))
        {
            open = Some((name.to_owned(), GoStruct::default()));
        } else if line == "}" {
            structs.extend(open.take());
        } else if let Some((_, declared)) = &mut open {
            add_go_field(declared, line.trim());
        }
    }
    structs
}

fn add_go_field(declared: &mut GoStruct, line: &str) {
    let Some((declaration, tags)) = line.split_once('`').filter(|_| !line.starts_with("//")) else {
        return;
    };
    let Some((json, _)) = tags
        .split_once("json:\"")
        .and_then(|(_, json)| json.split_once('"'))
    else {
        return;
    };
    let words: Vec<&str> = declaration.split_whitespace().collect();
    let Some(kind) = words.last() else { return };
    let (name, options) = json.split_once(',').unwrap_or((json, ""));
    // `json:",inline"`: the fields of this struct stand among those of the outer one.
    if name.is_empty() {
        let short = kind.rsplit('.').next().unwrap_or(kind);
        declared.inlined.push(short.to_owned());
        return;
    }
    let field = GoField {
        is_pointer: kind.starts_with('*'),
        omits_empty: options.contains("omitempty"),
    };
    declared.fields.insert(name.to_owned(), field);
}

/// Finds a field of a Go struct, also among the structs that are inlined into it.
fn go_field(structs: &BTreeMap<String, GoStruct>, name: &str, field: &str) -> Option<GoField> {
    let declared = structs.get(name)?;
    let own = declared.fields.get(field).copied();
    own.or_else(|| {
        declared
            .inlined
            .iter()
            .find_map(|inlined| go_field(structs, inlined, field))
    })
}

fn generate(version: &str, definitions: &Value, structs: &BTreeMap<String, GoStruct>) -> Result<String> {
    let mut out = format!(
        "//! Every type that a pod of Kubernetes {version} reaches.\n//!\n\
         //! Generated from api/openapi-spec/swagger.json of k8s.io/kubernetes and the types.go of k8s.io/api/core/v1 and\n\
         //! k8s.io/apimachinery/pkg/apis/meta/v1 by `cargo xtask kubernetes`. Do not edit.\n\n\
         use super::types::{{Field, Kind, Type}};\n\n\
         /// The version of Kubernetes that the table was generated from.\n\
         pub const VERSION: &str = {version:?};\n"
    );
    for name in reachable(definitions)? {
        let definition = &definitions[&name];
        let short = short(&name);
        let constant = constant(short);
        write!(
            out,
            "\n/// Kubernetes' `{short}`.\n#[rustfmt::skip]\npub static {constant}: Type = Type {{ name: {short:?}, fields: &[\n"
        )?;
        let required: BTreeSet<&str> = definition["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let properties = definition["properties"]
            .as_object()
            .expect("only types with fields are reached");
        let sorted: BTreeMap<&String, &Value> = properties.iter().collect();
        for (field, property) in sorted {
            let go = go_field(structs, short, field)
                .with_context(|| format!("the Go sources have no field {field:?} of {short}"))?;
            // What Go leaves out when it is empty is missing in what a server answers, whatever the OpenAPI says.
            let presence = match (
                required.contains(field.as_str()) && !go.omits_empty,
                go.is_pointer,
            ) {
                (true, _) => "required",
                (false, true) => "pointer",
                (false, false) => "plain",
            };
            let kind = kind(definitions, property).with_context(|| format!("{short}.{field}"))?;
            writeln!(out, "    Field::{presence}({field:?}, {kind}),")?;
        }
        out.push_str("]};\n");
    }
    ensure!(out.len() < 100_000, "the table is {} bytes large", out.len());
    Ok(out)
}

/// The names of all types with fields that a pod reaches, sorted.
fn reachable(definitions: &Value) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let mut open = vec![START.to_owned()];
    while let Some(name) = open.pop() {
        let Some(definition) = definitions.get(&name) else {
            bail!("the document does not define {name}");
        };
        let Some(properties) = definition["properties"].as_object() else {
            continue;
        };
        if found.insert(name) {
            open.extend(properties.values().filter_map(referenced).map(str::to_owned));
        }
    }
    let shorts: BTreeSet<&str> = found.iter().map(|name| short(name)).collect();
    ensure!(shorts.len() == found.len(), "two types have the same short name");
    Ok(found)
}

/// The type that a property is, or that it holds.
fn referenced(property: &Value) -> Option<&str> {
    [property, &property["items"], &property["additionalProperties"]]
        .into_iter()
        .find_map(|place| place["$ref"].as_str())
        .and_then(|reference| reference.rsplit('/').next())
}

fn kind(definitions: &Value, property: &Value) -> Result<String> {
    if let Some(name) = property["$ref"].as_str().and_then(|_| referenced(property)) {
        return object_kind(definitions, name);
    }
    let format = property["format"].as_str().unwrap_or_default();
    Ok(match (property["type"].as_str().unwrap_or_default(), format) {
        ("string", "") => "Kind::String".into(),
        ("boolean", "") => "Kind::Bool".into(),
        ("integer", "int32") => "Kind::Int32".into(),
        ("integer", "int64") => "Kind::Int64".into(),
        ("array", "") => {
            let item = kind(definitions, &property["items"])?;
            let keys: Vec<&str> = property["x-kubernetes-list-map-keys"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            format!("Kind::List {{ item: &{item}, keys: &{keys:?} }}")
        }
        ("object", "") => format!(
            "Kind::Map(&{})",
            kind(definitions, &property["additionalProperties"])?
        ),
        (other, format) => bail!("type {other:?} with format {format:?} has no kind"),
    })
}

fn object_kind(definitions: &Value, name: &str) -> Result<String> {
    Ok(match short(name) {
        "Quantity" => "Kind::Quantity".into(),
        "IntOrString" => "Kind::IntOrString".into(),
        "Time" => "Kind::Time".into(),
        // A set of fields for server-side apply, whose keys follow from the object and not from a type.
        "FieldsV1" => "Kind::Any".into(),
        other => {
            ensure!(
                definitions[name]["properties"].is_object(),
                "{other} is a type without fields"
            );
            format!("Kind::Object(&{})", constant(other))
        }
    })
}

fn short(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// `PodSpec` as `POD_SPEC`, `CSIVolumeSource` as `CSI_VOLUME_SOURCE`.
fn constant(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut constant = String::new();
    for (index, letter) in letters.iter().enumerate() {
        let after_small = index > 0 && letters[index - 1].is_lowercase();
        let before_small = index > 0 && letters.get(index + 1).is_some_and(|next| next.is_lowercase());
        if letter.is_uppercase() && (after_small || before_small) {
            constant.push('_');
        }
        constant.push(letter.to_ascii_uppercase());
    }
    constant
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SOURCE: &str = "type Pod struct {
\tmetav1.TypeMeta `json:\",inline\"`
\t// Spec of it, see `json:\"nothing\"`.
\tSpec *PodSpec `json:\"spec,omitempty\" protobuf:\"bytes,2\"`
\tParts []Part `json:\"parts\"`
}
type TypeMeta struct {
\tKind string `json:\"kind,omitempty\"`
}
type Part struct {
\tName string `json:\"name\"`
\tSize resource.Quantity `json:\"size,omitempty\"`
}
type PodSpec struct {
\tUID *int64 `json:\"uid,omitempty\"`
}
";

    #[test]
    fn pointers_required_fields_and_list_keys_reach_the_table() {
        let reference = |name: &str| json!({"$ref": format!("#/definitions/{name}")});
        let definitions = json!({
            START: {"required": ["parts"], "properties": {
                "kind": {"type": "string"},
                "spec": reference("a.PodSpec"),
                "parts": {"type": "array", "items": reference("a.Part"), "x-kubernetes-list-map-keys": ["name"]},
            }},
            "a.PodSpec": {"required": ["uid"], "properties": {"uid": {"type": "integer", "format": "int64"}}},
            "a.Part": {"required": ["name"], "properties": {
                "name": {"type": "string"}, "size": reference("b.Quantity"),
            }},
            "b.Quantity": {"type": "string"},
        });
        let table = generate("v1", &definitions, &go_structs(SOURCE)).unwrap();
        for line in [
            r#"Field::plain("kind", Kind::String),"#,
            r#"Field::pointer("spec", Kind::Object(&POD_SPEC)),"#,
            r#"Field::required("parts", Kind::List { item: &Kind::Object(&PART), keys: &["name"] }),"#,
            r#"Field::pointer("uid", Kind::Int64),"#,
            r#"Field::required("name", Kind::String),"#,
            r#"Field::plain("size", Kind::Quantity),"#,
        ] {
            assert!(table.contains(line), "no {line} in:\n{table}");
        }
    }

    #[test]
    fn a_field_that_the_go_sources_lack_is_an_error() {
        let definitions = json!({START: {"properties": {"new": {"type": "string"}}}});
        let error = generate("v1", &definitions, &go_structs(SOURCE)).unwrap_err();
        assert_eq!(error.to_string(), "the Go sources have no field \"new\" of Pod");
    }

    #[test]
    fn initials_stay_together_in_names() {
        assert_eq!(constant("CSIVolumeSource"), "CSI_VOLUME_SOURCE");
        assert_eq!(constant("PodSpec"), "POD_SPEC");
        assert_eq!(constant("PodOS"), "POD_OS");
    }
}
