fn main() -> std::process::ExitCode {
    kennard_cli::main()
}
