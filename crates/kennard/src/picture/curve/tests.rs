use super::*;

fn curve(name: &str, figures: Vec<ChartPoint>) -> Curve {
    Curve { name: name.into(), figures, nested: false }
}

fn chart() -> Chart {
    let figure = |x: f64, value| ChartPoint { x, value, low: value - 0.1, high: value + 0.1 };
    Chart {
        title: "product".into(),
        x: "s [input unit]".into(),
        y: "product [1]".into(),
        curves: vec![curve("a <b>", vec![figure(0.1, 0.6), figure(0.4, 0.9)])],
        linear: false,
        bound: Some(("bound".into(), 0.5)),
    }
}

#[test]
fn a_linear_axis_goes_below_zero() {
    let figure = |x: f64| ChartPoint { x, value: x * x, low: x * x, high: x * x };
    let curves = vec![curve("square", [-1.0, 0.0, 1.0].map(figure).into())];
    let svg = Chart { curves, linear: true, bound: None, ..chart() }.svg().unwrap();
    assert!(svg.contains(">\n-1.00\n<") || svg.contains(">\n-1.0\n<"), "{svg}");
}

/// How many lines are drawn through figures of these values and half-widths of their intervals.
fn lines(figures: &[(f64, f64)], nested: bool) -> usize {
    let figure = |&(value, half): &(f64, f64)| (value, value - half, value + half);
    let figures = figures.iter().map(figure).zip(1..);
    let figures = figures.map(|((value, low, high), x)| ChartPoint { x: f64::from(x), value, low, high });
    let curves = vec![Curve { nested, ..curve("c", figures.collect()) }];
    let svg = Chart { curves, bound: None, ..chart() }.svg().unwrap();
    let drawn = |part: &str| {
        let element = part.split('>').next().unwrap_or_default();
        element.contains("stroke=\"#0072B2\"") && element.contains("stroke-width=\"2\"")
    };
    // One of them stands beside the curve's name.
    svg.split("<polyline").filter(|part| drawn(part)).count() - 1
}

#[test]
fn two_points_and_differences_within_the_noise_are_no_curve() {
    assert_eq!(lines(&[(0.1, 0.01), (0.5, 0.01)], false), 0);
    assert_eq!(lines(&[(0.1, 0.01), (0.3, 0.01), (0.5, 0.01)], false), 1);
    // Exact figures have no noise.
    assert_eq!(lines(&[(5.0, 0.0), (5.01, 0.0), (5.02, 0.0)], false), 1);
}

#[test]
fn nested_figures_are_joined_within_their_intervals() {
    let falling = [(0.5, 0.2), (0.45, 0.2), (0.4, 0.2)];
    assert_eq!(lines(&falling, true), 1);
    assert_eq!(lines(&falling[..2], true), 0);
    // A file of others does not speak of it.
    assert!(!serde_json::to_string(&curve("c", Vec::new())).unwrap().contains("nested"));
    let read: Curve = serde_json::from_str(r#"{"name": "c", "figures": []}"#).unwrap();
    assert_eq!(read, curve("c", Vec::new()));
}

#[test]
fn an_axis_narrower_than_its_intervals_is_not_drawn() {
    let figure = |x: f64, value: f64| ChartPoint { x, value, low: value - 0.1, high: value + 0.1 };
    let flat = curve("flat", vec![figure(1.0, 5.0), figure(2.0, 5.05)]);
    let svg = Chart { curves: vec![flat.clone()], ..chart() }.svg().unwrap();
    assert!(
        svg.contains("Not drawn: product [1] differs over s [input unit] by less than its intervals"),
        "{svg}"
    );
    assert!(!svg.contains("<polyline") && !svg.contains("<circle"), "{svg}");
    // Two flat curves apart from each other show something; so does one point.
    let other = curve("other", vec![figure(1.0, 6.0), figure(2.0, 6.05)]);
    let svg = Chart { curves: vec![flat, other], ..chart() }.svg().unwrap();
    assert!(svg.contains("<circle"), "{svg}");
    // So do two intervals apart from each other, beside one that is wider than they differ.
    let wide = ChartPoint { x: 3.0, value: 5.2, low: 4.8, high: 5.8 };
    let apart = curve("apart", vec![figure(1.0, 5.0), figure(2.0, 5.3), wide]);
    let svg = Chart { curves: vec![apart], ..chart() }.svg().unwrap();
    assert!(svg.contains("<circle") && !svg.contains("Not drawn"), "{svg}");
    let one = curve("one", vec![figure(1.0, 5.0)]);
    assert!(Chart { curves: vec![one], ..chart() }.svg().unwrap().contains("<circle"));
}

#[test]
fn a_chart_names_everything() {
    let svg = chart().svg().unwrap();
    for text in ["product [1]", "s [input unit]", "a &lt;b&gt;", "bound (dashed)", ">\n0.1\n<", ">\n0.4\n<"] {
        assert!(svg.contains(text), "{text}: {svg}");
    }
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
}

#[test]
fn what_cannot_be_drawn_is_left_out() {
    let mut broken = chart();
    broken.curves[0].figures[0].high = f64::NAN;
    assert!(broken.svg().is_ok());
    broken.curves[0].figures[1].x = 0.0;
    assert!(broken.svg().unwrap_err().to_string().contains("nothing to draw"));
}
