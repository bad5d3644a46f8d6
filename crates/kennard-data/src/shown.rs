//! Lists of words in messages.

/// The most words that most messages list one by one.
pub(crate) const SHOWN: usize = 12;

/// Words in their order; of more than `most` the first ones and the last.
pub(crate) fn shown<S: AsRef<str>>(words: &[S], most: usize) -> String {
    let first = |n: usize| words[..n].iter().map(AsRef::as_ref).collect::<Vec<&str>>().join(", ");
    match words {
        [.., last] if words.len() > most => format!("{}, … {}", first(most - 2), last.as_ref()),
        _ => first(words.len()),
    }
}

/// The same of names, in backticks.
#[cfg(feature = "images")]
pub(crate) fn quoted(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    shown(&names, SHOWN)
}

/// A count with its noun: "1 class", "2 classes".
pub(crate) fn counted(count: usize, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_lose_their_middle() {
        let words = ["a", "b", "c", "d", "e"];
        assert_eq!(shown(&words, 5), "a, b, c, d, e");
        assert_eq!(shown(&words, 4), "a, b, … e");
        assert_eq!(shown::<&str>(&[], 4), "");
    }
}
