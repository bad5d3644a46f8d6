//! Averages over several centres.

use super::*;

/// The mean of packets of four centres, from the truth at each, and its interval for centres like these.
#[test]
fn an_average_covers_the_mean_of_its_centres() {
    let centres: Vec<[f32; 2]> = [-1.0, -0.3, 0.4, 1.1].map(|c| [c, -c]).to_vec();
    let f = bend(1.0);
    let packets: Vec<Packet> = centres
        .iter()
        .enumerate()
        .map(|(i, centre)| gaussian(1.0, 4000).measure(centre, 0, i as u64, &mut separable(f)).unwrap())
        .collect();
    let average = Packet::average(&packets).unwrap();
    let truths: Vec<Truth> = centres.iter().map(|centre| Truth::of_separable(f, centre, 1.0, 2)).collect();
    let mean = |figure: fn(&Truth) -> f64| truths.iter().map(figure).sum::<f64>() / 4.0;
    let product = mean(Truth::product);
    assert_agrees("sigma_x", average.spreads.sigma_x, mean(|t| t.sigma_x));
    assert_agrees("sigma_p", average.spreads.sigma_p, mean(|t| t.sigma_p));
    assert_agrees("product", average.spreads.product, product);
    assert_agrees("drift", average.drift, mean(|t| t.drift));
    assert_agrees("dispersion", average.dispersion, mean(|t| t.dispersion));
    assert!(average.valid());

    // The centres differ by more than the sampling error, and the interval says so.
    assert!(average.drift.error() > 3.0 * packets[0].drift.error());
    assert_eq!(Packet::average(&packets[..1]).unwrap().drift, packets[0].drift);
    // Four intervals of what is the same around every centre halve.
    let width = |p: &Packet| 2.0 * p.spreads.covariance.error();
    let same = Packet::average(&vec![packets[0].clone(); 4]).unwrap();
    assert_close("width", width(&same), width(&packets[0]) / 2.0, 1e-12);
    assert_eq!(same.spreads.sigma_x_map, packets[0].spreads.sigma_x_map);
    assert_eq!(same.spreads.samples, 16_000);
    assert_close("ess", same.spreads.ess, 4.0 * packets[0].spreads.ess, 1e-6);
}

/// One image far from seven others: Student's interval would reach below zero, and the products' below the bound.
#[test]
fn an_average_reaches_no_impossible_value() {
    let packet = measure(gaussian(1.0, 2000), &[0.0; 3], &mut separable(bend(0.5)));
    let of = |value: f64| {
        let mut spreads = packet.spreads.clone();
        spreads.product = Figure::exact(0.5 + value);
        Packet { drift: Figure::exact(value), dispersion: Figure::exact(value), spreads, ..packet.clone() }
    };
    let average = Packet::average(&[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 8.0].map(of)).unwrap();
    for (figure, least) in [(average.drift, 0.0), (average.dispersion, 0.0), (average.spreads.product, 0.5)] {
        assert!(figure.interval[0] == least && figure.value == least + 1.0, "{figure:?}");
        assert!(figure.interval[1] > least + 2.0, "{figure:?}");
    }
}

#[test]
fn an_average_hides_no_bad_packet() {
    use crate::packet::AverageError;
    let packet = measure(gaussian(1.0, 2000), &[0.0; 3], &mut separable(bend(0.5)));
    let few = measure(gaussian(1.0, 500), &[0.0; 3], &mut separable(bend(0.5)));
    assert!(packet.valid() && !few.spreads.enough_samples && few.identities_hold);
    assert!(!Packet::average(&[packet.clone(), packet.clone(), few]).unwrap().valid());

    assert_eq!(Packet::average(&[]), Err(AverageError::Empty));
    let other = measure(gaussian(0.5, 2000), &[0.0; 3], &mut separable(bend(0.5)));
    assert!(matches!(Packet::average(&[packet, other]), Err(AverageError::Mixed { index: 1, .. })));
}
