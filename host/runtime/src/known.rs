//! Plugins that were read, hashed and compiled before: what was found out then is taken again for as long as neither the file
//! of the component nor that of its compiled code was touched. So a start does not read and hash what may be 18 MB and more.
//!
//! A file is untouched when it is the same one with the same size, owner, mode and times. The time of its last change is among
//! them, which no program can set: to write to a file, to put another in its place and to put the first one back all change it.
//! What is not noticed is what does not pass through the file system, as a broken disk, and a clock that root turns back.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};
use trocar_core::manifest::PluginManifest;

use crate::{
    cache::{Cache, CompiledFrom},
    component::{Inspected, Sizes},
};

/// The coarsest clock of a file system that counts less than seconds, with room: a change right after another may have its time.
const TICK: Duration = Duration::from_millis(50);

/// The same of a file system that counts seconds.
const COARSE_TICK: Duration = Duration::from_secs(2);

/// A file as it was when it was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    owner: u32,
    mode: u32,
    /// Seconds and nanoseconds since 1970.
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Identity {
    pub(crate) fn of(found: &fs::Metadata) -> Self {
        Self {
            device: found.dev(),
            inode: found.ino(),
            size: found.size(),
            owner: found.uid(),
            mode: found.mode(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }

    /// Returns whether every change from now on gives the file another time.
    fn is_settled(&self, now: SystemTime) -> bool {
        let (Ok(seconds), Ok(nanoseconds)) = (u64::try_from(self.changed.0), u32::try_from(self.changed.1))
        else {
            return false;
        };
        let changed = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds);
        let tick = if nanoseconds == 0 { COARSE_TICK } else { TICK };
        now.duration_since(changed).is_ok_and(|age| age >= tick)
    }
}

/// A file whose bytes were read, and which nothing touched meanwhile.
#[derive(Clone, Debug)]
pub(crate) struct SeenFile {
    /// Without links.
    pub(crate) path: PathBuf,
    pub(crate) identity: Identity,
}

/// What is known of a plugin whose files are as they were.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) inspected: Inspected,
    /// The digest of the component.
    pub(crate) digest: String,
    /// The size of the component, in bytes.
    pub(crate) size: u64,
    /// The file with the compiled code.
    pub(crate) compiled: PathBuf,
}

/// What is written down.
#[derive(Serialize, Deserialize)]
struct Record {
    file: PathBuf,
    component: Identity,
    compiled: Identity,
    /// The manifest as JSON: it is read and checked as that of a component.
    manifest: String,
    imports: Vec<String>,
    exports: Vec<String>,
    sizes: Sizes,
}

/// What a record is bound to. What is checked of a component may change with each version of this program.
fn mark(from: CompiledFrom<'_>) -> String {
    format!("{} {}", from.mark(), env!("CARGO_PKG_VERSION"))
}

/// Where what is known of a file lies: one component may be in several.
fn name(from: CompiledFrom<'_>, file: &Path) -> String {
    let place = crc32fast::hash(file.as_os_str().as_encoded_bytes());
    format!("{}-{place:08x}.known", from.stem())
}

impl Cache {
    /// Writes down what was found out of a component that is compiled here, unless its file may be changing.
    pub(crate) fn remember(
        &self,
        from: CompiledFrom<'_>,
        seen: &SeenFile,
        inspected: &Inspected,
        now: SystemTime,
    ) -> io::Result<()> {
        let compiled = fs::metadata(self.path(from))?;
        if !seen.identity.is_settled(now) {
            return Ok(());
        }
        let record = Record {
            file: seen.path.clone(),
            component: seen.identity,
            compiled: Identity::of(&compiled),
            manifest: serde_json::to_string(&inspected.manifest)?,
            imports: inspected.imports.clone(),
            exports: inspected.exports.clone(),
            sizes: inspected.sizes,
        };
        self.keep(
            &name(from, &seen.path),
            &mark(from),
            &serde_json::to_vec(&record)?,
        )
    }

    /// What is known of the component in a file, where file and compiled code are as they were. The file's path has no links.
    pub(crate) fn known(&self, from: CompiledFrom<'_>, file: &Path) -> Option<Known> {
        let json = self.read_kept(&name(from, file), &mark(from))?;
        let record: Record = serde_json::from_slice(&json).ok()?;
        let compiled = self.protected(&self.path(from))?;
        let is = |path: &Path, known: &Identity| {
            fs::symlink_metadata(path).is_ok_and(|found| Identity::of(&found) == *known)
        };
        let is_untouched =
            record.file == file && is(file, &record.component) && is(&compiled, &record.compiled);
        is_untouched.then_some(())?;
        Some(Known {
            digest: from.component.to_owned(),
            size: record.component.size,
            inspected: Inspected {
                manifest: PluginManifest::parse(record.manifest.as_bytes()).ok()?,
                imports: record.imports,
                exports: record.exports,
                sizes: record.sizes,
            },
            compiled,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use serde_json::json;

    use super::*;

    const ONE: CompiledFrom<'_> = CompiledFrom {
        component: "sha256:1111",
        compiler: 7,
    };

    struct Scene {
        home: tempfile::TempDir,
        cache: Cache,
        file: PathBuf,
    }

    /// A component that is compiled, and was seen an hour ago.
    fn scene() -> Scene {
        let home = tempfile::tempdir().unwrap();
        let file = fs::canonicalize(home.path()).unwrap().join("one.wasm");
        fs::write(&file, "component").unwrap();
        let cache = Cache::open(&home.path().join("cache")).unwrap();
        cache.store(ONE, b"code").unwrap();
        let scene = Scene { home, cache, file };
        scene.remember();
        scene
    }

    impl Scene {
        fn seen(&self) -> SeenFile {
            SeenFile {
                path: self.file.clone(),
                identity: Identity::of(&fs::metadata(&self.file).unwrap()),
            }
        }

        fn remember(&self) {
            let later = SystemTime::now() + Duration::from_secs(3600);
            self.cache
                .remember(ONE, &self.seen(), &inspected(), later)
                .unwrap();
        }

        fn is_known(&self) -> bool {
            self.cache.known(ONE, &self.file).is_some()
        }

        fn record(&self) -> PathBuf {
            self.cache.folder().join(name(ONE, &self.file))
        }
    }

    fn inspected() -> Inspected {
        let manifest = json!({
            "apiVersion": "trocar.dev/v1alpha1", "kind": "PluginManifest", "name": "one", "version": "1.0.0",
            "type": "strategy", "abi": "0.1", "summary": "Is one",
        });
        Inspected {
            manifest: PluginManifest::parse(manifest.to_string().as_bytes()).unwrap(),
            imports: vec!["trocar:plugin/log@0.1.0".into()],
            exports: vec!["trocar:plugin/strategy@0.1.0".into()],
            sizes: Sizes {
                memory: 65_536,
                table: 3,
            },
        }
    }

    #[test]
    fn what_was_found_out_is_known_until_a_file_is_touched() {
        let scene = scene();
        let known = scene.cache.known(ONE, &scene.file).unwrap();
        assert_eq!(known.inspected, inspected());
        assert_eq!(known.size, 9);
        assert!(fs::read(known.compiled).unwrap().starts_with(b"code"));
        for touched in [scene.file.clone(), scene.cache.path(ONE)] {
            let bytes = fs::read(&touched).unwrap();
            let before = fs::metadata(&touched).unwrap();
            fs::write(&touched, &bytes).unwrap();
            // As a tool does that wants to hide it.
            let file = fs::File::options().write(true).open(&touched).unwrap();
            file.set_modified(before.modified().unwrap()).unwrap();
            assert!(
                !scene.is_known(),
                "{} was written to with its old bytes and time",
                touched.display()
            );
            scene.remember();
            assert!(scene.is_known());
            let other = scene.home.path().join("other");
            fs::copy(&touched, &other).unwrap();
            fs::rename(&other, &touched).unwrap();
            assert!(!scene.is_known(), "{} was replaced", touched.display());
            scene.remember();
            fs::set_permissions(&touched, fs::Permissions::from_mode(0o640)).unwrap();
            assert!(!scene.is_known(), "{} has another mode", touched.display());
            scene.remember();
        }
        fs::remove_file(&scene.file).unwrap();
        assert!(!scene.is_known(), "it is gone");
    }

    #[test]
    fn a_record_counts_for_its_file_its_component_and_its_compiler() {
        let scene = scene();
        let other_file = scene.file.with_file_name("two.wasm");
        fs::copy(&scene.file, &other_file).unwrap();
        fs::copy(scene.record(), scene.cache.folder().join(name(ONE, &other_file))).unwrap();
        assert!(
            scene.cache.known(ONE, &other_file).is_none(),
            "the record is of another file"
        );
        for other in [
            CompiledFrom {
                component: "sha256:2222",
                ..ONE
            },
            CompiledFrom { compiler: 8, ..ONE },
        ] {
            scene.cache.store(other, b"other").unwrap();
            let forged = scene.cache.folder().join(name(other, &scene.file));
            fs::copy(scene.record(), forged).unwrap();
            assert!(scene.cache.known(other, &scene.file).is_none(), "{other:?}");
        }
        assert!(scene.is_known());
    }

    #[test]
    fn a_record_that_changed_is_not_taken() {
        let scene = scene();
        let whole = fs::read(scene.record()).unwrap();
        for place in 0..whole.len() {
            let mut changed = whole.clone();
            changed[place] ^= 4;
            fs::write(scene.record(), changed).unwrap();
            assert!(!scene.is_known(), "byte {place} changed");
        }
        for length in [0, 3, 4, whole.len() - 1] {
            fs::write(scene.record(), &whole[..length]).unwrap();
            assert!(!scene.is_known(), "cut to {length} bytes");
        }
        fs::write(scene.record(), whole).unwrap();
        assert!(scene.is_known());
    }

    #[test]
    fn a_file_that_was_written_a_moment_ago_is_not_remembered() {
        let at = |seconds, nanoseconds| Identity {
            changed: (seconds, nanoseconds),
            ..scene().seen().identity
        };
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(10_500);
        for (changed, is_settled, why) in [
            (at(10, 449_000_000), true, "another tick has begun"),
            (at(10, 460_000_000), false, "this tick"),
            (at(11, 1), false, "a clock that goes otherwise"),
            (at(9, 0), false, "a file system that counts seconds"),
            (at(8, 0), true, "the same, two of them later"),
            (at(-1, 0), false, "before 1970"),
        ] {
            assert_eq!(changed.is_settled(now), is_settled, "{why}");
        }
        let scene = scene();
        fs::remove_file(scene.record()).unwrap();
        let seen = scene.seen();
        let (seconds, nanoseconds) = seen.identity.changed;
        let then = Duration::new(seconds.unsigned_abs(), u32::try_from(nanoseconds).unwrap());
        let then = SystemTime::UNIX_EPOCH + then;
        scene.cache.remember(ONE, &seen, &inspected(), then).unwrap();
        assert!(!scene.is_known());
    }
}
