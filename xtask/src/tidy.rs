//! What no compiler checks: the contract and its page change together, links lead somewhere, every file says what it is for,
//! the pure crate stays pure, and the walls between the crates stand.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};

use crate::{markdown, names, purity, walls, words};

/// Checks the tree below a folder and says all that is wrong with it.
pub(crate) fn tidy(root: &Path) -> Result<()> {
    let files = files(root)?;
    let mut problems = contract_hash(root)?;
    problems.extend(purity::tree(root)?);
    problems.extend(names::differences(root)?);
    for file in &files {
        let path = root.join(file);
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        if speaks(file) {
            problems.extend(words::problems(file, &text));
        }
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("rs") => {
                if !text.starts_with("//!") {
                    problems.push(format!(
                        "{}: does not open with what it is for (//!)",
                        file.display()
                    ));
                }
                problems.extend(purity::problems(file, &text));
                problems.extend(walls::problems(file, &text));
            }
            Some("md") => {
                problems.extend(broken_links(root, file, &text));
                problems.extend(missing_paths(root, file, &text));
            }
            _ => {}
        }
    }
    if problems.is_empty() {
        return Ok(());
    }
    bail!("{}", problems.join("\n"))
}

/// Whether a file is written by hand, in English.
fn speaks(file: &Path) -> bool {
    const BY_HAND: [&str; 9] = ["js", "json", "md", "py", "rs", "toml", "ts", "wit", "yaml"];
    let extension = file
        .extension()
        .and_then(|extension| extension.to_str())
        .unwrap_or_default();
    // Recorded from other programs, or compared byte for byte.
    let is_data = ["fuzz/corpus", "tests/parity/cases", "tests/conformance/golden"]
        .iter()
        .any(|folder| file.starts_with(folder));
    BY_HAND.contains(&extension) && !is_data
}

pub(crate) fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let listed = Command::new("git")
        // Files that are not added yet are checked as well, before they are committed.
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .context("cannot run git")?;
    if !listed.status.success() {
        bail!("git cannot list the files of {}", root.display());
    }
    let listed = String::from_utf8(listed.stdout)?;
    Ok(listed.lines().map(PathBuf::from).collect())
}

/// docs/abi.md carries the hash of the contract, so that a change to one is a change to the other.
fn contract_hash(root: &Path) -> Result<Vec<String>> {
    let folder = root.join("guest-sdk/wit");
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    files.sort();
    let mut hash = Sha256::new();
    for file in files {
        hash.update(file.file_name().unwrap_or_default().as_encoded_bytes());
        // Separates the name from what follows: without it, another name with other contents could give the same bytes.
        hash.update([0]);
        hash.update(fs::read(&file)?);
    }
    let hash = format!("sha256:{:x}", hash.finalize());
    let page = fs::read_to_string(root.join("docs/abi.md")).unwrap_or_default();
    if page.contains(&hash) {
        return Ok(Vec::new());
    }
    Ok(vec![format!(
        "docs/abi.md does not carry the hash of guest-sdk/wit, which is {hash}: read the page once more, then put it there"
    )])
}

/// Links to files that are not there, or to headings that a page does not have. What the site alone has is checked by `book`.
fn broken_links(root: &Path, file: &Path, text: &str) -> Vec<String> {
    let folder = file.parent().unwrap_or(Path::new(""));
    markdown::links(text)
        .into_iter()
        .map(|link| &text[link])
        .filter(|link| !link.contains("://") && !link.starts_with("api/"))
        .filter(|link| {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() {
                root.join(file)
            } else {
                root.join(folder).join(path)
            };
            !target.exists() || !has_anchor(&target, anchor)
        })
        .map(|link| format!("{}: the link {link:?} leads nowhere", file.display()))
        .collect()
}

fn has_anchor(page: &Path, anchor: &str) -> bool {
    if anchor.is_empty() || page.extension().is_none_or(|extension| extension != "md") {
        return true;
    }
    let text = fs::read_to_string(page).unwrap_or_default();
    markdown::anchors(&text).iter().any(|known| known == anchor)
}

/// Paths of this repository, written as code, at which nothing is. Those with a placeholder are not looked at.
fn missing_paths(root: &Path, file: &Path, text: &str) -> Vec<String> {
    const FOLDERS: [&str; 7] = [
        "docs/",
        "fuzz/",
        "guest-sdk/",
        "host/",
        "plugins/",
        "tests/",
        "xtask/",
    ];
    let is_placeholder = |letter: char| letter.is_ascii_uppercase() || "*<{ ".contains(letter);
    text.split('`')
        .skip(1)
        .step_by(2)
        .filter(|code| {
            FOLDERS.iter().any(|folder| code.starts_with(folder)) && !code.contains(is_placeholder)
        })
        .filter(|path| !root.join(path).exists())
        .map(|path| format!("{}: there is no {path}", file.display()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_the_contract_is_of_this_contract() {
        let problems = contract_hash(&crate::root()).expect("the contract can be read");
        assert!(problems.is_empty(), "{problems:?}");
    }

    #[test]
    fn a_link_to_a_heading_that_is_gone_is_found() {
        let text = "[a](#windows) [b](policies.md#doors) [c](guide.md#windows) [d](gone.md)";
        assert_eq!(
            broken_links(&crate::root(), Path::new("docs/guide.md"), text),
            [
                "docs/guide.md: the link \"policies.md#doors\" leads nowhere",
                "docs/guide.md: the link \"gone.md\" leads nowhere"
            ]
        );
    }

    #[test]
    fn a_path_in_a_page_that_was_moved_is_found() {
        let text = "See `host/core/src/lib.rs`, `host/src/lib.rs`, `plugins/NAME/cases` and host/none.";
        let problems = missing_paths(&crate::root(), Path::new("page.md"), text);
        assert_eq!(problems, ["page.md: there is no host/src/lib.rs"]);
    }
}
