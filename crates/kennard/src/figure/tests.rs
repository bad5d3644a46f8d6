use super::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};

/// Values that are a multiple of the control and a constant leave the constant.
#[test]
fn control_removes_what_is_shared() {
    let control = [0.5, -1.0, 2.0, 0.25];
    let values = control.map(|control| 3.0 - 4.0 * control);
    let figure = Figure::controlled_mean(&values, &control);
    assert!((figure.value - 3.0).abs() < 1e-12, "{figure:?}");
    assert!(figure.error() < 1e-9, "{figure:?}");
    let none = Figure::controlled_mean(&values, &[0.5; 4]);
    assert_eq!(none.value, mean(&values));
}

/// Populations as skewed as drift and dispersion, and normal ones; each image measured with an error of its own,
/// of unequal size. Over 2 000 draws the interval covers 90 % to 98 %. True coverages are 91.0 % to 96.2 %, so that
/// with other seeds the worst case would fail in one of 20, all others in less than one of 1 000.
#[test]
fn intervals_over_images_cover() {
    type Population = fn(f64) -> f64;
    let populations: [(Population, f64); 4] =
        [(|z| z, 0.0), (f64::exp, 0.5f64.exp()), (|z| (0.5 * z).exp(), 0.125f64.exp()), (|z| -z * z, -1.0)];
    for images in [8, 16, 32] {
        for (case, (population, truth)) in populations.iter().enumerate() {
            let mut random = ChaCha8Rng::seed_from_u64((100 * images + case) as u64);
            let mut normal = || -> f64 { StandardNormal.sample(&mut random) };
            let mut covered = 0;
            for _ in 0..2000 {
                let mut image = |k: usize| {
                    let error = 0.3 * (k % 4) as f64 / 3.0;
                    Figure::student(population(normal()) + error * normal(), error * error, 63)
                };
                let figures: Vec<Figure> = (0..images).map(&mut image).collect();
                covered += usize::from(Figure::over_images(&figures).contains(*truth));
            }
            assert!((1800..=1960).contains(&covered), "{images} images, population {case}: {covered}");
        }
    }
}

/// By hand: Student's 95 % interval of 1, 2, 3 is 2 ± 4.302653/√3; equal values have none.
#[test]
fn means_over_few_images() {
    let figures = [1.0, 2.0, 3.0].map(Figure::exact);
    let [low, high] = Figure::over_images(&figures).interval;
    let half = 4.302_652_73 / 3f64.sqrt();
    assert!((low - 2.0 + half).abs() < 1e-6 && (high - 2.0 - half).abs() < 1e-6, "{low}, {high}");
    assert_eq!(Figure::over_images(&[Figure::exact(2.0); 4]).interval, [2.0; 2]);
    // Of none of a few points each nothing is known for certain, and of their mean neither.
    let shares = [0.1, 0.3].map(|high| Figure { interval: [0.0, high], ..Figure::student(0.0, 0.0, 9) });
    let [low, high] = Figure::over_images(&shares).interval;
    assert!(low == 0.0 && (high - 0.2).abs() < 1e-12, "{low}, {high}");
    let none = Figure::perhaps(-1.0, None).at_least(0.0);
    assert!(none.value == 0.0 && none.known_interval().is_none(), "{none:?}");
    let own = Figure::student(1.0, 0.25, 63);
    assert_eq!(Figure::over_images(&[own]), own);
}

#[test]
fn numbers_are_said_as_people_do() {
    assert_eq!([0.0, -0.0, -0.5, 12.0].map(|value| significant(value, 3)), ["0", "0", "-0.5", "12"]);
    let far = [2.836e23, -1e9, 999_999_999.0, 9.996e-7, 1e-12, 1e-6, 0.25e-4];
    let said = ["2.84e23", "-1e9", "999999999", "1e-6", "1e-12", "0.000001", "0.000025"];
    assert_eq!(far.map(|value| significant(value, 3)), said);
    assert_eq!([0, 1, 2].map(|count| counted(count, "epoch")), ["0 epochs", "1 epoch", "2 epochs"]);
}
