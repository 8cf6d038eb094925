//! Records about plugins that were read, hashed and compiled in an earlier run. They are used as long as neither the component's
//! file nor that of its compiled code has changed, so that a start does not read and hash 18 MB or more.
//!
//! A file counts as unchanged if its device, inode, size, owner, mode and times are the same. The ctime is among them, which no
//! program can set: a write, a rename over the file, and restoring it all change it. Not detected are changes that bypass the file
//! system, such as disk corruption, and a clock that root sets back.

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

/// More than the coarsest step of file times below a second: two changes within a step may have the same time.
const TICK: Duration = Duration::from_millis(50);

/// The same for file systems with times in whole seconds.
const COARSE_TICK: Duration = Duration::from_secs(2);

/// The metadata by which a change of a file is detected.
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

    /// Returns whether the last change is so long ago that any further one gets another time.
    fn is_settled(&self, now: SystemTime) -> bool {
        let (Ok(seconds), Ok(nanoseconds)) = (u64::try_from(self.changed.0), u32::try_from(self.changed.1))
        else {
            return false;
        };
        let changed = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds);
        // Zero may be chance on a file system with finer times: then a record is only written later.
        let tick = if nanoseconds == 0 { COARSE_TICK } else { TICK };
        now.duration_since(changed).is_ok_and(|age| age >= tick)
    }
}

/// A file that did not change while it was read.
#[derive(Clone, Debug)]
pub(crate) struct SeenFile {
    /// The path, with links resolved.
    pub(crate) path: PathBuf,
    pub(crate) identity: Identity,
}

/// What a valid record has about a plugin.
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

/// The JSON of a record.
#[derive(Serialize, Deserialize)]
struct Record {
    file: PathBuf,
    component: Identity,
    compiled: Identity,
    /// The manifest as JSON: it is parsed and checked like one in a component.
    manifest: String,
    imports: Vec<String>,
    exports: Vec<String>,
    sizes: Sizes,
}

/// What a record is bound to: also this program's version, since each version may check more of a component.
fn mark(from: CompiledFrom<'_>) -> String {
    format!("{} {}", from.mark(), env!("CARGO_PKG_VERSION"))
}

/// The name of the record of a file. It has a hash of the path, since several files may hold the same component.
fn name(from: CompiledFrom<'_>, file: &Path) -> String {
    let path_hash = crc32fast::hash(file.as_os_str().as_encoded_bytes());
    format!("{}-{path_hash:08x}.known", from.stem())
}

impl Cache {
    /// Writes the record of a component whose compiled code is in this cache. Does nothing if the file changed just now.
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

    /// Reads the record of a file; none if it, its component or its compiled code has changed. Links in `file` must be resolved.
    pub(crate) fn known(&self, from: CompiledFrom<'_>, file: &Path) -> Option<Known> {
        let json = self.read_kept(&name(from, file), &mark(from))?;
        let record: Record = serde_json::from_slice(&json).ok()?;
        let compiled = self.protected(&self.path(from))?;
        let is = |path: &Path, known: &Identity| {
            // Links were resolved before, so one that is found now is a change.
            fs::symlink_metadata(path).is_ok_and(|found| Identity::of(&found) == *known)
        };
        let is_unchanged =
            record.file == file && is(file, &record.component) && is(&compiled, &record.compiled);
        is_unchanged.then_some(())?;
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

    /// A compiled component with a record.
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
    fn a_record_is_valid_until_a_file_changes() {
        let scene = scene();
        let known = scene.cache.known(ONE, &scene.file).unwrap();
        assert_eq!(known.inspected, inspected());
        assert_eq!(known.size, 9);
        assert!(fs::read(known.compiled).unwrap().starts_with(b"code"));
        for touched in [scene.file.clone(), scene.cache.path(ONE)] {
            let bytes = fs::read(&touched).unwrap();
            let before = fs::metadata(&touched).unwrap();
            fs::write(&touched, &bytes).unwrap();
            // Like a tool that hides its change.
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
    fn a_record_is_bound_to_file_component_and_compiler() {
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
    fn a_corrupt_record_is_not_used() {
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
    fn a_file_that_changed_just_now_gets_no_record() {
        let at = |seconds, nanoseconds| Identity {
            changed: (seconds, nanoseconds),
            ..scene().seen().identity
        };
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(10_500);
        for (changed, is_settled, why) in [
            (at(10, 449_000_000), true, "more than a tick ago"),
            (at(10, 460_000_000), false, "within a tick"),
            (at(11, 1), false, "in the future"),
            (at(9, 0), false, "within a tick of whole seconds"),
            (at(8, 0), true, "more than a tick of whole seconds ago"),
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
