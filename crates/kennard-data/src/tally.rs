//! How many there are of something, with the first as an example, for messages.

use std::fmt::Display;

#[derive(Debug, Default)]
pub(crate) struct Tally {
    count: usize,
    example: Option<String>,
}

impl Tally {
    pub fn add(&mut self, example: impl Display) {
        self.count += 1;
        self.example.get_or_insert_with(|| example.to_string());
    }

    /// Adds those of another.
    pub fn join(&mut self, other: &Tally) {
        self.count += other.count;
        self.example = self.example.take().or_else(|| other.example.clone());
    }

    /// What is said of one, or of several; nothing where there is none.
    pub fn said(&self, one: &str, several: &str) -> Option<String> {
        let example = self.example.as_ref()?;
        Some(match self.count {
            1 => format!("1 {one}: {example}"),
            count => format!("{count} {several}, such as {example}"),
        })
    }
}
