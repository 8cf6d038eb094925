//! The walls between the crates that no compiler sees: the words of the command line stay in it, the types of inner libraries
//! stay out of public signatures, and what a public function fails with is an error.

use std::path::Path;

use crate::source::{self, Source};

/// The crates below the command line.
const INNER: [&str; 5] = [
    "host/core/src/",
    "host/runtime/src/",
    "host/cluster/src/",
    "host/registry/src/",
    "host/trocar/src/",
];

/// Texts that may name a flag: the file, the text, and why. Nothing else below the command line may.
const FLAGS: [(&str, &str, &str); 2] = [
    (
        "host/core/src/request.rs",
        "--{flag} has no effect {reason}",
        "a plan's document records the flag that was typed in vain",
    ),
    (
        "host/core/src/request.rs",
        "without --copy-to",
        "a plan's document records the flag that was typed in vain",
    ),
];

/// Commands of the command line, and of kubectl, which only the command line advises.
const COMMANDS: [&str; 6] = [
    "trocar config ",
    "trocar debug ",
    "trocar plan ",
    "trocar plugin ",
    "trocar policy ",
    "kubectl ",
];

/// Libraries whose types are in no public signature, unless the item is named after the library.
const FOREIGN: [&str; 9] = [
    "http_body_util",
    "hyper",
    "hyper_util",
    "kube",
    "tokio",
    "tokio_tungstenite",
    "tower",
    "wasmtime",
    "wasmtime_wasi",
];

/// The problems of one file, if it is of an inner crate.
pub(crate) fn problems(file: &Path, text: &str) -> Vec<String> {
    let is_test = file.iter().any(|part| part == "tests" || part == "tests.rs");
    if is_test || !INNER.iter().any(|folder| file.starts_with(folder)) {
        return Vec::new();
    }
    let source = source::read(text);
    let place = |line: usize| format!("{}:{line}", file.display());
    let words = words(file, &source).into_iter().map(|(line, text)| {
        format!(
            "{}: only the command line speaks of flags and commands: {text:?}",
            place(line)
        )
    });
    let signatures = signatures(&source.code);
    let foreign = signatures.iter().filter_map(|(line, signature)| {
        let name = foreign_in(&source.code, signature)?;
        Some(format!("{}: {name} is in a public signature", place(*line)))
    });
    let texts = signatures
        .iter()
        .filter(|(_, signature)| fails_with_text(signature));
    let texts =
        texts.map(|(line, _)| format!("{}: it fails with a text, which is not an error", place(*line)));
    let errors = unmarked_errors(&source.code);
    let errors = errors.map(|name| format!("{}: {name} does not implement Error", file.display()));
    words.chain(foreign).chain(texts).chain(errors).collect()
}

/// The texts that name a flag or a command.
fn words<'a>(file: &Path, source: &'a Source) -> Vec<(usize, &'a str)> {
    let speaks = |text: &str| names_flag(text) || COMMANDS.iter().any(|command| text.contains(command));
    let is_allowed = |text: &str| {
        FLAGS
            .iter()
            .any(|(known, allowed, _)| file == Path::new(known) && text == *allowed)
    };
    let texts = source.texts.iter().map(|(line, text)| (*line, text.as_str()));
    texts
        .filter(|(_, text)| speaks(text) && !is_allowed(text))
        .collect()
}

/// Whether a text has two dashes with a name after them: `--copy-to`, `--{flag}`.
fn names_flag(text: &str) -> bool {
    text.match_indices("--").any(|(start, dashes)| {
        let is_start = !text[..start].ends_with('-');
        let rest = &text[start + dashes.len()..];
        is_start && rest.starts_with(|letter: char| letter.is_ascii_lowercase() || letter == '{')
    })
}

/// The public declarations: the line that each begins in, and its text without the body.
fn signatures(code: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (start, word) in code.match_indices("pub ") {
        if code[..start].ends_with(|letter: char| letter.is_alphanumeric() || letter == '_') {
            continue;
        }
        let rest = &code[start + word.len()..];
        let length = match rest.split_whitespace().next().unwrap_or_default() {
            // The fields of a struct have a `pub` of their own. The variants of an enum have none, so its body is read.
            "use" | "mod" | "struct" => continue,
            "enum" | "trait" => body(rest),
            "fn" | "async" | "const" | "static" | "type" => rest.find(['{', ';']).unwrap_or(rest.len()),
            // A field: its type may have commas between brackets.
            _ => field(rest),
        };
        found.push((code[..start].matches('\n').count() + 1, &rest[..length]));
    }
    found
}

/// The length of a declaration with its body between braces.
fn body(rest: &str) -> usize {
    let mut depth = 0;
    for (index, letter) in rest.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 1 => return index,
            '}' => depth -= 1,
            _ => {}
        }
    }
    rest.len()
}

/// The length of a field, up to the comma or the bracket that ends it.
fn field(rest: &str) -> usize {
    let mut depth = 0_i32;
    for (index, letter) in rest.char_indices() {
        match letter {
            '<' | '(' | '[' => depth += 1,
            // An arrow does not close a bracket.
            '>' if rest[..index].ends_with('-') => {}
            ')' | '}' if depth == 0 => return index,
            '>' | ')' | ']' => depth -= 1,
            ',' if depth == 0 => return index,
            _ => {}
        }
    }
    rest.len()
}

/// The type of a foreign library that a signature names, unless the item is named after the library.
fn foreign_in(code: &str, signature: &str) -> Option<String> {
    let item = signature.split(['(', ':', '{', '=']).next().unwrap_or_default();
    for library in FOREIGN {
        if item.contains(library) {
            continue;
        }
        let by_path = words_of(signature)
            .any(|(start, word)| word == library && signature[start + word.len()..].starts_with("::"));
        if by_path {
            return Some(library.to_owned());
        }
        let imported = imported(code, library);
        if let Some((_, name)) = words_of(signature).find(|(_, word)| imported.contains(word)) {
            return Some(format!("{library}'s {name}"));
        }
    }
    None
}

/// The names that a file imports from a library.
fn imported<'a>(code: &'a str, library: &str) -> Vec<&'a str> {
    let start = format!("use {library}::");
    let mut names = Vec::new();
    for (index, found) in code.match_indices(&start) {
        let rest = &code[index + found.len()..];
        let item = &rest[..rest.find(';').unwrap_or(rest.len())];
        let is_path = |end: usize| item[end..].starts_with("::");
        names.extend(
            words_of(item)
                .filter(|(start, word)| !is_path(start + word.len()) && !matches!(*word, "_" | "as" | "self"))
                .map(|(_, word)| word),
        );
    }
    names
}

/// The names in a text, with their places.
fn words_of(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    let mut rest = 0;
    std::iter::from_fn(move || {
        let start = rest + text[rest..].find(is_name)?;
        let length = text[start..]
            .find(|letter| !is_name(letter))
            .unwrap_or(text.len() - start);
        rest = start + length;
        Some((start, &text[start..rest]))
    })
}

/// Whether a public function fails with a text: `Result<_, String>`.
fn fails_with_text(signature: &str) -> bool {
    let is_function = signature.starts_with("fn ") || signature.starts_with("async ");
    let result = signature.rsplit("->").next().unwrap_or_default().trim();
    is_function && result.starts_with("Result<") && result.ends_with(", String>")
}

/// Public types that are called errors, and do not implement the trait.
fn unmarked_errors(code: &str) -> impl Iterator<Item = &str> {
    let declarations = ["pub struct ", "pub enum "].into_iter();
    let names = declarations.flat_map(|declaration| {
        code.match_indices(declaration).filter_map(|(start, _)| {
            let (_, name) = words_of(&code[start + declaration.len()..]).next()?;
            let before = code[..start].rsplit("\n\n").next().unwrap_or_default();
            let is_derived = before.contains("thiserror::Error");
            (name.ends_with("Error") && !is_derived).then_some(name)
        })
    });
    names.filter(|name| {
        !code.lines().any(|line| {
            let line = line.trim_end_matches(['{', '}', ' ']);
            line.starts_with("impl") && line.contains("Error for ") && line.ends_with(name)
        })
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn found(code: &str) -> Vec<String> {
        problems(Path::new("host/cluster/src/client.rs"), code)
    }

    #[test]
    fn words_of_the_command_line_are_found_in_inner_crates_alone() {
        for code in [
            "const A: &str = \"choose --copy-to\";",
            "fn f() { format!(\"--{flag} does it\"); }",
            "#[error(\"see trocar plugin list\")]\npub struct A;",
            "const A: &str = \"a \\\n --yes\";",
        ] {
            assert_eq!(found(code).len(), 1, "{code}: {:?}", found(code));
            assert!(problems(Path::new("host/cli/src/cli/words/cluster.rs"), code).is_empty());
        }
        for code in [
            "// as --copy-to does",
            "const A: &str = \"a -- b --- c\";",
            "#[cfg(test)]\nmod tests { const A: &str = \"--yes\"; }",
        ] {
            assert!(found(code).is_empty(), "{code}: {:?}", found(code));
        }
    }

    #[test]
    fn types_of_inner_libraries_are_found_in_public_signatures() {
        for code in [
            "pub fn f(client: &kube::Client) {}",
            "use kube::core::Status;\npub enum E {\n    Refused { status: Box<Status> },\n}",
            "use tokio::{sync::mpsc, time::sleep};\npub struct Q(pub mpsc::Sender<()>);",
            "use wasmtime::Engine as Inner;\nimpl A {\n    pub async fn f(&self)\n    -> Inner { a() }\n}",
            "pub struct A {\n    pub trace: Option<BTreeMap<String, kube::Config>>,\n}",
        ] {
            assert_eq!(found(code).len(), 1, "{code}: {:?}", found(code));
        }
        for code in [
            "pub fn from_kube(kube: kube::Config) -> A { a() }",
            "use tokio::sync::mpsc;\npub struct Q(pub(crate) mpsc::Sender<()>);",
            "use kube::Client;\npub(super) fn f(client: Client) {}",
            "use kube::Client;\npub fn f() { Client::new() }",
            "use tokio::time::sleep;\npub trait T {\n    fn f(&self);\n}\nfn g() { sleep() }",
        ] {
            assert!(found(code).is_empty(), "{code}: {:?}", found(code));
        }
    }

    #[test]
    fn what_a_public_function_fails_with_is_an_error() {
        for code in [
            "pub fn f(a: u8) -> Result<Vec<u8>, String> { a() }",
            "#[derive(Debug)]\npub enum AError {\n    B,\n}",
        ] {
            assert_eq!(found(code).len(), 1, "{code}: {:?}", found(code));
        }
        for code in [
            "fn f() -> Result<(), String> { a() }",
            "#[derive(Debug, thiserror::Error)]\n#[error(\"no\")]\npub struct AError;",
            "pub struct AError;\n\nimpl std::error::Error for AError {}",
        ] {
            assert!(found(code).is_empty(), "{code}: {:?}", found(code));
        }
    }

    #[test]
    fn the_walls_stand() {
        let root = crate::root();
        for file in crate::tidy::files(&root).expect("git lists the files") {
            if let Ok(text) = fs::read_to_string(root.join(&file)) {
                assert_eq!(problems(&file, &text), Vec::<String>::new());
            }
        }
        for (file, text, _) in FLAGS {
            let source = fs::read_to_string(root.join(file)).expect("the file of an exception is there");
            assert!(source.contains(text), "{file}: {text:?} is not in it any more");
        }
    }
}
