//! The site: `cargo xtask book` builds the pages of `docs` with mdBook into `target/book`, and checks every link of what it built.
//!
//! Pages are written so that their links lead somewhere in a clone as well. Some pages of the site lie outside of `docs`, and
//! some links lead to source: so the pages are first copied, and their links changed.

mod links;

use std::{
    env, fs,
    path::{Component, Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::{markdown, tidy};

/// Pages of the site that lie where forges look for them.
const OUTSIDE: [&str; 3] = ["CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"];

/// The settings of mdBook. They are beside the pages here, and above them where the site is built.
const SETTINGS: &str = "docs/book.toml";

/// Where the documentation of the crates is on the site.
const API: &str = "api";

/// Builds the site. `repository` is the forge's address, to which links to source lead; without it they are text.
pub(crate) fn make(root: &Path, repository: Option<&str>) -> Result<()> {
    let source = root.join("target/book-source");
    let site = root.join("target/book");
    for folder in [&source, &site] {
        if folder.exists() {
            // Pages that were renamed since would stay on the site.
            fs::remove_dir_all(folder)?;
        }
    }
    gather(root, &source.join("src"), repository)?;
    fs::copy(root.join(SETTINGS), source.join("book.toml"))?;
    let built = Command::new("mdbook")
        .arg("build")
        .arg(&source)
        .arg("--dest-dir")
        .arg(&site)
        .status()
        .context("cannot run mdbook\nhint: cargo install --locked mdbook")?;
    if !built.success() {
        bail!("mdbook failed");
    }
    let has_api = copy_api(root, &site)?;
    let broken = links::broken(&site, has_api)?;
    if !broken.is_empty() {
        bail!("{}", broken.join("\n"));
    }
    println!("the site is in {}", site.display());
    Ok(())
}

/// Copies the pages, and what they link to, with links that fit the site.
fn gather(root: &Path, source: &Path, repository: Option<&str>) -> Result<()> {
    for file in tidy::files(root)? {
        let Some(place) = place(&file) else { continue };
        let target = source.join(&place);
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder)?;
        }
        if file.extension().is_some_and(|extension| extension == "md") {
            let page = fs::read_to_string(root.join(&file))?;
            fs::write(target, with_links_of_the_site(&page, &file, repository))?;
        } else {
            fs::copy(root.join(&file), target)?;
        }
    }
    Ok(())
}

/// Where a file of the repository is in the site's source; none for those that are not part of it.
fn place(file: &Path) -> Option<PathBuf> {
    if OUTSIDE.iter().any(|page| file == Path::new(page)) {
        return Some(file.to_owned());
    }
    file.strip_prefix("docs")
        .ok()
        // mdBook reads its settings from the folder above the pages.
        .filter(|_| file != Path::new(SETTINGS))
        .map(Path::to_owned)
}

/// A page with each link changed to where its target is on the site.
fn with_links_of_the_site(page: &str, file: &Path, repository: Option<&str>) -> String {
    let from = place(file).unwrap_or_default();
    let mut changed = page.to_owned();
    // From behind, so that the places before stay what they are.
    for link in markdown::links(page).into_iter().rev() {
        let target = &page[link.clone()];
        if target.contains("://") || target.starts_with('#') || target.starts_with(API) {
            continue;
        }
        let (path, anchor) = target.split_at(target.find('#').unwrap_or(target.len()));
        let meant = resolve(file, path);
        // The site has pages, and no lists of folders.
        let page = place(&meant).filter(|place| place.extension().is_some());
        let on_site = match (page, repository) {
            // The table of contents names sources, not what is made of them.
            (Some(place), _) if file.ends_with("SUMMARY.md") => relative(&from, &place),
            (Some(place), _) => relative(&from, &rendered(place)),
            (None, Some(repository)) => format!("{repository}/blob/main/{}", meant.display()),
            (None, None) => {
                unlink(&mut changed, link.start, link.end);
                continue;
            }
        };
        changed.replace_range(link, &format!("{on_site}{anchor}"));
    }
    changed
}

/// A page as a link names it: mdBook makes an index of each README.
fn rendered(place: PathBuf) -> PathBuf {
    if place.ends_with("README.md") {
        place.with_file_name("index.html")
    } else {
        place
    }
}

/// Leaves of `[text](target)` the text; the range is the target's.
fn unlink(page: &mut String, start: usize, end: usize) {
    page.replace_range(start - 2..=end, "");
    if let Some(opening) = page[..start - 2].rfind('[') {
        page.remove(opening);
    }
}

/// What a link in a file means, as a path of the repository.
fn resolve(file: &Path, link: &str) -> PathBuf {
    let mut meant = PathBuf::new();
    let folder = file.parent().unwrap_or(Path::new(""));
    for part in folder.join(link).components() {
        match part {
            Component::ParentDir => {
                meant.pop();
            }
            Component::Normal(name) => meant.push(name),
            _ => {}
        }
    }
    meant
}

/// A link from one page of the site to another.
fn relative(from: &Path, to: &Path) -> String {
    let depth = from.components().count().saturating_sub(1);
    format!("{}{}", "../".repeat(depth), to.display())
}

/// Puts the documentation of the crates beside the pages, where `cargo doc` wrote it.
fn copy_api(root: &Path, site: &Path) -> Result<bool> {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let built = target.join("doc");
    if !built.join("trocar/index.html").is_file() {
        println!("SKIPPED: rustdoc on the site, since cargo doc was not run");
        return Ok(false);
    }
    let copied = Command::new("cp")
        .arg("-r")
        .arg(&built)
        .arg(site.join(API))
        .status()
        .context("cannot run cp")?;
    if !copied.success() {
        bail!("{} cannot be copied", built.display());
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_where_pages_are_on_the_site() {
        let page =
            "[a](../SECURITY.md#what), [b](guide.md), [c](../host/core/src/lib.rs), [d](https://x), [e](#f)";
        let changed = with_links_of_the_site(page, Path::new("docs/policies.md"), None);
        assert_eq!(
            changed,
            "[a](SECURITY.md#what), [b](guide.md), c, [d](https://x), [e](#f)"
        );
        let changed = with_links_of_the_site(
            "[c](../../guest-sdk/wit)",
            Path::new("docs/plugins/rust.md"),
            Some("https://f/o/t"),
        );
        assert_eq!(changed, "[c](https://f/o/t/blob/main/guest-sdk/wit)");
    }

    #[test]
    fn links_from_a_folder_lead_out_of_it() {
        let changed = with_links_of_the_site(
            "[a](../abi.md#two-tiers)",
            Path::new("docs/plugins/others.md"),
            None,
        );
        assert_eq!(changed, "[a](../abi.md#two-tiers)");
        let page = "[a](docs/admission.md), [b](docs/decisions/README.md), [c](docs/schemas)";
        let changed = with_links_of_the_site(page, Path::new("SECURITY.md"), None);
        assert_eq!(changed, "[a](admission.md), [b](decisions/index.html), c");
    }
}
