//! The pure crate stays pure: nothing in it prints, reads a file, opens a socket, starts a thread or reads a clock, and
//! nothing that could is in its tree of dependencies.

#[cfg(test)]
use std::fs;
use std::{path::Path, process::Command};

use anyhow::{Context as _, Result, bail};

use crate::source;

/// Where the pure crate is.
const PURE: &str = "host/core/src/";

/// Modules of the standard library that touch what is outside of the program. `std::io` has errors that pure code passes on,
/// and what of it does more is refused by name.
const IMPURE_MODULES: [&str; 6] = ["env", "fs", "net", "os", "process", "thread"];

/// Names by which pure code would touch the outside all the same.
const IMPURE_NAMES: [&str; 13] = [
    "print!",
    "println!",
    "eprint!",
    "eprintln!",
    "dbg!",
    "stdin(",
    "stdout(",
    "stderr(",
    "SystemTime",
    "Instant",
    "include_bytes!",
    "Timestamp::now",
    "Zoned::now",
];

/// Crates that must not be in the pure crate's tree.
const FOREIGN: [&str; 6] = ["wasmtime", "kube", "tokio", "clap", "rustix", "getrandom"];

/// The problems of one file, if it is of the pure crate.
pub(crate) fn problems(file: &Path, text: &str) -> Vec<String> {
    if !file.starts_with(PURE) {
        return Vec::new();
    }
    let code: String = source::without_tests(text)
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| [line, "\n"])
        .collect();
    let modules = standard_modules(&code);
    let modules = IMPURE_MODULES
        .into_iter()
        .filter(|module| modules.contains(module));
    let modules = modules.map(|module| format!("std::{module}"));
    let names = IMPURE_NAMES.into_iter().filter(|name| holds(&code, name));
    modules
        .chain(names.map(str::to_owned))
        .map(|found| format!("{}: uses {found}, and this crate is pure", file.display()))
        .collect()
}

/// Whether a name is in the code, and not only as the end of another one.
fn holds(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(start, _)| {
        let before = code[..start].chars().next_back();
        !before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_')
    })
}

/// The modules of the standard library that the code names: `std::fs`, `use std::{fs, …}`.
fn standard_modules(code: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for (start, path) in code.match_indices("std::") {
        let rest = &code[start + path.len()..];
        match rest.strip_prefix('{') {
            None => found.push(word(rest)),
            Some(group) => found.extend(heads(group)),
        }
    }
    found
}

fn word(text: &str) -> &str {
    let end = text.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
    &text[..end.unwrap_or(text.len())]
}

/// The first words of the items of a group of imports, up to its end.
fn heads(group: &str) -> Vec<&str> {
    let mut heads = Vec::new();
    let mut depth = 0;
    let mut at_start = true;
    for (index, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => at_start = true,
            letter if at_start && !letter.is_whitespace() => {
                heads.push(word(&group[index..]));
                at_start = false;
            }
            _ => {}
        }
    }
    heads
}

/// Checks that nothing foreign is in the pure crate's tree.
pub(crate) fn tree(root: &Path) -> Result<Vec<String>> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let listed = Command::new(cargo)
        .current_dir(root)
        .args([
            "tree",
            "--package",
            "trocar-core",
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--locked",
        ])
        .output()
        .context("cannot run cargo")?;
    if !listed.status.success() {
        bail!("cargo tree: {}", String::from_utf8_lossy(&listed.stderr).trim());
    }
    let listed = String::from_utf8(listed.stdout)?;
    let names: Vec<&str> = listed.lines().filter_map(|line| line.split(' ').next()).collect();
    let foreign = FOREIGN.into_iter().filter(|name| names.contains(name));
    Ok(foreign
        .map(|name| format!("{name} is in the tree of trocar-core, which is pure"))
        .collect())
}

/// The Rust files of the pure crate, for a test.
#[cfg(test)]
fn pure_files(root: &Path) -> Vec<std::path::PathBuf> {
    let mut folders = vec![root.join(PURE)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("the pure crate is there") {
            let path = entry.expect("its folder can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(code: &str) -> Vec<String> {
        problems(Path::new("host/core/src/plan.rs"), code)
    }

    #[test]
    fn what_touches_the_outside_is_found_however_it_is_imported() {
        for code in [
            "use std::fs;",
            "use std::{\n    collections::BTreeMap,\n    net::TcpStream,\n};",
            "fn f() { std::env::var(\"HOME\"); }",
            "fn f() { println!(\"x\"); }",
            "fn f() { std::io::stdout().flush(); }",
            "fn f() { std::time::SystemTime::now(); }",
            "fn f() { jiff::Timestamp::now(); }",
            "#[cfg(test)]\nmod tests;\nfn f() { println!(\"x\"); }",
        ] {
            assert_eq!(found(code).len(), 1, "{code}: {:?}", found(code));
        }
    }

    #[test]
    fn what_only_sounds_like_it_is_not() {
        for code in [
            "use std::{fmt, io, path::PathBuf, time::Duration};",
            "// std::fs would be wrong here",
            "fn sprint!() {}",
            "fn f() {}\n#[cfg(test)]\nmod tests { use std::fs; }",
        ] {
            assert!(found(code).is_empty(), "{code}: {:?}", found(code));
        }
        assert!(problems(Path::new("host/cli/src/main.rs"), "use std::fs;").is_empty());
    }

    #[test]
    fn the_pure_crate_is_pure() {
        let root = crate::root();
        for file in pure_files(&root) {
            let text = fs::read_to_string(&file).expect("source can be read");
            let own = file.strip_prefix(&root).expect("it is below the root");
            assert_eq!(problems(own, &text), Vec::<String>::new());
        }
        assert_eq!(tree(&root).expect("cargo tree runs"), Vec::<String>::new());
    }
}
