use super::*;

/// Of five seeds one has nothing that is classified correctly: means are over the four others, and say so.
#[test]
fn a_seed_without_figures_is_left_out_and_said() {
    let compared = |correct: u64, share: f64| Compared {
        name: String::new(),
        method: "pgd".into(),
        seed: 0,
        samples: 10,
        correct,
        pairs: correct,
        at_sizes: vec![[share, 0.25]; SIZES.len()],
        at_shares: vec![[f64::NAN; 2]; SHARES.len()],
        smallest: [share, share],
        live: [32, 784],
    };
    let all: Vec<Compared> = (0..5).map(|k| compared(k, if k == 0 { f64::NAN } else { 0.5 })).collect();
    let text = table("pgd", &all.iter().collect::<Vec<_>>());
    assert!(!text.contains("NaN"), "{text}");
    assert!(
        text.contains("\n20.0 % are classified correctly. Median smallest step: 0.5 (4 of 5 seeds)"),
        "{text}"
    );
    assert!(text.contains("| 0.02 standard deviations | 50.0 (4 of 5 seeds) | 25.0 | "), "{text}");
    let none = "| 0.5 of the smallest step | – (0 of 5 seeds) | – (0 of 5 seeds) | – (0 of 5 seeds) |";
    assert!(text.contains(none), "{text}");
}
