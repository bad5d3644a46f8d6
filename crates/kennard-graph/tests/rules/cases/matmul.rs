use crate::case::{Case, case, uniform};

/// A matrix product of two operands of these shapes, the second a weight.
fn matmul(name: &str, a: &[usize], b: &[usize]) -> Case {
    case(&format!("matmul/{name}"), |m| {
        let a = m.input(uniform(a, -1.0, 1.0, 1));
        let b = m.weight(uniform(b, -1.0, 1.0, 2));
        m.op("MatMul", &[a, b], &[]);
    })
}

/// `Gemm` of a 2×3 and a 3×4 matrix, each stored transposed or not.
fn gemm(name: &str, ta: bool, tb: bool, c: Option<&[usize]>) -> Case {
    case(&format!("gemm/{name}"), |m| {
        let a = m.input(uniform(if ta { &[3, 2] } else { &[2, 3] }, -1.0, 1.0, 1));
        let b = m.weight(uniform(if tb { &[4, 3] } else { &[3, 4] }, -1.0, 1.0, 2));
        let c = c.map(|shape| m.weight(uniform(shape, -1.0, 1.0, 3)));
        let operands: Vec<_> = [a, b].into_iter().chain(c).collect();
        let transposed = [("transA", i64::from(ta).into()), ("transB", i64::from(tb).into())];
        let scales = [("alpha", 0.75f32.into()), ("beta", 1.5f32.into())];
        m.op("Gemm", &operands, &[transposed, scales].concat());
    })
}

#[rustfmt::skip]
pub fn cases() -> Vec<Case> {
    vec![
        matmul("matrices",           &[2, 3],       &[3, 4]),
        matmul("stacks",             &[2, 2, 3],    &[2, 3, 4]),
        matmul("shared matrix",      &[2, 2, 3],    &[3, 4]),
        matmul("shared by all axes", &[2, 2, 2, 3], &[3, 2]),
        matmul("matrix times stack", &[2, 3],       &[2, 3, 4]),
        matmul("broadcast stacks",   &[2, 1, 2, 3], &[3, 3, 2]),
        matmul("vectors",            &[3],          &[3]),
        matmul("vector times matrix", &[3],         &[3, 4]),
        matmul("vector times stack", &[3],          &[2, 3, 4]),
        matmul("matrix times vector", &[2, 3],      &[3]),
        // rten 0.27 keeps the axis of the vector here, with extent 1.
        matmul("stack times vector", &[2, 2, 3],    &[3]).without_rten(),
        case("matmul/batch", |m| {
            let x = m.batched(uniform(&[3, 2, 4], -1.0, 1.0, 1));
            let w = m.weight(uniform(&[4, 2], -1.0, 1.0, 2));
            m.op("MatMul", &[x, w], &[]);
        }),
        case("matmul/square", |m| {
            let x = m.batched(uniform(&[2, 3, 3], -1.0, 1.0, 1));
            m.op("MatMul", &[x, x], &[]);
        }),
        gemm("plain",    false, false, Some(&[2, 4])),
        gemm("A",        true,  false, Some(&[4])),
        gemm("B",        false, true,  Some(&[2, 1])),
        gemm("A and B",  true,  true,  Some(&[1, 4])),
        gemm("scalar C", false, true,  Some(&[])),
        gemm("no C",     false, true,  None),
        case("gemm/batch", |m| {
            let x = m.batched(uniform(&[3, 4], -1.0, 1.0, 1));
            let w = m.weight(uniform(&[2, 4], -1.0, 1.0, 2));
            let c = m.weight(uniform(&[2], -1.0, 1.0, 3));
            m.op("Gemm", &[x, w, c], &[("transB", 1i64.into())]);
        }),
    ]
}
