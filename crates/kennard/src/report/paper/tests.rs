use super::*;

fn row(model: &str) -> PaperRow {
    PaperRow {
        model: model.into(),
        data: "cifar10 (test)".into(),
        samples: 10000,
        norm: Norm::Linf,
        eps: Some("8/255".into()),
        confined: Vec::new(),
        clean: ShownShare::Known(0.8492, [0.842, 0.8562]),
        robust: Some(ShownShare::Known(0.5308, [0.521, 0.5406])),
        certified: None,
        autoattack: Some("standard".into()),
        attacks: ["apgd-ce", "apgd-t", "fab-t", "square"].map(String::from).into(),
        seed: 0,
        version: "0.1.0".into(),
    }
}

#[test]
fn a_paper_gets_its_rows_and_a_sentence() {
    let unfinished = PaperRow {
        robust: Some(ShownShare::Between([0.1, 0.9], 800)),
        autoattack: None,
        attacks: vec!["pgd".into()],
        ..row("net_b.onnx")
    };
    let rows = [row("net_a.onnx"), unfinished];
    let expected = r"\begin{tabular}{llrlrrll}
\toprule
model & data & samples & threat model & clean accuracy [\%] & robust accuracy [\%] & attacks & Kennard \\
\midrule
net\_a.onnx & cifar10 (test) & 10000 & $\ell_\infty \le 8/255$ & 84.92 [84.20, 85.62] & 53.08 [52.10, 54.06] & AutoAttack standard & 0.1.0 \\
net\_b.onnx & cifar10 (test) & 10000 & $\ell_\infty \le 8/255$ & 84.92 [84.20, 85.62] & unfinished: 10.00--90.00 & pgd & 0.1.0 \\
\bottomrule
\end{tabular}

Robust accuracy of net\_a.onnx was measured with Kennard 0.1.0 (AutoAttack standard: apgd-ce, apgd-t, fab-t, square; seed 0) on 10000 samples of cifar10 (test), $\ell_\infty \le 8/255$.
Robust accuracy of net\_b.onnx was measured with Kennard 0.1.0 (pgd; seed 0) on 10000 samples of cifar10 (test), $\ell_\infty \le 8/255$.
Brackets are Clopper--Pearson intervals at 95 \%.
The run of net\_b.onnx is unfinished: its shares lie between the ends given, whatever the 800 pending samples turn out to be.
";
    let found = text(&rows, Markup::Latex);
    assert_eq!(found.split_once('\n').unwrap().1, expected);
    assert!(found.starts_with("% ") && found.lines().next().unwrap().contains("booktabs"));

    let expected = r"| model | data | samples | threat model | clean accuracy [%] | robust accuracy [%] | attacks | Kennard |
|---|---|---:|---|---:|---:|---|---|
| net\_a.onnx | cifar10 (test) | 10000 | linf ≤ 8/255 | 84.92 [84.20, 85.62] | 53.08 [52.10, 54.06] | AutoAttack standard | 0.1.0 |

Robust accuracy was measured with Kennard 0.1.0 (AutoAttack standard: apgd-ce, apgd-t, fab-t, square; seed 0) on 10000 samples of cifar10 (test), linf ≤ 8/255.
Brackets are Clopper–Pearson intervals at 95 %.
";
    assert_eq!(text(&rows[..1], Markup::Markdown), expected);
}

#[test]
fn a_run_without_attacks_has_no_sentence_about_them() {
    let clean = PaperRow { robust: None, autoattack: None, attacks: Vec::new(), eps: None, ..row("a") };
    let found = text(&[clean], Markup::Markdown);
    assert!(!found.contains("Robust accuracy was") && found.contains("| linf, any size |"), "{found}");
}

/// Audits under other threat models are told apart, in the table and in sentences.
#[test]
fn what_confined_attacks_is_said() {
    let frozen = PaperRow { confined: vec!["2 of 6 features frozen".into()], ..row("a") };
    let found = text(&[frozen, row("b")], Markup::Markdown);
    assert!(found.contains("| linf ≤ 8/255, 2 of 6 features frozen |"), "{found}");
    assert_eq!(found.matches("Robust accuracy of ").count(), 2, "{found}");
}

/// The column is there where an audit has certificates; others have none in it.
#[test]
fn certificates_have_a_column() {
    let certified = PaperRow { certified: Some(ShownShare::Known(0.25, [0.24, 0.26])), ..row("a") };
    let found = text(&[certified, row("b")], Markup::Markdown);
    assert!(found.contains("| robust accuracy [%] | certified accuracy [%] | attacks |"), "{found}");
    assert!(found.contains("| 53.08 [52.10, 54.06] | 25.00 [24.00, 26.00] | AutoAttack"), "{found}");
    assert!(found.contains("| 53.08 [52.10, 54.06] | – | AutoAttack"), "{found}");
    assert!(found.contains("bounds prove, of the network in real arithmetic"), "{found}");
    let latex = text(&[row("a")], Markup::Latex);
    assert!(!latex.contains("certified") && !latex.contains("bounds prove"));
}

#[test]
fn data_are_called_by_their_names() {
    assert_eq!(data_name("cifar10:/home/me/data"), "cifar10");
    assert_eq!(data_name("npz:/home/me/x.npy,/home/me/y.npy"), "x.npy, y.npy");
    assert_eq!(data_name(r"folder:C:\data\cats"), "cats");
}
