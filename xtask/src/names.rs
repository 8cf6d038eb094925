//! Names that other programs read: they stay what they are, however the words around them change. `docs/schemas/names.txt`
//! lists them, `cargo xtask names` writes it, and `cargo xtask tidy` fails where the list and the sources differ.
//!
//! Left out: WIT, whose hash is in docs/abi.md, and the public items of the crates, which cargo-semver-checks compares.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::{text, tidy};

const LIST: &str = "docs/schemas/names.txt";

pub(crate) fn write(root: &Path) -> Result<()> {
    fs::write(root.join(LIST), list(root)?)?;
    Ok(())
}

/// What differs between the list and the sources, a line for each name.
pub(crate) fn differences(root: &Path) -> Result<Vec<String>> {
    let known = fs::read_to_string(root.join(LIST)).with_context(|| format!("cannot read {LIST}"))?;
    let found = list(root)?;
    let (known, found): (BTreeSet<&str>, BTreeSet<&str>) = (known.lines().collect(), found.lines().collect());
    let gone = known
        .difference(&found)
        .map(|name| format!("{LIST}: {name:?} is not in the sources any more"));
    let new = found
        .difference(&known)
        .map(|name| format!("{LIST}: {name:?} is new: cargo xtask names"));
    Ok(gone.chain(new).collect())
}

/// All names, sorted, a line for each: what it is, and the name.
fn list(root: &Path) -> Result<String> {
    let mut names = BTreeSet::new();
    for file in tidy::files(root)? {
        let Some(read) = reader(&file) else { continue };
        let Ok(text) = fs::read_to_string(root.join(&file)) else {
            continue;
        };
        names.extend(
            read(&text)
                .into_iter()
                .map(|(kind, name)| format!("{kind} {name}")),
        );
    }
    Ok(names.into_iter().map(|name| name + "\n").collect())
}

type Names = Vec<(&'static str, String)>;

/// How the names of a file are found.
fn reader(file: &Path) -> Option<fn(&str) -> Names> {
    let name = file.file_name()?.to_str()?;
    let is_test = file.components().any(|part| part.as_os_str() == "tests") || name == "tests.rs";
    Some(match file.extension()?.to_str()? {
        _ if file.as_os_str() == "docs/cli.md" => flags,
        "json" if file.starts_with("docs/schemas") => keys,
        "rs" if file.starts_with("host") && !is_test => literals,
        "yaml" if name == "plugin.yaml" && file.starts_with("plugins") => codes,
        "ts" if file.starts_with("guest-sdk/javascript") => javascript,
        "py" if name == "__init__.py" && file.starts_with("guest-sdk/python") => python,
        _ => return None,
    })
}

/// Flags of the help of every command.
fn flags(text: &str) -> Names {
    let is_of_flag = |letter: char| letter == '-' || letter.is_ascii_alphanumeric();
    text.match_indices("--")
        .filter_map(|(at, _)| text[at..].split(|letter| !is_of_flag(letter)).next())
        .filter(|flag| flag.len() > 3 && !flag.starts_with("---"))
        .map(|flag| ("flag", flag.to_owned()))
        .collect()
}

/// Keys and fixed values of a JSON schema.
fn keys(text: &str) -> Names {
    let mut names = Names::new();
    if let Ok(schema) = serde_json::from_str(text) {
        walk(&schema, &mut names);
    }
    names
}

/// Schemas of this repository are as deep as they are: serde_json bounds it.
fn walk(schema: &Value, names: &mut Names) {
    match schema {
        Value::Object(fields) => {
            for (key, value) in fields {
                match (key.as_str(), value) {
                    ("properties", Value::Object(properties)) => {
                        names.extend(properties.keys().map(|key| ("key", key.clone())));
                    }
                    ("enum", Value::Array(values)) => {
                        names.extend(
                            values
                                .iter()
                                .filter_map(Value::as_str)
                                .map(|value| ("value", value.to_owned())),
                        );
                    }
                    ("const", Value::String(value)) => names.push(("value", value.clone())),
                    _ => {}
                }
                walk(value, names);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| walk(value, names)),
        _ => {}
    }
}

/// Of the literals of Rust: stamps and versions, media types, metrics, and what serde calls a field. Tests have none.
fn literals(text: &str) -> Names {
    let mut names = Names::new();
    for line in crate::source::without_tests(text).lines() {
        // With the blank, so that a URL in a literal is not cut off as a comment.
        let code = line.split("// ").next().unwrap_or_default();
        let parts: Vec<&str> = code.split('"').collect();
        for pair in parts.chunks(2) {
            let &[before, literal] = pair else { continue };
            let kind = match literal {
                _ if literal.contains("trocar.dev/") => "stamp",
                _ if literal.starts_with("application/") => "media-type",
                _ if before.trim_end().ends_with("register(") => "metric",
                _ if before.trim_end().ends_with("rename =") => "field",
                _ if before.trim_end().ends_with("rename_all =") => "case",
                _ => continue,
            };
            names.push((kind, literal.to_owned()));
        }
    }
    names
}

/// Codes of the rules of a default policy.
fn codes(text: &str) -> Names {
    after(text, "code: ", |letter| {
        letter == '-' || letter.is_ascii_alphanumeric()
    })
    .map(|code| ("code", code.to_owned()))
    .collect()
}

/// What the SDK for JavaScript exports.
fn javascript(text: &str) -> Names {
    let is_of_name = |letter: char| letter.is_ascii_alphanumeric();
    ["function ", "class ", "const ", "interface ", "type "]
        .iter()
        .flat_map(|kind| {
            after(text, &format!("export {kind}"), is_of_name)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .map(|name| ("javascript", name))
        .collect()
}

/// What the SDK for Python exports.
fn python(text: &str) -> Names {
    let all = text.split("__all__ = [").nth(1).unwrap_or_default();
    let all = all.split(']').next().unwrap_or_default();
    all.split('"')
        .skip(1)
        .step_by(2)
        .map(|name| ("python", name.to_owned()))
        .collect()
}

/// The word behind each place of a text.
fn after<'a>(text: &'a str, place: &str, is_of_word: fn(char) -> bool) -> impl Iterator<Item = &'a str> {
    text::behind(text, place, move |letter| !is_of_word(letter)).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(names: Names) -> Vec<String> {
        names
            .into_iter()
            .map(|(kind, name)| format!("{kind} {name}"))
            .collect()
    }

    #[test]
    fn names_are_found_where_they_are_written() {
        let rust = "const A: &str = \"trocar.dev/plan\"; // \"trocar.dev/not\"\n#[serde(rename = \"apiVersion\")]\nregister(\"ready\", x)";
        assert_eq!(
            found(literals(rust)),
            ["stamp trocar.dev/plan", "field apiVersion", "metric ready"]
        );
        assert_eq!(
            found(flags("  -i, --stdin  and --copy-to=NAME -- sh")),
            ["flag --stdin", "flag --copy-to"]
        );
        assert_eq!(
            found(codes("rules:\n- {code: not-java, summary: x}\n")),
            ["code not-java"]
        );
        assert_eq!(
            found(python("__all__ = [\n \"Actor\", \"name\",\n]\nX = \"y\"")),
            ["python Actor", "python name"]
        );
        assert_eq!(
            found(javascript("export class Plan {}\nexport function name(o: J)")),
            ["javascript name", "javascript Plan"]
        );
        let schema = r#"{"properties": {"mode": {"enum": ["warn", "audit"]}}}"#;
        assert_eq!(found(keys(schema)), ["key mode", "value warn", "value audit"]);
    }
}
