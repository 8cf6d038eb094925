//! What a release consists of: `cargo xtask dist`. The same tree makes the same bytes.
//!
//! Left out: signing (the forge's workflow signs `SHA256SUMS`), and targets that this machine cannot link.

mod archive;
mod bill;
mod image;
mod indexes;
mod packages;
mod parts;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};

use self::archive::Entry;
use super::guests::cargo;

/// The target where none is named: a program that needs no library of the machine.
const DEFAULT_TARGET: &str = "x86_64-unknown-linux-musl";

const SHELLS: [(&str, &str); 5] = [
    ("bash", "completions/trocar.bash"),
    ("zsh", "completions/_trocar"),
    ("fish", "completions/trocar.fish"),
    ("powershell", "completions/trocar.ps1"),
    ("kubectl", "completions/kubectl_complete-trocar"),
];

const SUMMARY: &str = "Debug pods and nodes by sandboxed plugins";

pub(super) struct Release {
    version: String,
    target: String,
    /// The address of the repository, on a forge that has its releases below `releases/download`.
    repository: Option<String>,
    /// When the last commit was made, in seconds since 1970: the time of every file.
    time: u64,
    folder: PathBuf,
}

impl Release {
    /// That of the tree, as it was typed.
    fn of(root: &Path, words: &[&str]) -> Result<Self> {
        Ok(Self {
            // That of the workspace.
            version: env!("CARGO_PKG_VERSION").to_owned(),
            target: option(words, "--target")?.unwrap_or(DEFAULT_TARGET).to_owned(),
            repository: option(words, "--repository")?.map(str::to_owned),
            time: time(root)?,
            folder: root.join("target/dist"),
        })
    }

    fn name(&self) -> String {
        format!("trocar-{}-{}", self.version, self.target)
    }

    /// The processor, as rpm and the kernel name it.
    fn machine(&self) -> &str {
        self.target.split('-').next().unwrap_or_default()
    }

    /// The processor, as Debian and OCI name it.
    fn architecture(&self) -> Option<&'static str> {
        match self.machine() {
            "x86_64" => Some("amd64"),
            "aarch64" => Some("arm64"),
            _ => None,
        }
    }
}

/// Makes all files of a release for one target below `target/dist`. `words` is what was typed: `--target`, `--repository`, and
/// `--programs` with a folder of programs that were built already.
pub(crate) fn make(root: &Path, words: &[&str]) -> Result<()> {
    let release = Release::of(root, words)?;
    if release.folder.exists() {
        fs::remove_dir_all(&release.folder)?;
    }
    fs::create_dir_all(&release.folder)?;
    let programs = match option(words, "--programs")? {
        Some(folder) => PathBuf::from(folder),
        None => build(root, &release)?,
    };
    let mut sums = String::new();
    for (name, bytes) in files(root, &release, &programs)? {
        sums.push_str(&format!("{}  {name}\n", digest(&bytes)));
        fs::write(release.folder.join(&name), &bytes)?;
        println!("{:>10} {name}", bytes.len());
    }
    fs::write(release.folder.join("SHA256SUMS"), sums)?;
    match &release.repository {
        Some(repository) => indexes::write(&release.folder, repository, &release.version)?,
        None => println!("SKIPPED: what krew and Homebrew take, which needs --repository"),
    }
    println!("the release is in {}", release.folder.display());
    Ok(())
}

/// Writes the image of a program that was built for this machine's kind of processor, with files that it needs, which are put where they
/// are here.
pub(crate) fn image(root: &Path, to: &Path, program: &Path, needs: &[&str]) -> Result<()> {
    let target = format!("{}-unknown-linux-gnu", env::consts::ARCH);
    let release = Release::of(root, &["--target", &target])?;
    let architecture = release
        .architecture()
        .context("images are for x86-64 and arm64")?;
    let name = program.file_name().and_then(|name| name.to_str());
    let name = name.context("the program needs a name")?;
    let read = |file: &Path| fs::read(file).with_context(|| format!("cannot read {}", file.display()));
    let entry = |file: &&str| {
        let place = file.trim_start_matches('/');
        Ok::<_, anyhow::Error>(Entry::program(place, read(Path::new(file))?))
    };
    let needed = needs.iter().map(entry).collect::<Result<Vec<_>>>()?;
    let made = image::layout(&release, architecture, name, needed, read(program)?)?;
    fs::write(to, made).with_context(|| format!("cannot write {}", to.display()))
}

/// Writes what krew and Homebrew take into a folder that has the archives of all targets: `--repository` and `--folder`.
pub(crate) fn index(words: &[&str]) -> Result<()> {
    let repository = option(words, "--repository")?.context("--repository is missing")?;
    let folder = option(words, "--folder")?.context("--folder is missing")?;
    indexes::write(Path::new(folder), repository, env!("CARGO_PKG_VERSION"))
}

/// The files of a release by their names, in the order of `SHA256SUMS`.
fn files(root: &Path, release: &Release, programs: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let entries = entries(root, programs)?;
    let mut made = vec![(
        format!("{}.tar.gz", release.name()),
        archive::tar_gz(&release.name(), &entries, release.time)?,
    )];
    made.extend(packages::made(release, &entries)?);
    if let Some(architecture) = release
        .architecture()
        // The image has nothing but the program, so it has to be static.
        .filter(|_| release.target.ends_with("-musl"))
    {
        for name in ["trocar", "trocar-admission"] {
            let program = fs::read(programs.join(name))?;
            let image = image::layout(release, architecture, name, Vec::new(), program)?;
            made.push((
                format!("{name}-{}-{architecture}.oci.tar", release.version),
                image,
            ));
        }
    }
    for package in ["trocar-cli", "trocar-admission"] {
        made.push((
            format!("{package}-{}-{}.cdx.json", release.version, release.target),
            bill::of_materials(root, package, &release.target, &release.version)?.into(),
        ));
    }
    // What does not depend on the target is made beside one of them.
    if release.target == DEFAULT_TARGET {
        made.extend(parts::chart_and_sdks(root, release)?);
    }
    Ok(made)
}

fn option<'a>(words: &[&'a str], name: &str) -> Result<Option<&'a str>> {
    let Some(at) = words.iter().position(|word| *word == name) else {
        return Ok(None);
    };
    match words.get(at + 1) {
        Some(value) => Ok(Some(value)),
        None => bail!("{name} needs a value"),
    }
}

/// Builds the programs; gives the folder that they are in.
fn build(root: &Path, release: &Release) -> Result<PathBuf> {
    let built = Command::new(cargo())
        .current_dir(root)
        .args([
            "build",
            "--release",
            "--locked",
            "--package",
            "trocar-cli",
            "--package",
            "trocar-admission",
            "--target",
        ])
        .arg(&release.target)
        .env("SOURCE_DATE_EPOCH", release.time.to_string())
        .env("RUSTFLAGS", remap(root))
        .status()
        .context("cannot run cargo")?;
    if !built.success() {
        bail!(
            "{} cannot be built here\nhint: rustup target add {}",
            release.target,
            release.target
        );
    }
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    Ok(target.join(&release.target).join("release"))
}

/// The folders of the tree and of the crates are not part of a program.
fn remap(root: &Path) -> String {
    let home =
        env::var("CARGO_HOME").unwrap_or_else(|_| format!("{}/.cargo", env::var("HOME").unwrap_or_default()));
    format!(
        "--remap-path-prefix={}=/trocar --remap-path-prefix={home}=/cargo",
        root.display()
    )
}

/// What every archive has, by its place in it.
fn entries(root: &Path, programs: &Path) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for name in ["trocar", "kubectl-trocar"] {
        entries.push(Entry::program(name, fs::read(programs.join(name))?));
    }
    for name in ["LICENSE", "README.md", "CHANGELOG.md", "SECURITY.md"] {
        entries.push(Entry::file(name, fs::read(root.join(name))?));
    }
    for (shell, place) in SHELLS {
        let output = Command::new(programs.join("trocar"))
            .args(["completion", shell])
            .output()
            .with_context(|| {
                format!("what was built does not run here, so it cannot write its completions for {shell}")
            })?;
        if !output.status.success() {
            bail!(
                "trocar completion {shell}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        entries.push(Entry {
            // kubectl runs its completion as a program. Shells read theirs.
            is_program: shell == "kubectl",
            ..Entry::file(place, output.stdout)
        });
    }
    let pages = root.join("target/dist-man");
    super::man::write(&pages)?;
    let mut names: Vec<PathBuf> = fs::read_dir(&pages)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    // `read_dir` has no fixed order, and the same tree must make the same archive.
    names.sort();
    for page in names {
        let name = page
            .file_name()
            .and_then(|name| name.to_str())
            .context("a page without a name")?;
        entries.push(Entry::file(&format!("man/{name}"), fs::read(&page)?));
    }
    Ok(entries)
}

/// The time of the last commit, or what SOURCE_DATE_EPOCH says.
fn time(root: &Path) -> Result<u64> {
    if let Ok(epoch) = env::var("SOURCE_DATE_EPOCH") {
        return epoch
            .parse()
            .context("SOURCE_DATE_EPOCH is not a number of seconds");
    }
    let output = Command::new("git")
        .args(["log", "-1", "--format=%ct"])
        .current_dir(root)
        .output()
        .context("cannot run git")?;
    let text = String::from_utf8(output.stdout)?;
    text.trim()
        .parse()
        .context("git does not say when the last commit was made")
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
