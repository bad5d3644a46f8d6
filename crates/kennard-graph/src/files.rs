//! Files that are whole or absent.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Files under way are called so, until they are whole and moved to their places.
const UNDER_WAY: (&str, &str) = (".kennard-", ".tmp");

/// Writes a file that is whole or absent: beside its place first, and moved there. When this returns, a power cut does not take it
/// away any more. A link stays one, and what it leads to is written; so are devices and pipes, which are not replaced.
///
/// # Errors
/// When the directory cannot be written to, the disk is full, the place is a directory's, or `content` fails.
pub fn write_whole(path: &Path, content: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let place = match fs::metadata(path) {
        Ok(there) if there.is_dir() => return Err(ErrorKind::IsADirectory.into()),
        Ok(there) if !there.is_file() => {
            let mut device = OpenOptions::new().write(true).open(path)?;
            content(&mut device)?;
            return device.flush();
        }
        Ok(_) => fs::canonicalize(path)?,
        // A link may lead to a file that is yet to be.
        Err(_) => fs::read_link(path).map_or_else(|_| path.into(), |target| directory_of(path).join(target)),
    };
    let directory = directory_of(&place);
    let mut builder = tempfile::Builder::new();
    builder.prefix(UNDER_WAY.0).suffix(UNDER_WAY.1);
    // As any other file: results are there to be shared.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(&directory)?;
    // A file that is locked is not cleared away. Some file systems have no locks.
    let _ = file.as_file().try_lock();
    let mut writer = BufWriter::new(&mut file);
    content(&mut writer)?;
    writer.flush()?;
    drop(writer);
    file.as_file().sync_all()?;
    file.persist(&place).map_err(|e| e.error)?;
    sync_directory(&directory)
}

/// The directory that a file lies in.
fn directory_of(path: &Path) -> PathBuf {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")).into()
}

/// Puts the entries of a directory on the disk: names of new files, and that old ones are gone.
///
/// # Errors
/// When the disk fails.
#[cfg(unix)]
pub fn sync_directory(path: &Path) -> io::Result<()> {
    match File::open(path)?.sync_all() {
        // Some file systems do not know this of directories.
        Err(e) if matches!(e.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Ok(()),
        other => other,
    }
}

/// Elsewhere a directory is no file.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Removes what [`write_whole`] left under way in a directory when its process was killed.
pub fn clear_strays(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let ours =
            name.to_str().is_some_and(|name| name.starts_with(UNDER_WAY.0) && name.ends_with(UNDER_WAY.1));
        // Whoever is at work on it holds its lock. One that cannot be removed does no harm.
        if ours && File::open(entry.path()).is_ok_and(|file| file.try_lock().is_ok()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn links_and_pipes_stay_what_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let write = |name: &str, text: &'static [u8]| write_whole(&at(name), |file| file.write_all(text));
        write("file", b"one").unwrap();
        std::os::unix::fs::symlink("file", at("link")).unwrap();
        std::os::unix::fs::symlink("other", at("ahead")).unwrap();
        write("link", b"two").unwrap();
        write("ahead", b"three").unwrap();
        assert_eq!(
            (fs::read(at("file")).unwrap(), fs::read(at("other")).unwrap()),
            (b"two".into(), b"three".into())
        );
        assert!(
            [at("link"), at("ahead")].iter().all(|link| fs::symlink_metadata(link).unwrap().is_symlink())
        );
        let made = std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap();
        assert!(made.success());
        let reader = std::thread::spawn({
            let pipe = at("pipe");
            move || fs::read(pipe).unwrap()
        });
        write("pipe", b"four").unwrap();
        assert_eq!(reader.join().unwrap(), b"four");
        assert!(!fs::metadata(at("pipe")).unwrap().is_file());
        assert_eq!(write_whole(folder.path(), |_| Ok(())).unwrap_err().kind(), ErrorKind::IsADirectory);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 5);
    }
}
