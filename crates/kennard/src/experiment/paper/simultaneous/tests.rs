use super::*;

/// By the lower end: 60 of 100 samples of two classes may be half, and of ten classes are well read.
#[test]
fn readers_are_judged_by_the_lower_end_of_their_accuracy() {
    let read = |share: f64| {
        let width = WIDTHS[WIDTHS.len() - 1];
        [ReaderAccuracies { seed: 0, width, second: KINDS[0].0, separate: [share; 2], joint: [share; 2] }]
    };
    assert!(unlearnt(&read(0.6), 100, 2).is_some());
    assert!(unlearnt(&read(0.6), 100, 10).is_none());
    assert!(unlearnt(&read(0.65), 100, 2).is_some() && unlearnt(&read(0.65), 10_000, 2).is_none());
}
