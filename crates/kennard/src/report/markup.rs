//! Text for papers and for notes: LaTeX and Markdown.

use crate::Norm;

/// How a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Markup {
    /// LaTeX, with the rules of the package booktabs.
    Latex,
    /// Markdown.
    Markdown,
}

impl Markup {
    /// A text in which no character means anything but itself. What steers a terminal or ends a line becomes a space.
    pub(super) fn escaped(self, text: &str) -> String {
        let plain = text.chars().map(|c| if c.is_control() || is_mark(c) { ' ' } else { c });
        match self {
            Markup::Latex => in_latex(plain),
            Markup::Markdown => plain.map(in_markdown).collect(),
        }
    }

    /// A table; columns are names and whether their entries are numbers, entries are escaped already. The names are
    /// Kennard's own: their brackets make no link, and stay readable.
    pub(super) fn table(self, columns: &[(&str, bool)], rows: &[Vec<String>]) -> String {
        let named = |name: &str| match self {
            Markup::Latex => self.escaped(name),
            Markup::Markdown => name.into(),
        };
        let names: Vec<String> = columns.iter().map(|(name, _)| named(name)).collect();
        match self {
            Markup::Latex => {
                let kinds: String =
                    columns.iter().map(|(_, number)| if *number { 'r' } else { 'l' }).collect();
                let line = |cells: &Vec<String>| format!("{} \\\\\n", guarded(cells.join(" & ")));
                format!(
                    "% in the preamble: \\usepackage[T1]{{fontenc}} and \\usepackage{{booktabs}}\n\
                     \\begin{{tabular}}{{{kinds}}}\n\\toprule\n{}\\midrule\n{}\\bottomrule\n\\end{{tabular}}\n",
                    line(&names),
                    rows.iter().map(line).collect::<String>()
                )
            }
            Markup::Markdown => {
                let kinds: String =
                    columns.iter().map(|(_, number)| if *number { "---:|" } else { "---|" }).collect();
                let line = |cells: &Vec<String>| format!("| {} |\n", cells.join(" | "));
                format!("{}|{kinds}\n{}", line(&names), rows.iter().map(line).collect::<String>())
            }
        }
    }

    /// A norm's symbol, in a formula that is to be closed.
    fn symbol(self, norm: Norm) -> String {
        match self {
            Markup::Markdown => norm.to_string(),
            Markup::Latex => match norm {
                Norm::Linf => r"$\ell_\infty".into(),
                Norm::L2 => r"$\ell_2".into(),
                Norm::L1 => r"$\ell_1".into(),
                Norm::L0 => r"$\ell_0".into(),
            },
        }
    }

    /// A norm.
    pub(super) fn norm(self, norm: Norm) -> String {
        let close = if self == Markup::Latex { "$" } else { "" };
        self.symbol(norm) + close
    }

    /// What an attack may do, in symbols.
    pub(super) fn threat(self, norm: Norm, eps: Option<&str>) -> String {
        match (self, eps) {
            (Markup::Markdown, Some(eps)) => format!("{} ≤ {}", self.symbol(norm), self.escaped(eps)),
            (Markup::Latex, Some(eps)) => format!(r"{} \le {}$", self.symbol(norm), self.escaped(eps)),
            (_, None) => self.norm(norm) + ", any size",
        }
    }

    /// A dash between two ends.
    pub(super) fn dash(self) -> String {
        self.escaped("–")
    }

    /// The sign for parts of a hundred.
    pub(super) fn percent(self) -> String {
        self.escaped("%")
    }
}

/// Whether a character is an order about the direction of text, or a break that is no control character.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A row that the command before it, `\\` or a rule, does not take for its argument.
fn guarded(row: String) -> String {
    if row.trim_start().starts_with(['[', '*']) { format!("{{}}{row}") } else { row }
}

/// Hyphens that follow one another stay hyphens, and do not become a dash.
fn in_latex(text: impl Iterator<Item = char>) -> String {
    let is_dash = |c: char| matches!(c, '-' | '–');
    let mut found = String::new();
    let mut before = ' ';
    for c in text {
        if is_dash(c) && is_dash(before) {
            found += "{}";
        }
        found += &latex_of(c);
        before = c;
    }
    found
}

fn latex_of(c: char) -> String {
    match c {
        '_' | '%' | '&' | '#' | '$' | '{' | '}' => format!("\\{c}"),
        '~' => r"\textasciitilde{}".into(),
        '^' => r"\textasciicircum{}".into(),
        '\\' => r"\textbackslash{}".into(),
        '<' => r"\textless{}".into(),
        '>' => r"\textgreater{}".into(),
        '|' => r"\textbar{}".into(),
        '"' => r"\textquotedbl{}".into(),
        '`' => r"\textasciigrave{}".into(),
        '–' => "--".into(),
        c => c.into(),
    }
}

fn in_markdown(c: char) -> String {
    match c {
        '\\' | '`' | '*' | '_' | '|' | '~' | '$' | '#' | '[' | ']' => format!("\\{c}"),
        '<' => "&lt;".into(),
        '>' => "&gt;".into(),
        '&' => "&amp;".into(),
        c => c.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_character_of_a_name_means_anything() {
        let name = "a_b%c&d#e$f~g^h\\i{j}\n";
        assert_eq!(
            Markup::Latex.escaped(name),
            r"a\_b\%c\&d\#e\$f\textasciitilde{}g\textasciicircum{}h\textbackslash{}i\{j\} "
        );
        assert_eq!(Markup::Markdown.escaped("a|b_c*d<e>\u{202e}`"), r"a\|b\_c\*d&lt;e&gt; \`");
        assert_eq!(Markup::Markdown.escaped("[a](b)"), r"\[a\](b)");
        assert_eq!(Markup::Latex.escaped("a---b`–"), r"a-{}-{}-b\textasciigrave{}--");
    }

    /// `\\` and rules take what follows in brackets, or a star, for their argument, also after spaces and on the next line.
    #[test]
    fn no_row_is_an_argument() {
        let columns = [("name [%]", false), ("n", true)];
        let row = |name: &str| vec![Markup::Latex.escaped(name), "1".to_string()];
        let table = Markup::Latex.table(&columns, &[row("[a]"), row(" *b"), row("c [d]")]);
        let rows: Vec<&str> = table.lines().filter(|line| line.ends_with(r"\\")).collect();
        assert_eq!(rows, [r"name [\%] & n \\", r"{}[a] & 1 \\", r"{} *b & 1 \\", r"c [d] & 1 \\"]);
        let table = Markup::Markdown.table(&columns, &[]);
        assert!(table.starts_with("| name [%] | n |"), "{table}");
    }
}
