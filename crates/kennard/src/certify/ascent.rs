/// How slopes are moved (Xu et al. 2021, arXiv 2011.13824).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ascent {
    /// Steps; each costs one bound and its gradient.
    pub steps: usize,
    /// The first step, in slope.
    pub rate: f64,
    /// The share of a step that the next one is.
    pub decay: f64,
}

impl Default for Ascent {
    fn default() -> Ascent {
        Ascent { steps: 20, rate: 0.25, decay: 0.95 }
    }
}

/// The slopes of the lower lines at one layer's ReLUs, for every row of some samples: numbers in [0, 1] that follow a gradient upwards (Kingma &
/// Ba 2015, arXiv 1412.6980).
pub(super) struct ReluSlopes {
    pub values: Vec<f32>,
    mean: Vec<f32>,
    square: Vec<f32>,
}

impl ReluSlopes {
    /// The slopes that bounds have without a choice, for every row of each sample, whose lower and upper bounds are given: 1 where
    /// `u > −l`, else 0.
    pub fn first<'a>(samples: impl Iterator<Item = [&'a [f32]; 2]>, rows: usize) -> ReluSlopes {
        let row = |[lower, upper]: [&[f32]; 2]| -> Vec<f32> {
            lower.iter().zip(upper).map(|(l, u)| f32::from(u8::from(l + u > 0.0))).collect()
        };
        let values: Vec<f32> = samples.flat_map(|ends| row(ends).repeat(rows)).collect();
        ReluSlopes { mean: vec![0.0; values.len()], square: vec![0.0; values.len()], values }
    }

    pub fn step(&mut self, gradient: &[f32], rate: f64, number: usize) {
        const BETA: [f64; 2] = [0.9, 0.999];
        let [first, second] = BETA.map(|beta| 1.0 - beta.powi(number as i32));
        let each = self.values.iter_mut().zip(&mut self.mean).zip(&mut self.square).zip(gradient);
        for (((value, mean), square), &g) in each.filter(|(_, g)| g.is_finite()) {
            *mean = BETA[0] as f32 * *mean + (1.0 - BETA[0]) as f32 * g;
            *square = BETA[1] as f32 * *square + (1.0 - BETA[1]) as f32 * g * g;
            let change = rate * f64::from(*mean) / first / ((f64::from(*square) / second).sqrt() + 1e-12);
            *value = (f64::from(*value) + change).clamp(0.0, 1.0) as f32;
        }
    }
}
