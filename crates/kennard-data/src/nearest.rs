/// The one of the known words that `word` may be a slip of, for messages that ask "did you mean …?".
///
/// Either they differ by at most one letter more, less, different, or by a pair exchanged (Damerau and Levenshtein), or
/// their likeness by the measure of Jaro and Winkler is above 0.8. Capitals are no difference.
///
/// ```
/// use kennard_data::nearest;
///
/// assert_eq!(nearest("pdg", ["fgsm", "pgd"]), Some("pgd"));
/// assert_eq!(nearest("newton", ["fgsm", "pgd"]), None);
/// ```
pub fn nearest<'a, K: AsRef<str> + ?Sized + 'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a K>,
) -> Option<&'a str> {
    ranked(word, known).next().filter(|(likeness, _)| *likeness > 0.8).map(|(_, known)| known)
}

/// The known words, those most like `word` first, by the measure of [`nearest`].
pub fn by_likeness<'a, K: AsRef<str> + ?Sized + 'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a K>,
) -> impl Iterator<Item = &'a str> {
    ranked(word, known).map(|(_, known)| known)
}

fn ranked<'a, K: AsRef<str> + ?Sized + 'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a K>,
) -> impl Iterator<Item = (f64, &'a str)> {
    let word = word.to_lowercase();
    let likeness = |known: &'a K| {
        let (known, lower) = (known.as_ref(), known.as_ref().to_lowercase());
        let slip = strsim::damerau_levenshtein(&word, &lower) <= 1;
        (if slip { 1.0 } else { strsim::jaro_winkler(&word, &lower) }, known)
    };
    let mut ranked: Vec<_> = known.into_iter().map(likeness).collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
    ranked.into_iter()
}
