//! The precision in which attacks search.

use std::str::FromStr;

use kennard::engine::Engine;
use kennard::{Precision, Result};

use crate::settings::Attacks;

/// The precision of searches, as it is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Search {
    /// The fastest that suits the runtime, the processor and the attacks.
    Auto,
    In(Precision),
}

impl FromStr for Search {
    type Err = String;

    fn from_str(text: &str) -> Result<Search, String> {
        match text {
            "auto" => Ok(Search::Auto),
            text => text.parse().map(Search::In).map_err(|error| format!("{error}, or auto")),
        }
    }
}

/// The engine with the precision of searches that is asked for. Prints a note of the choice that `auto` makes.
///
/// # Errors
/// Where the runtime or the processor does not compute in that precision.
pub fn searching(engine: Engine, attacks: &Attacks) -> Result<Engine> {
    let asked = attacks.search_precision.as_deref().unwrap_or("f32");
    let (precision, why) = match asked.parse().map_err(kennard::Error::Setting)? {
        Search::In(precision) => return engine.searching_in(precision),
        Search::Auto if attacks.is_auto_attack() => (
            Precision::F32,
            "AutoAttack's figures are of single precision; ask for bf16 to have others".into(),
        ),
        Search::Auto => engine.fastest_search(),
    };
    note!("searches in {precision}: {why}");
    engine.searching_in(precision)
}
