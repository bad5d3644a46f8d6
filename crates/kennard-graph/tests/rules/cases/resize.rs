use kennard_graph::{Attribute, Tensor};

use crate::case::{Case, case, uniform};

/// Images `[2, 1, height, width]` resized to given extents, or by given factors.
fn resize(name: &str, image: [usize; 2], target: Result<[i64; 2], [f32; 2]>, modes: &[(&str, &str)]) -> Case {
    case(&format!("resize/{name}"), |m| {
        let values = uniform(&[2, 1, image[0], image[1]], -1.0, 1.0, 1);
        let x = if target.is_ok() { m.input(values) } else { m.batched(values) };
        let attributes: Vec<(&str, Attribute)> =
            modes.iter().map(|&(name, mode)| (name, mode.into())).collect();
        let operands = match target {
            Ok([h, w]) => [Some(x), None, None, Some(m.ints(&[2, 1, h, w]))],
            Err([h, w]) => {
                let scales: Tensor = ndarray::arr1(&[1.0, 1.0, h, w]).into_dyn().into();
                [Some(x), None, Some(m.constant(scales)), None]
            }
        };
        let given = if target.is_ok() { 4 } else { 3 };
        m.output(m.builder.op("Resize", &operands[..given], &attributes));
    })
}

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for transform in ["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"] {
        let linear = [("mode", "linear"), ("coordinate_transformation_mode", transform)];
        cases.push(resize(&format!("linear {transform} up"), [2, 4], Err([2.0, 1.5]), &linear));
        cases.push(resize(&format!("linear {transform} to sizes"), [4, 3], Ok([3, 5]), &linear));
        let nearest = [("mode", "nearest"), ("coordinate_transformation_mode", transform)];
        cases.push(resize(&format!("nearest {transform} up"), [2, 3], Err([2.0, 3.0]), &nearest));
        cases.push(resize(&format!("nearest {transform} to sizes"), [5, 3], Ok([3, 5]), &nearest));
    }
    for rounding in ["floor", "ceil", "round_prefer_floor", "round_prefer_ceil"] {
        let modes = [
            ("mode", "nearest"),
            ("coordinate_transformation_mode", "asymmetric"),
            ("nearest_mode", rounding),
        ];
        cases.push(resize(&format!("nearest {rounding}"), [3, 4], Err([2.0, 0.5]), &modes));
        cases.push(resize(&format!("nearest {rounding}, odd factors"), [3, 4], Err([1.7, 1.3]), &modes));
    }
    cases.push(resize("to one", [3, 4], Ok([1, 2]), &[("mode", "linear")]));
    // rten takes it for linear.
    cases.push(resize("cubic", [4, 5], Ok([6, 3]), &[("mode", "cubic")]).without_rten());
    cases.push(
        case("resize/some axes", |m| {
            let x = m.batched(uniform(&[2, 2, 3, 4], -1.0, 1.0, 1));
            let operands = [Some(x), None, None, Some(m.ints(&[2, 6]))];
            let attributes = [("mode", "linear".into()), ("axes", vec![2, 3].into())];
            m.output(m.builder.op("Resize", &operands, &attributes));
        })
        .without_rten(),
    );
    cases
}
