use super::*;
use crate::packet::LogOdds;

/// `l = eᵘ` to rounding, for `u = a·x − 40`.
struct Exponential(Vec<f32>);

impl LogOdds for Exponential {
    type Error = std::convert::Infallible;

    fn batch_size(&self) -> usize {
        7
    }

    fn evaluate(
        &mut self,
        points: &[f32],
        _: usize,
        u: &mut [f32],
        gradient: &mut [f32],
    ) -> Result<(), Self::Error> {
        let d = self.0.len();
        for ((x, u), g) in points.chunks(d).zip(u).zip(gradient.chunks_mut(d)) {
            *u = x.iter().zip(&self.0).map(|(x, a)| x * a).sum::<f32>() - 40.0;
            g.copy_from_slice(&self.0);
        }
        Ok(())
    }
}

/// A model that has no gradient.
struct Rough;

impl LogOdds for Rough {
    type Error = Error;

    fn batch_size(&self) -> usize {
        1
    }

    fn evaluate(&mut self, _: &[f32], _: usize, _: &mut [f32], _: &mut [f32]) -> Result<()> {
        Err(Error::NoGradient { why: "the node `trees` has no gradient rule".into(), needed: None })
    }
}

#[test]
fn what_failed_is_said_to_its_first_cause() {
    let cut = Subspace { centre: vec![0.5; 2], label: 0, axes: vec![vec![1.0, 0.0]] };
    let said = cut.measure(0.25, &mut Rough).unwrap_err().to_string();
    assert!(said.starts_with("the packet at scale 0.25: "), "{said}");
    assert!(said.ends_with("could not be evaluated: the node `trees` has no gradient rule"), "{said}");
}

/// A locally exponential loss displaces the packet by `2 s² a` and leaves it a coherent state: along
/// each direction by that direction's part of it.
#[test]
fn an_exponential_loss_displaces_the_packet() {
    let a = [3.0f32, 0.0, -4.0, 0.0];
    let scale = 0.25;
    let directions = [vec![3.0, 0.0, -4.0, 0.0], vec![1.0, 2.0, 0.0, 0.0]];
    let names = ["gradient".to_string(), "sample 2".to_string()];
    for k in [1, 2] {
        let axes = orthonormal(directions[..k].to_vec(), &names).unwrap();
        let cut = Subspace { centre: vec![0.5, 0.25, 0.0, 1.0], label: 0, axes };
        let slice = cut.measure(scale, &mut Exponential(a.to_vec())).unwrap();
        assert!(slice.converged);
        let expected = [2.0 * scale * scale * 5.0, 0.0];
        for (c, mean) in slice.coordinates.iter().zip(expected) {
            // Log-odds in single precision near −40 are known to 2e-6.
            for (found, exact) in [
                (c.mean.value, mean),
                (c.sigma_x.value, scale),
                (c.sigma_p.value, 0.5 / scale),
                (c.product.value, 0.5),
                (c.stein.value, -0.5),
            ] {
                assert!((found - exact).abs() < 2e-5, "{found} {exact}: {slice:?}");
            }
        }
        assert!((slice.drift - 2.0 * scale * 5.0).abs() < 1e-4);
        assert!(slice.dispersion < 1e-6);
    }
    let twins = vec![directions[0].clone(), directions[0].iter().map(|x| -2.0 * x).collect()];
    assert!(orthonormal(twins, &names).unwrap_err().to_string().contains("span no plane"));
    let none = vec![vec![0.0; 4]];
    assert!(orthonormal(none, &names).unwrap_err().to_string().contains("length 0"));
}
