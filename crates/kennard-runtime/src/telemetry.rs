//! ONNX Runtime's reports to its makers.

use std::env;

const OFF: &str = "ORT_DISABLE_TELEMETRY";

/// Keeps ONNX Runtime from reporting this program's use over the network, as its builds do (seen with
/// 1.32 for Linux) unless `ORT_DISABLE_TELEMETRY` is set when the library is loaded; switching it off
/// afterwards comes too late. Call this first in a program that may use ONNX Runtime: if the variable is
/// not set, the program starts anew, in its own process, with it. Where that is not possible the program
/// goes on, and whoever starts it must set the variable.
///
/// The library does not set the variable itself: no thread may read the environment meanwhile, which
/// only the program can know.
pub fn start_without_telemetry() {
    #[cfg(unix)]
    if env::var_os(OFF).is_none()
        && let Ok(program) = env::current_exe()
    {
        use std::os::unix::process::CommandExt;
        let mut words = env::args_os();
        let mut again = std::process::Command::new(program);
        if let Some(name) = words.next() {
            again.arg0(name);
        }
        // Returns only when it fails.
        let _ = again.args(words).env(OFF, "1").exec();
    }
}
