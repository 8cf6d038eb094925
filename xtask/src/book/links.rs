//! Links of a site that lead nowhere: each `href` and `src` within it names a file, and the part behind `#` an element.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;

use crate::text;

/// What is wrong with a site, a line for each link. Pages of rustdoc are not read: rustdoc checks its own.
pub(super) fn broken(site: &Path, has_api: bool) -> Result<Vec<String>> {
    let mut pages = BTreeMap::new();
    read(site, site, &mut pages)?;
    let names: BTreeMap<&PathBuf, BTreeSet<&str>> = pages
        .iter()
        .map(|(page, text)| (page, attributes(text, "id").collect()))
        .collect();
    let mut broken = Vec::new();
    for (page, text) in &pages {
        for link in attributes(text, "href").chain(attributes(text, "src")) {
            let leads_out = link.contains("://") || link.starts_with("data:") || link.starts_with("mailto:");
            if leads_out || !has_api && link.contains("api/") {
                continue;
            }
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let meant = resolve(page, path);
            let has_anchor =
                anchor.is_empty() || names.get(&meant).is_none_or(|names| names.contains(anchor));
            if !site.join(&meant).is_file() || !has_anchor {
                broken.push(format!("{}: the link {link:?} leads nowhere", page.display()));
            }
        }
    }
    Ok(broken)
}

/// Reads the pages below a folder but rustdoc's, and those that a browser is shown instead of others.
fn read(site: &Path, folder: &Path, pages: &mut BTreeMap<PathBuf, String>) -> Result<()> {
    const OTHERS: [&str; 4] = ["api", "404.html", "print.html", "toc.html"];
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.strip_prefix(site)?.to_owned();
        if OTHERS.iter().any(|other| name == Path::new(other)) {
            continue;
        }
        if path.is_dir() {
            read(site, &path, pages)?;
        } else if path.extension().is_some_and(|extension| extension == "html") {
            pages.insert(name, fs::read_to_string(&path)?);
        }
    }
    Ok(())
}

/// The values of an attribute, as mdBook writes them: between double quotes.
fn attributes<'a>(text: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    text::behind(text, &format!(" {name}=\""), |letter| letter == '"')
}

fn resolve(page: &Path, link: &str) -> PathBuf {
    match link {
        "" => page.to_owned(),
        _ if link.ends_with('/') => super::resolve(page, link).join("index.html"),
        _ => super::resolve(page, link),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_read_wherever_they_stand() {
        let text = "<h2 id=\"one\"><a class=\"header\" href=\"#one\">1</a></h2><a href=\"b.html#two\">2</a>";
        assert_eq!(attributes(text, "id").collect::<Vec<_>>(), ["one"]);
        assert_eq!(
            attributes(text, "href").collect::<Vec<_>>(),
            ["#one", "b.html#two"]
        );
    }

    #[test]
    fn links_are_relative_to_their_page() {
        let page = Path::new("plugins/rust.html");
        assert_eq!(resolve(page, "../abi.html"), Path::new("abi.html"));
        assert_eq!(resolve(page, "python.html"), Path::new("plugins/python.html"));
        assert_eq!(resolve(page, ""), page);
    }
}
