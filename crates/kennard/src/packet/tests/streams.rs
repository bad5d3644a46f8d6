//! Random streams, chunks, extreme values, and errors.

use super::*;
use crate::packet::MeasureError;
use crate::packet::moments::Moments;

const PACKET: GaussianPacket = GaussianPacket { scale: 0.3, samples: 500, seed: 7 };

#[test]
fn chunks_do_not_change_a_bit() {
    let centre = vec![0.1; 13];
    let with_batch = |batch: usize| {
        let mut oracle = separable(bend(1.0));
        oracle.batch = batch;
        measure(PACKET, &centre, &mut oracle)
    };
    let one = with_batch(1);
    for batch in [0, 7, 64, 100_000] {
        assert_eq!(one, with_batch(batch), "batch {batch}");
    }
}

#[test]
fn streams_differ_by_seed_sample_and_scale() {
    let points = |packet: GaussianPacket, sample: u64| {
        let seen = std::cell::RefCell::new(Vec::new());
        let mut oracle = analytic(|point: &[f32], slope: &mut [f64]| {
            slope.fill(0.0);
            seen.borrow_mut().push(point[0]);
            -1.0
        });
        packet.measure(&[0.0], 0, sample, &mut oracle).unwrap();
        seen.into_inner()
    };
    let base = points(PACKET, 3);
    assert_eq!(base, points(PACKET, 3));
    // More samples continue the stream, after the points of searches.
    let first = 128 + PACKET.samples;
    assert_eq!(base[..first], points(GaussianPacket { samples: 600, ..PACKET }, 3)[..first]);
    for (packet, sample) in [
        (PACKET, 4),
        (GaussianPacket { seed: 8, ..PACKET }, 3),
        // A multiple of the scale would show a shared stream as multiples of the points.
        (GaussianPacket { scale: 0.6, ..PACKET }, 3),
    ] {
        let other = points(packet, sample);
        let factor = (packet.scale / PACKET.scale) as f32;
        assert!(base.iter().zip(&other).take(first).all(|(a, b)| (factor * a - b).abs() > 1e-6 * b.abs()));
    }
}

/// An oracle of constant log-odds and gradient.
struct Fixed {
    log_odds: f32,
    gradient: f32,
}

impl LogOdds for Fixed {
    type Error = std::io::Error;

    fn batch_size(&self) -> usize {
        32
    }

    fn evaluate(
        &mut self,
        points: &[f32],
        label: usize,
        log_odds: &mut [f32],
        gradient: &mut [f32],
    ) -> Result<(), Self::Error> {
        if label > 0 {
            return Err(std::io::Error::other("no such label"));
        }
        let dimension = points.len() / log_odds.len();
        for (u, point) in log_odds.iter_mut().zip(points.chunks_exact(dimension)) {
            *u = self.log_odds + self.gradient * point.iter().sum::<f32>();
        }
        gradient.fill(self.gradient);
        Ok(())
    }
}

fn fixed(log_odds: f32, gradient: f32) -> Result<Packet, MeasureError<std::io::Error>> {
    PACKET.measure(&[0.0; 4], 0, 0, &mut Fixed { log_odds, gradient })
}

/// At u = −80, `ln l = u`: a displaced coherent state. At u = +80, `l = u`, so `h = ∂u/u`.
#[test]
fn confident_points_keep_their_figures() {
    let right = fixed(-80.0, 0.5).unwrap();
    assert!((right.drift.value - 2.0 * 0.3 * 0.5 * 2.0).abs() < 1e-6, "{}", summary(&right));
    assert!((right.spreads.product.value - 0.5).abs() < 1e-6);
    let wrong = fixed(80.0, 0.5).unwrap();
    assert!(
        (wrong.drift.value - 2.0 * 0.3 * 0.5 / 80.0 * 2.0).abs() < 1e-3 * wrong.drift.value,
        "{}",
        summary(&wrong)
    );
    for packet in [right, wrong] {
        assert!(
            packet.spreads.sigma_x.value.is_finite()
                && packet.spreads.sigma_p.value.is_finite()
                && packet.identities_hold
        );
    }
}

#[test]
fn what_cannot_be_measured_says_why() {
    let measure = |packet: GaussianPacket, centre: &[f32], label| {
        let mut oracle = Fixed { log_odds: 0.0, gradient: 0.0 };
        packet.measure(centre, label, 0, &mut oracle).unwrap_err()
    };
    for scale in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let error = measure(GaussianPacket { scale, ..PACKET }, &[0.0], 0);
        assert!(matches!(error, MeasureError::Scale(_)), "{error}");
    }
    let few = GaussianPacket { samples: GROUPS - 1, ..PACKET };
    assert!(matches!(measure(few, &[0.0], 0), MeasureError::Samples(63)));
    assert!(matches!(measure(PACKET, &[], 0), MeasureError::NoCoordinates));
    let error = measure(PACKET, &[0.0, f32::NAN], 0);
    assert!(matches!(error, MeasureError::Centre { coordinate: 1, .. }), "{error}");
    assert!(matches!(measure(PACKET, &[0.0], 1), MeasureError::Oracle(_)));

    assert!(matches!(fixed(f32::NAN, 0.0), Err(MeasureError::LogOdds(_))));
    assert!(matches!(fixed(f32::INFINITY, 0.0), Err(MeasureError::LogOdds(_))));
    assert!(matches!(fixed(f32::NEG_INFINITY, 0.0), Err(MeasureError::NoWeight)));
    let mut oracle = separable(|i, _| (0.0, if i == 2 { f64::INFINITY } else { 0.0 }));
    let error = PACKET.measure(&[0.0; 4], 0, 0, &mut oracle).unwrap_err();
    assert!(matches!(error, MeasureError::Gradient { coordinate: 2, .. }), "{error}");
}

/// Half of the points without loss: they count as samples without weight.
#[test]
fn points_without_loss_have_no_weight() {
    let half = |x: f64| if x > 0.0 { (0.0, 0.0) } else { (f64::NEG_INFINITY, f64::NAN) };
    let packet = measure(GaussianPacket { samples: 4000, ..PACKET }, &[0.0], &mut separable(|_, x| half(x)));
    assert!((packet.spreads.ess - 2000.0).abs() < 6.0 * f64::sqrt(1000.0), "{}", packet.spreads.ess);
    // A wall is a boundary, and Stein's identity sees it.
    assert!(!packet.identities_hold);
}

/// Weights enter relative to each other only, and neither e^±700 nor a weight that dwarfs all
/// others leaves the range of f64.
#[test]
fn weights_of_any_size_leave_finite_figures() {
    let packet = |log_weight: &dyn Fn(usize) -> f64| {
        let mut moments = Moments::new(2);
        for sample in 0..640 {
            let z = [(sample as f64).sin(), (sample as f64 * 1.7).cos()];
            let h = [0.1 * z[0] + 0.2, 0.3 * z[1] * z[1]];
            moments.push(log_weight(sample), &z, &h, false);
        }
        Packet::from_moments(1.0, 1000.0, &moments)
    };
    let base = packet(&|sample| (sample as f64).cos());
    for shift in [-1e5, 1e5] {
        let shifted = packet(&|sample| (sample as f64).cos() + shift);
        assert!((shifted.spreads.product.value - base.spreads.product.value).abs() < 1e-9, "{shift}");
        assert!((shifted.spreads.ess - base.spreads.ess).abs() < 1e-6, "{shift}");
    }
    // The last quarter dwarfs the rest by e^400, which moves the unit.
    let last = packet(&|sample| (sample as f64).cos() + if sample < 480 { -400.0 } else { 0.0 });
    let alone = packet(&|sample| if sample < 480 { f64::NEG_INFINITY } else { (sample as f64).cos() });
    assert!(
        (last.spreads.product.value - alone.spreads.product.value).abs() < 1e-12
            && last.spreads.ess == alone.spreads.ess
    );
    for rate in [50.0, 1000.0] {
        let steep = packet(&|sample| rate * sample as f64);
        assert!((steep.spreads.ess - 1.0).abs() < 1e-12, "{}", steep.spreads.ess);
        assert!(!steep.spreads.enough_samples);
        assert!(!summary(&steep).contains("NaN") && !summary(&steep).contains("inf"), "{}", summary(&steep));
    }
}

/// Points of a packet narrower than the spacing of f32 are all the centre, and have no figures; a few spacings are enough.
#[test]
fn a_scale_below_the_resolution_of_f32_is_refused() {
    let at = |scale: f64, centre: f32| {
        let packet = GaussianPacket { scale, samples: 2000, ..PACKET };
        packet.measure(&[0.25, -centre], 0, 0, &mut separable(bend(1.0)))
    };
    let error = at(1e-10, 0.5).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the scale 1e-10 is finer than float32 distinguishes at this sample; take at least 1.3e-7"
    );
    assert!(at(1.1e-7, 0.5).is_err() && at(4e-6, 20.0).is_err());
    let packet = at(1.2e-7, 0.5).unwrap();
    assert!(packet.spreads.sigma_x.relative_error() < 0.1, "{}", summary(&packet));
    assert!((packet.spreads.sigma_x.value / 1.2e-7 - 1.0).abs() < 0.05, "{}", summary(&packet));
}
