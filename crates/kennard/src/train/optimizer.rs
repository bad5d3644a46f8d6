use serde::{Deserialize, Serialize};

/// How weights follow their gradients, `g` being the mean over the batch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "lowercase")]
#[non_exhaustive]
pub enum Optimizer {
    /// `v ← μ·v + g + decay·w`, `w ← w − η·v`, as PyTorch has it.
    Sgd {
        /// μ
        momentum: f64,
    },
    /// `m ← β₁·m + (1 − β₁)·g`, `v ← β₂·v + (1 − β₂)·g²`, `w ← w − η·(m̂/(√v̂ + 10⁻⁸) + decay·w)`, with m̂ and
    /// v̂ corrected for their start at zero (Loshchilov & Hutter 2019, arXiv 1711.05101).
    AdamW {
        /// β₁ and β₂
        betas: [f64; 2],
    },
    /// As [`AdamW`](Optimizer::AdamW), the decay being part of the gradient (Kingma & Ba 2015, arXiv 1412.6980).
    Adam {
        /// β₁ and β₂
        betas: [f64; 2],
    },
}

impl Optimizer {
    /// How many numbers it remembers per weight.
    pub(super) fn memory(&self) -> usize {
        match self {
            Optimizer::Sgd { .. } => 1,
            Optimizer::AdamW { .. } | Optimizer::Adam { .. } => 2,
        }
    }

    /// Step `t` (from 1) of one tensor with rate η. `memory` are the tensors remembered, zeros at first.
    pub(super) fn step(
        &self,
        t: u64,
        rate: f64,
        decay: f64,
        w: &mut [f32],
        gradient: &[f32],
        memory: &mut [&mut [f32]],
    ) {
        let (rate, decay) = (rate as f32, decay as f32);
        match (*self, memory) {
            (Optimizer::Sgd { momentum }, [velocity]) => {
                let momentum = momentum as f32;
                for ((w, &g), v) in w.iter_mut().zip(gradient).zip(velocity.iter_mut()) {
                    *v = momentum * *v + g + decay * *w;
                    *w -= rate * *v;
                }
            }
            (Optimizer::Adam { betas } | Optimizer::AdamW { betas }, [first, second]) => {
                let coupled = matches!(self, Optimizer::Adam { .. });
                let correct = |beta: f64| 1.0 - beta.powf(t as f64);
                let size = (f64::from(rate) / correct(betas[0])) as f32;
                let root = correct(betas[1]).sqrt() as f32;
                let [a, b] = betas.map(|beta| beta as f32);
                let moments = first.iter_mut().zip(second.iter_mut());
                for ((w, &g), (m, v)) in w.iter_mut().zip(gradient).zip(moments) {
                    let g = if coupled { g + decay * *w } else { g };
                    *m += (1.0 - a) * (g - *m);
                    *v += (1.0 - b) * (g * g - *v);
                    if !coupled {
                        *w -= rate * decay * *w;
                    }
                    *w -= size * *m / (v.sqrt() / root + 1e-8);
                }
            }
            _ => unreachable!("the memory is as `memory` says"),
        }
    }
}

/// How the learning rate goes over a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Schedule {
    /// The same rate throughout.
    Constant,
    /// Half a cosine from the rate to 0 (Loshchilov & Hutter 2017, arXiv 1608.03983).
    Cosine,
    /// Linearly from 0 to the rate over the first 30 %, and back to 0 (Smith & Topin 2019, arXiv 1708.07120). A run of a
    /// single step has the rate of its middle.
    OneCycle,
    /// A tenth of the rate after half, and again after three quarters.
    Step,
}

impl Schedule {
    /// The part of the rate that holds when the share `done` of the run, 0 to 1, is over.
    pub fn factor(self, done: f64) -> f64 {
        match self {
            Schedule::Constant => 1.0,
            Schedule::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * done).cos()),
            Schedule::OneCycle if done < 0.3 => done / 0.3,
            Schedule::OneCycle => (1.0 - done) / 0.7,
            Schedule::Step if done < 0.5 => 1.0,
            Schedule::Step if done < 0.75 => 0.1,
            Schedule::Step => 0.01,
        }
    }

    /// The [`factor`](Self::factor) in a run of this many steps. A single step, which may be without a rate at the beginning and
    /// would change nothing, has the rate of the middle.
    pub(super) fn factor_of(self, done: f64, steps: usize) -> f64 {
        let factor = self.factor(done);
        if steps == 1 && factor == 0.0 { self.factor(0.5) } else { factor }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_begin_and_end_where_they_should() {
        let at = |s: Schedule| [0.0, 0.15, 0.3, 0.65, 1.0].map(|x| (s.factor(x) * 1e6).round() / 1e6);
        assert_eq!(at(Schedule::OneCycle), [0.0, 0.5, 1.0, 0.5, 0.0]);
        assert_eq!(at(Schedule::Step), [1.0, 1.0, 1.0, 0.1, 0.01]);
        let cosine = at(Schedule::Cosine);
        assert_eq!((cosine[0], cosine[4]), (1.0, 0.0));
        assert!((Schedule::Cosine.factor(0.5) - 0.5).abs() < 1e-12);
        assert_eq!([1, 2].map(|steps| Schedule::Cosine.factor_of(0.0, steps)), [1.0, 1.0]);
        assert_eq!(Schedule::OneCycle.factor_of(0.0, 2), 0.0);
    }

    /// Five steps on `w²/2` from w = 1, by hand in double precision with PyTorch 2.15's definitions
    /// (`torch.optim.SGD`, `Adam`, `AdamW`, rate 0.1, decay 0.01, momentum 0.9).
    #[test]
    fn steps_follow_their_definitions() {
        let run = |optimizer: Optimizer| {
            let (mut w, mut a, mut b) = ([1.0f32], [0.0f32], [0.0f32]);
            for t in 1..=5 {
                let g = w;
                let mut memory: Vec<&mut [f32]> = vec![&mut a];
                if optimizer.memory() == 2 {
                    memory.push(&mut b);
                }
                optimizer.step(t, 0.1, 0.01, &mut w, &g, &mut memory);
            }
            w[0]
        };
        let betas = [0.9, 0.999];
        let sgd = {
            let (mut w, mut v) = (1.0f64, 0.0f64);
            for _ in 0..5 {
                v = 0.9 * v + 1.01 * w;
                w -= 0.1 * v;
            }
            w
        };
        let adam = |coupled: bool| {
            let (mut w, mut m, mut v) = (1.0f64, 0.0f64, 0.0f64);
            for t in 1..=5 {
                let g = if coupled { 1.01 * w } else { w };
                m = 0.9 * m + 0.1 * g;
                v = 0.999 * v + 0.001 * g * g;
                if !coupled {
                    w -= 0.1 * 0.01 * w;
                }
                let (m, v) = (m / (1.0 - 0.9f64.powi(t)), v / (1.0 - 0.999f64.powi(t)));
                w -= 0.1 * m / (v.sqrt() + 1e-8);
            }
            w
        };
        for (optimizer, truth) in [
            (Optimizer::Sgd { momentum: 0.9 }, sgd),
            (Optimizer::Adam { betas }, adam(true)),
            (Optimizer::AdamW { betas }, adam(false)),
        ] {
            let found = f64::from(run(optimizer));
            assert!((found - truth).abs() < 1e-5, "{optimizer:?}: {found} for {truth}");
        }
    }
}
