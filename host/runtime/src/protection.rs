//! Which files only one user can change: what the system's configuration takes plugins from.
//!
//! A file is as safe as every folder on the way to it: who can write to one of them can put something else in its place.

use std::{
    fs::{self, Metadata},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// The bits of a mode that let others than the owner write. They are the mask of an access control list, where there is one.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Who alone may write to a file and to the folders above it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Protection {
    /// The user.
    pub(crate) owner: u32,
    /// The folder from which on the way is looked at.
    pub(crate) below: PathBuf,
}

/// Why a path is not protected.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unprotected {
    /// A part of it cannot be looked at.
    #[error(transparent)]
    Unknown(#[from] io::Error),
    /// Others can change a part of it.
    #[error("others than root can write to {}", .0.display())]
    Writable(PathBuf),
}

impl From<Unprotected> for io::Error {
    fn from(error: Unprotected) -> Self {
        match error {
            Unprotected::Unknown(error) => error,
            Unprotected::Writable(_) => Self::new(io::ErrorKind::PermissionDenied, error.to_string()),
        }
    }
}

impl Protection {
    /// Resolves a path, of which each part must be protected: links are followed, the way to their ends is looked at.
    ///
    /// # Errors
    /// Fails with the first part that others can change.
    pub(crate) fn resolve(&self, path: &Path) -> Result<PathBuf, Unprotected> {
        let resolved = fs::canonicalize(path)?;
        let below = fs::canonicalize(&self.below)?;
        if !resolved.starts_with(&below) {
            return Err(Unprotected::Writable(resolved));
        }
        let mut parts: Vec<&Path> = resolved.ancestors().collect();
        parts.reverse();
        for part in parts.into_iter().filter(|part| part.starts_with(&below)) {
            if !self.covers(&fs::symlink_metadata(part)?) {
                return Err(Unprotected::Writable(part.to_owned()));
            }
        }
        Ok(resolved)
    }

    fn covers(&self, found: &Metadata) -> bool {
        found.uid() == self.owner && found.mode() & WRITABLE_BY_OTHERS == 0 && !found.is_symlink()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    /// A folder of this user's, with a file three folders down.
    fn made() -> (tempfile::TempDir, Protection, PathBuf) {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("opt/trocar/plugin.wasm");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "").unwrap();
        for part in file.ancestors().take(4) {
            allow(part, if part == file { 0o644 } else { 0o755 });
        }
        let protection = Protection {
            owner: rustix::process::geteuid().as_raw(),
            below: root.path().to_owned(),
        };
        (root, protection, file)
    }

    fn allow(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn refused(protection: &Protection, path: &Path) -> PathBuf {
        match protection.resolve(path) {
            Err(Unprotected::Writable(part)) => part,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_file_is_protected_when_no_part_of_the_way_to_it_can_be_written_to() {
        let (_root, protection, file) = made();
        let resolved = fs::canonicalize(&file).unwrap();
        assert_eq!(protection.resolve(&file).unwrap(), resolved);
        for part in resolved.ancestors().take(4) {
            for mode in [0o775, 0o757, 0o1777] {
                allow(part, mode);
                assert_eq!(refused(&protection, &file), part, "{mode:o}");
            }
            allow(part, 0o755);
        }
        assert!(protection.resolve(&file).is_ok());
    }

    #[test]
    fn what_belongs_to_another_user_is_not_protected() {
        let (root, protection, file) = made();
        let other = Protection {
            owner: protection.owner + 1,
            ..protection
        };
        assert_eq!(refused(&other, &file), fs::canonicalize(root.path()).unwrap());
    }

    #[test]
    fn a_link_is_as_safe_as_the_way_to_its_end() {
        let (root, protection, file) = made();
        let link = root.path().join("link.wasm");
        symlink(&file, &link).unwrap();
        let resolved = fs::canonicalize(&file).unwrap();
        assert_eq!(
            protection.resolve(&link).unwrap(),
            resolved,
            "the link is not used again"
        );
        let open = root.path().join("open");
        fs::create_dir(&open).unwrap();
        allow(&open, 0o777);
        let elsewhere = open.join("plugin.wasm");
        fs::write(&elsewhere, "").unwrap();
        fs::remove_file(&link).unwrap();
        symlink(&elsewhere, &link).unwrap();
        assert_eq!(refused(&protection, &link), fs::canonicalize(&open).unwrap());
        let outside = tempfile::tempdir().unwrap();
        fs::remove_file(&link).unwrap();
        symlink(outside.path(), &link).unwrap();
        assert_eq!(
            refused(&protection, &link),
            fs::canonicalize(outside.path()).unwrap()
        );
    }

    #[test]
    fn what_is_not_there_is_told_so() {
        let (root, protection, _) = made();
        let gone = protection.resolve(&root.path().join("gone"));
        assert!(matches!(gone, Err(Unprotected::Unknown(_))), "{gone:?}");
    }
}
