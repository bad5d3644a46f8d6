use crate::case::{Case, case, uniform};

/// A sum of products of operands of these shapes; the second and third are weights.
fn einsum(equation: &str, shapes: &[&[usize]]) -> Case {
    case(&format!("einsum/{}", equation.replace("->", " to ")), |m| {
        let values = shapes.iter().zip(1..).map(|(shape, seed)| uniform(shape, -1.0, 1.0, seed));
        let operands: Vec<_> =
            values.enumerate().map(|(i, v)| if i == 0 { m.input(v) } else { m.weight(v) }).collect();
        m.op("Einsum", &operands, &[("equation", equation.into())]);
    })
}

#[rustfmt::skip]
pub fn cases() -> Vec<Case> {
    vec![
        einsum("ij,jk->ik",         &[&[2, 3], &[3, 4]]),
        einsum("ij,jk",             &[&[2, 3], &[3, 4]]),
        einsum("bhqd,bhkd->bhqk",   &[&[2, 2, 3, 2], &[2, 2, 2, 2]]),
        einsum("bhqk, bhkd -> bqhd", &[&[1, 2, 3, 2], &[1, 2, 2, 3]]),
        einsum("ij,ij->",           &[&[2, 3], &[2, 3]]),
        einsum("i,j->ij",           &[&[2], &[3]]),
        einsum("ij->ji",            &[&[2, 3]]),
        einsum("ij->",              &[&[2, 3]]),
        einsum("ijk->j",            &[&[2, 3, 2]]),
        einsum("ij,k->ki",          &[&[2, 3], &[2]]),
        einsum("ij,jk,kl->il",      &[&[2, 2], &[2, 3], &[3, 2]]),
        case("einsum/broadcast", |m| {
            let x = m.input(uniform(&[2, 1], -1.0, 1.0, 1));
            let w = m.weight(uniform(&[3, 2], -1.0, 1.0, 2));
            m.op("Einsum", &[x, w], &[("equation", "ij,jk->ik".into())]);
        }),
        case("einsum/batch", |m| {
            let x = m.batched(uniform(&[2, 3, 2], -1.0, 1.0, 1));
            let w = m.weight(uniform(&[2, 3], -1.0, 1.0, 2));
            m.op("Einsum", &[x, w], &[("equation", "nsd,de->nse".into())]);
        }),
        case("einsum/attention of a batch", |m| {
            let q = m.batched(uniform(&[2, 3, 2], -1.0, 1.0, 1));
            let k = m.batched(uniform(&[2, 4, 2], -1.0, 1.0, 2));
            m.op("Einsum", &[q, k], &[("equation", "nqd,nkd->nqk".into())]);
        }),
        case("einsum/squares", |m| {
            let x = m.input(uniform(&[2, 3], -1.0, 1.0, 1));
            m.op("Einsum", &[x, x], &[("equation", "ij,kj->ik".into())]);
        }),
    ]
}
