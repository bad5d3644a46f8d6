use kennard_graph::Attribute;

use crate::case::{Case, case, spread, uniform};

/// A pool over `[N, C, …]`, N the batch. For `MaxPool` all elements differ.
struct Pool {
    op: &'static str,
    name: &'static str,
    x: Vec<usize>,
    attributes: Vec<(&'static str, Attribute)>,
}

impl Pool {
    fn with(mut self, name: &'static str, value: impl Into<Attribute>) -> Pool {
        self.attributes.push((name, value.into()));
        self
    }

    fn list(self, name: &'static str, values: &[i64]) -> Pool {
        self.with(name, values)
    }

    fn case(self) -> Case {
        case(&format!("pool/{} {}", self.op, self.name), |m| {
            let max = self.op.contains("Max");
            let x = if max { spread(&self.x, 1) } else { uniform(&self.x, -1.0, 1.0, 1) };
            m.op(self.op, &[m.batched(x)], &self.attributes);
        })
    }
}

fn pool(op: &'static str, name: &'static str, x: &[usize], kernel: &[i64]) -> Pool {
    Pool { op, name, x: x.into(), attributes: vec![("kernel_shape", kernel.into())] }
}

fn global(op: &'static str, name: &'static str, x: &[usize]) -> Pool {
    Pool { op, name, x: x.into(), attributes: vec![] }
}

#[rustfmt::skip]
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for op in ["MaxPool", "AveragePool"] {
        let plain = |name, x: &[usize], kernel: &[i64]| pool(op, name, x, kernel);
        cases.extend([
            plain("halves",        &[2, 2, 4, 6], &[2, 2]).list("strides", &[2, 2]).case(),
            plain("with a rest",   &[2, 1, 5, 7], &[2, 3]).list("strides", &[2, 3]).case(),
            plain("overlapping",   &[1, 2, 5, 4], &[3, 2]).list("strides", &[1, 1]).case(),
            // rten wants the strides.
            plain("no strides",    &[1, 1, 3, 4], &[2, 2]).case().without_rten(),
            plain("with pads",     &[1, 2, 4, 5], &[3, 3]).list("strides", &[2, 2]).list("pads", &[1, 1, 1, 1]).case(),
            plain("uneven pads",   &[1, 1, 4, 5], &[3, 2]).list("strides", &[1, 2]).list("pads", &[2, 0, 1, 1]).case(),
            plain("beyond the end", &[2, 1, 5, 6], &[2, 3]).list("strides", &[2, 2]).with("ceil_mode", 1i64).case(),
            plain("beyond the pads", &[1, 1, 5, 6], &[3, 3]).list("strides", &[2, 3]).list("pads", &[1, 1, 0, 1]).with("ceil_mode", 1i64).case(),
            plain("gaps",          &[1, 2, 5, 8], &[1, 2]).list("strides", &[2, 3]).case(),
            plain("rows",          &[2, 1, 3, 5], &[1, 3]).list("strides", &[1, 1]).case(),
            plain("columns",       &[2, 1, 5, 3], &[3, 1]).list("strides", &[1, 1]).case(),
            plain("same, odd margin after", &[1, 1, 5, 4], &[2, 3]).with("auto_pad", "SAME_UPPER").list("strides", &[1, 2]).case(),
            // rten takes it for SAME_UPPER.
            plain("same, odd margin before", &[1, 1, 5, 4], &[2, 3]).with("auto_pad", "SAME_LOWER").list("strides", &[1, 2]).case().without_rten(),
            plain("valid",         &[1, 1, 5, 4], &[2, 3]).with("auto_pad", "VALID").list("strides", &[1, 1]).case(),
            plain("one axis",      &[2, 2, 7], &[3]).list("strides", &[2]).list("pads", &[1, 0]).case(),
            plain("three axes",    &[1, 1, 3, 4, 3], &[2, 2, 2]).list("strides", &[1, 2, 1]).case().without_rten(),
            plain("dilations",     &[1, 1, 7, 6], &[3, 2]).list("dilations", &[2, 3]).list("strides", &[1, 2]).case().without_rten(),
        ]);
    }
    cases.extend([
        pool("AveragePool", "padding counts", &[1, 1, 4, 5], &[3, 3]).list("strides", &[2, 2]).list("pads", &[1, 1, 1, 1]).with("count_include_pad", 1i64).case(),
        pool("AveragePool", "padding counts, beyond the end", &[1, 1, 5, 6], &[3, 3]).list("strides", &[2, 3]).list("pads", &[1, 1, 0, 1]).with("count_include_pad", 1i64).with("ceil_mode", 1i64).case(),
        global("GlobalAveragePool", "of images", &[2, 2, 3, 4]).case(),
        global("GlobalAveragePool", "of sequences", &[2, 3, 5]).case(),
        global("GlobalMaxPool", "of images", &[2, 2, 3, 4]).case(),
        global("GlobalMaxPool", "of sequences", &[2, 3, 5]).case(),
    ]);
    cases
}
