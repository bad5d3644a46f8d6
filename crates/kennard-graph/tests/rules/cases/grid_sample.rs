use kennard_graph::Tensor;
use ndarray::ArrayD;

use crate::case::{Case, case, uniform};

const HEIGHT: usize = 3;
const WIDTH: usize = 4;

/// A grid `[2, 2, 3, 2]` whose points lie at these pixels, some beyond the image, none where the interpolation has an
/// edge.
fn grid(aligned: bool) -> Tensor {
    let pixels = [-0.7, 2.3, 0.4, 1.7, 3.3, -1.4, 0.6, 1.2, 2.8, 4.4, 1.6, 0.3f32];
    let array = ArrayD::from_shape_fn(vec![2, 2, 3, 2], |at| {
        let length = if at[3] == 0 { WIDTH } else { HEIGHT } as f32;
        let pixel = pixels[(6 * at[0] + 3 * at[1] + at[2] + 5 * at[3]) % pixels.len()];
        if aligned { 2.0 * pixel / (length - 1.0) - 1.0 } else { (2.0 * pixel + 1.0) / length - 1.0 }
    });
    array.into()
}

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for mode in ["linear", "nearest", "cubic"] {
        for padding in ["zeros", "border", "reflection"] {
            for aligned in [false, true] {
                let corners = if aligned { "centres" } else { "edges" };
                let built = case(&format!("grid_sample/{mode} {padding} {corners}"), |m| {
                    let x = m.batched(uniform(&[2, 2, HEIGHT, WIDTH], -1.0, 1.0, 1));
                    let attributes = [
                        ("mode", mode.into()),
                        ("padding_mode", padding.into()),
                        ("align_corners", i64::from(aligned).into()),
                    ];
                    let inputs = [Some(x), Some(m.batched(grid(aligned)))];
                    m.output(m.builder.op("GridSample", &inputs, &attributes));
                });
                cases.push(if mode == "linear" && padding == "zeros" { built } else { built.without_rten() });
            }
        }
    }
    let volume = case("grid_sample/volume", |m| {
        let x = m.batched(uniform(&[2, 1, 2, 3, 4], -1.0, 1.0, 1));
        let points = m.batched(uniform(&[2, 1, 2, 2, 3], -0.9, 0.9, 3));
        m.output(m.builder.op("GridSample", &[Some(x), Some(points)], &[("align_corners", 1i64.into())]));
    });
    cases.push(volume.once().without_rten());
    cases
}
