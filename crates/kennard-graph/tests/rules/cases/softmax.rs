use crate::case::{Case, case, uniform};

fn along(op: &str, axis: i64) -> Case {
    case(&format!("softmax/{op} along {axis}"), |m| {
        let x = m.batched(uniform(&[2, 3, 4], -2.0, 2.0, 1));
        m.op(op, &[x], &[("axis", axis.into())]);
    })
}

/// The axis is the last when none is named.
fn last(op: &str) -> Case {
    case(&format!("softmax/{op}"), |m| {
        let x = m.batched(uniform(&[2, 4], -2.0, 2.0, 1));
        m.op(op, &[x], &[]);
    })
}

pub fn cases() -> Vec<Case> {
    vec![
        last("Softmax"),
        along("Softmax", 1),
        along("Softmax", -2),
        last("LogSoftmax"),
        along("LogSoftmax", 1),
        along("LogSoftmax", 0),
    ]
}
