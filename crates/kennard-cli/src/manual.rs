//! What a shell and a pager know of the command: completions and man pages.

use std::path::PathBuf;

use clap_complete::Shell;
use clap_mangen::Man;

use crate::command::command;
use crate::{Done, Ended};

#[derive(clap::Args)]
pub struct Completions {
    /// The shell
    shell: Shell,
}

#[derive(clap::Args)]
pub struct Pages {
    /// Write a page for every command into this directory, instead of printing the first
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Prints the script by which a shell completes commands, options and values.
pub fn completions(args: &Completions) -> Ended {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command(), "kennard", &mut script);
    say!("{}", String::from_utf8_lossy(&script).trim_end());
    Ok(Done::Fully)
}

/// Prints the man page, or writes all of them.
pub fn pages(args: &Pages) -> Ended {
    let mut command = command().disable_help_subcommand(true);
    command.build();
    let Some(directory) = &args.out else {
        let mut page = Vec::new();
        Man::new(command).render(&mut page)?;
        say!("{}", String::from_utf8_lossy(&page).trim_end());
        return Ok(Done::Fully);
    };
    crate::source::prepare(Some(directory))?;
    let each: Vec<clap::Command> = command.get_subcommands().cloned().collect();
    for command in [command].into_iter().chain(each) {
        let man = Man::new(command);
        let mut page = Vec::new();
        man.render(&mut page)?;
        kennard::run::write_whole(&directory.join(man.get_filename()), &page)?;
    }
    note!("written to {}: kennard.1, and a page for every command", directory.display());
    Ok(Done::Fully)
}
