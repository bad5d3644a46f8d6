use super::*;

fn point(sigma_x: f64, sigma_p: f64, colour: f64, share: f64) -> PhasePoint {
    let figure = |value: f64| Figure::new(value, [value * (1.0 - share), value * (1.0 + share)]);
    PhasePoint { sigma_x: figure(sigma_x), sigma_p: figure(sigma_p), colour: figure(colour) }
}

fn phase(share: f64) -> Phase {
    let path = |name: &str, shift: f64| PhasePath {
        name: name.into(),
        points: (0..4)
            .map(f64::from)
            .map(|i| point(0.6 - 0.1 * i, 1.5 + i + shift, 0.2 + 0.2 * i, share))
            .collect(),
        temperatures: vec![[0.35, 3.0 + shift], [0.25, 6.0]],
    };
    Phase {
        title: "uncertainty".into(),
        unit: "input unit".into(),
        colour: "robust accuracy [1]".into(),
        paths: vec![path("plain", 1.0), path("adversarial <b>", 0.0)],
    }
}

#[test]
fn a_picture_names_everything_and_the_line_falls_by_45_degrees() {
    let svg = phase(0.05).svg().unwrap();
    for text in [
        "σ_x [input unit]",
        "σ_p [1/input unit]",
        "1 plain",
        "2 adversarial &lt;b&gt;",
        "robust accuracy [1]",
        "σ_x σ_p = ½",
    ] {
        assert!(svg.contains(text), "{text}: {svg}");
    }
    assert!(!svg.contains("Not drawn") && !svg.contains("not coloured"), "{svg}");
    // The dashes of the bound are the only lines that fall by 45°.
    let ends = |line: &str| -> Option<[f64; 4]> {
        let (_, rest) = line.split_once("points=\"")?;
        let numbers: Vec<f64> =
            rest.split('"').next()?.split([',', ' ']).filter_map(|text| text.parse().ok()).collect();
        numbers.try_into().ok()
    };
    let dashes: Vec<[f64; 4]> = svg
        .split("<polyline")
        .filter(|line| line.contains("stroke=\"#000000\"") && line.contains("opacity=\"1\""))
        .filter_map(ends)
        .filter(|[x, y, to_x, to_y]| x != to_x && y != to_y)
        .collect();
    assert!(dashes.len() > 5, "{dashes:?}");
    let (first, last) = (dashes[0], dashes[dashes.len() - 1]);
    let slope = (last[3] - first[1]) / (last[2] - first[0]);
    assert!((slope - 1.0).abs() < 0.02, "{slope}");
}

#[test]
fn noise_is_said_and_not_drawn() {
    let svg = phase(3.0).svg().unwrap();
    assert!(svg.contains("Not drawn: σ_x is 0.3 to 0.6 in all packets"), "{svg}");
    let mut grey = phase(0.05);
    grey.paths.iter_mut().flat_map(|path| &mut path.points).for_each(|p| p.colour.interval = [0.0, 1.0]);
    assert!(grey.svg().unwrap().contains("not coloured"));
    assert!(Phase::default().svg().unwrap_err().to_string().contains("nothing to draw"));
}
