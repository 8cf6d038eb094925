//! Checks that only root can change a file, for plugins of the system's configuration.
//!
//! All parent folders are checked too, since write access to one of them is enough to replace the file.

use std::{
    fs::{self, Metadata},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// The mode bits that let users other than the owner write. With an access control list, the group's bits are its mask.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// The required owner of a file and of its parent folders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Protection {
    /// The user id.
    pub(crate) owner: u32,
    /// The folder at which checking begins: `/`, except in tests.
    pub(crate) below: PathBuf,
}

/// Why a path is not protected.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unprotected {
    /// A part of the path cannot be read.
    #[error(transparent)]
    Unknown(#[from] io::Error),
    /// Another user can change a part of the path.
    #[error("users other than root can write to {}", .0.display())]
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
    /// Resolves the links in a path, and checks each part of the result.
    ///
    /// # Errors
    /// Fails at the first part that another user can change.
    pub(crate) fn resolve(&self, path: &Path) -> Result<PathBuf, Unprotected> {
        // Resolved first: what counts are the folders of a link's target, not those of the link.
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
        // A link here was put there after the path was resolved.
        found.uid() == self.owner && found.mode() & WRITABLE_BY_OTHERS == 0 && !found.is_symlink()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    /// A file in three nested folders that only this user can change.
    fn protected_file() -> (tempfile::TempDir, Protection, PathBuf) {
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
    fn every_parent_folder_has_to_be_protected() {
        let (_root, protection, file) = protected_file();
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
    fn files_of_another_user_are_not_protected() {
        let (root, protection, file) = protected_file();
        let other = Protection {
            owner: protection.owner + 1,
            ..protection
        };
        assert_eq!(refused(&other, &file), fs::canonicalize(root.path()).unwrap());
    }

    #[test]
    fn the_target_of_a_link_has_to_be_protected() {
        let (root, protection, file) = protected_file();
        let link = root.path().join("link.wasm");
        symlink(&file, &link).unwrap();
        let resolved = fs::canonicalize(&file).unwrap();
        assert_eq!(
            protection.resolve(&link).unwrap(),
            resolved,
            "the caller gets the resolved path"
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
    fn a_missing_file_is_not_reported_as_writable() {
        let (root, protection, _) = protected_file();
        let gone = protection.resolve(&root.path().join("gone"));
        assert!(matches!(gone, Err(Unprotected::Unknown(_))), "{gone:?}");
    }
}
