use super::*;
use crate::picture::{Chart, Curve};

fn chart() -> String {
    let squares = (1..=4).map(f64::from).map(|x| (x, x * x, [x * x - 0.5, x * x + 0.5]));
    let curves = vec![Curve::new("σ_x <b> & ½", squares)];
    Chart { title: "a title".into(), x: "x [1]".into(), y: "y [1]".into(), curves, ..Chart::default() }
        .svg()
        .unwrap()
}

#[test]
fn a_chart_is_a_page_of_its_size() {
    let file = String::from_utf8(pdf(&chart()).unwrap()).unwrap();
    // 720 by 440 pixels of 1/96 inch.
    assert!(file.starts_with("%PDF-1.4") && file.contains("/MediaBox [0 0 540 330]"), "{file}");
    let (_, table) = file.split_once("startxref\n").unwrap();
    let table: usize = table.lines().next().unwrap().parse().unwrap();
    assert!(file[table..].starts_with("xref"));
    for (number, line) in (1..=4).zip(file[table..].lines().skip(3)) {
        let place: usize = line[..10].parse().unwrap();
        assert!(file[place..].starts_with(&format!("{number} 0 obj")), "{line}");
    }
    // Text is outlines.
    assert!(!file.contains("/Font") && !file.contains("title"), "{file}");
}

#[test]
fn what_is_no_picture_of_ours_is_refused() {
    let message = pdf("<svg width=\"1\" height=\"1\"><script></script></svg>").unwrap_err().to_string();
    assert!(message.contains("<script> is not known"), "{message}");
    assert!(pdf("nothing").is_err() && pdf("<svg").is_err());
}
