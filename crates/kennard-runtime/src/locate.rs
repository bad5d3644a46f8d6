//! Where the libraries of runtimes may lie, and their loading.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock};

/// What a runtime's library is called.
pub struct LibraryName {
    /// The environment variable that names its file.
    pub variable: &'static str,
    /// Where a Python package has it, below the environment's packages.
    pub package: [&'static str; 2],
    /// Its name without what systems put around it: `onnxruntime` of `libonnxruntime.so.1.32.0`.
    pub stem: &'static str,
}

/// The loaded library of a runtime. A process has at most one, for its whole life.
pub struct Loaded<L> {
    library: OnceLock<L>,
    loading: Mutex<()>,
}

impl<L> Loaded<L> {
    /// None yet.
    pub const fn none() -> Loaded<L> {
        Loaded { library: OnceLock::new(), loading: Mutex::new(()) }
    }

    /// The library, opened at the first call that finds a file that it can be opened from.
    pub fn or_open(
        &self,
        files: &'static LibraryName,
        open: impl Fn(&Path) -> Result<L, String>,
    ) -> Result<&L, String> {
        let _one_at_a_time = self.loading.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(library) = self.library.get() {
            return Ok(library);
        }
        let mut problems = Vec::new();
        for path in files.candidates() {
            match open(&path) {
                Ok(library) => return Ok(self.library.get_or_init(|| library)),
                Err(problem) => problems.push(problem),
            }
        }
        Err(if problems.is_empty() { "it is not installed".into() } else { problems.join("; ") })
    }
}

impl LibraryName {
    /// The files to try, the most wanted first; [`Runtime::open`](crate::Runtime::open) gives the
    /// order. Lazy, so that Python is asked only when all else failed.
    pub fn candidates(&'static self) -> Box<dyn Iterator<Item = PathBuf>> {
        if let Some(path) = env::var_os(self.variable).filter(|path| !path.is_empty()) {
            return Box::new([path.into()].into_iter());
        }
        let active = ["VIRTUAL_ENV", "CONDA_PREFIX"].into_iter().filter_map(env::var_os);
        let active = active.flat_map(|prefix| site_packages(Path::new(&prefix)));
        let python = [()].into_iter().flat_map(|()| ask_python());
        let package = |directory: PathBuf| {
            let directory = directory.join(self.package[0]).join(self.package[1]);
            let found = self.files(&directory);
            // A package without a library is too old; named all the same, so that a message mentions it.
            let missing = || vec![directory.join(format!("lib{}.so", self.stem))];
            if found.is_empty() && directory.is_dir() { missing() } else { found }
        };
        Box::new(
            active
                .flat_map(package)
                .chain(system().into_iter().flat_map(|directory| self.files(&directory)))
                .chain(python.flat_map(package)),
        )
    }

    /// The libraries in a directory, the newest first: `libonnxruntime.so`, `libonnxruntime.so.1.32.0`,
    /// `libonnxruntime.1.32.0.dylib`, `onnxruntime.dll`.
    fn files(&self, directory: &Path) -> Vec<PathBuf> {
        let Ok(directory) = std::path::absolute(directory) else { return Vec::new() };
        let unix = format!("lib{}.", self.stem);
        let mut found: Vec<PathBuf> = entries(&directory, |name| {
            let end = name.strip_prefix(&unix);
            let library = |end: &str| end.starts_with("so") || end.ends_with("dylib");
            end.is_some_and(library) || name.strip_suffix(".dll") == Some(self.stem)
        });
        found.sort_by_key(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let numbers = name.split('.').filter_map(|part| part.parse().ok());
            std::cmp::Reverse(numbers.collect::<Vec<u64>>())
        });
        found
    }
}

/// A Python environment's package directories.
fn site_packages(prefix: &Path) -> Vec<PathBuf> {
    let mut lib = entries(&prefix.join("lib"), |name| name.starts_with("python3"));
    lib.push(prefix.join("Lib"));
    lib.into_iter().map(|directory| directory.join("site-packages")).collect()
}

/// Where the system keeps libraries.
fn system() -> Vec<PathBuf> {
    let listed = ["LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"].into_iter().filter_map(env::var_os);
    let listed = listed.flat_map(|list| env::split_paths(&list).collect::<Vec<_>>());
    let usual = ["/usr/local/lib", "/opt/homebrew/lib", "/usr/lib64", "/usr/lib"].map(PathBuf::from);
    let triple = format!("/usr/lib/{}-linux-gnu", env::consts::ARCH).into();
    listed.filter(|directory| directory.is_absolute()).chain(usual).chain([triple]).collect()
}

/// Where the `python3` on the path looks for packages; nowhere if there is none.
fn ask_python() -> Vec<PathBuf> {
    let program = "import site; print(*site.getsitepackages(), site.getusersitepackages(), sep='\\n')";
    // Isolated: neither the working directory nor PYTHON* variables choose what is run.
    let asked = Command::new("python3").args(["-I", "-c", program]).stdin(Stdio::null()).output();
    let answer = asked.ok().filter(|answer| answer.status.success()).map(|answer| answer.stdout);
    String::from_utf8_lossy(&answer.unwrap_or_default()).lines().map(PathBuf::from).collect()
}

/// The entries of a directory whose names fit; none if it cannot be read.
fn entries(directory: &Path, fits: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_name().to_str().is_some_and(&fits)).map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_found_by_name_and_sorted_by_version() {
        let directory = env::temp_dir().join(format!("kennard-locate-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        for name in [
            "libonnxruntime.so.1.9.0",
            "libonnxruntime.so.1.32.0",
            "libonnxruntime_providers_shared.so",
            "libonnxruntime.1.20.1.dylib",
            "onnxruntime_pybind11_state.so",
        ] {
            fs::write(directory.join(name), "").unwrap();
        }
        let library = LibraryName { variable: "", package: ["onnxruntime", "capi"], stem: "onnxruntime" };
        let found = library.files(&directory);
        fs::remove_dir_all(&directory).unwrap();
        let names: Vec<_> = found.iter().filter_map(|path| path.file_name()?.to_str()).collect();
        assert_eq!(
            names,
            ["libonnxruntime.so.1.32.0", "libonnxruntime.1.20.1.dylib", "libonnxruntime.so.1.9.0"]
        );
    }
}
