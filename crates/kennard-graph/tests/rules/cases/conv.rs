use kennard_graph::Attribute;

use crate::case::{Case, case, uniform};

/// A convolution or transposed convolution of `x [N, C, …]`, N the batch, with weights `[M, C/groups, …]`
/// (or `[C, M/groups, …]`), with bias where `bias` counts it.
struct Layer {
    op: &'static str,
    name: &'static str,
    x: Vec<usize>,
    w: Vec<usize>,
    bias: usize,
    attributes: Vec<(&'static str, Attribute)>,
}

impl Layer {
    fn with(mut self, name: &'static str, value: impl Into<Attribute>) -> Layer {
        self.attributes.push((name, value.into()));
        self
    }

    fn list(self, name: &'static str, values: &[i64]) -> Layer {
        self.with(name, values)
    }

    fn case(self) -> Case {
        self.of_batch(false)
    }

    /// With the batch a number: gradients of weights put zeros beside images then.
    fn of_known_batch(self) -> Case {
        self.of_batch(true)
    }

    fn of_batch(self, known: bool) -> Case {
        let name = format!("conv/{} {}{}", self.op, self.name, if known { ", known batch" } else { "" });
        case(&name, |m| {
            let x = uniform(&self.x, -1.0, 1.0, 1);
            let x = if known { m.input(x) } else { m.batched(x) };
            let w = m.weight(uniform(&self.w, -1.0, 1.0, 2));
            let bias = (self.bias > 0).then(|| m.weight(uniform(&[self.bias], -1.0, 1.0, 3)));
            let operands: Vec<_> = [x, w].into_iter().chain(bias).collect();
            let kernel: Vec<i64> = self.w[2..].iter().map(|&k| k as i64).collect();
            m.op(
                self.op,
                &operands,
                &[&[("kernel_shape", kernel.into())], self.attributes.as_slice()].concat(),
            );
        })
    }
}

fn conv(name: &'static str, x: &[usize], w: &[usize]) -> Layer {
    Layer { op: "Conv", name, x: x.into(), w: w.into(), bias: 0, attributes: vec![] }
}

/// `Col2Im` of columns `[N, C·ΠK, L]`.
fn columns(name: &str, x: &[usize], image: &[i64], block: &[i64], lists: &[(&str, &[i64])]) -> Case {
    case(&format!("conv/Col2Im {name}"), |m| {
        let attributes: Vec<(&str, Attribute)> =
            lists.iter().map(|(name, values)| (*name, (*values).into())).collect();
        let operands = [m.batched(uniform(x, -1.0, 1.0, 1)), m.ints(image), m.ints(block)];
        m.op("Col2Im", &operands, &attributes);
    })
}

fn transposed(name: &'static str, x: &[usize], w: &[usize]) -> Layer {
    Layer { op: "ConvTranspose", ..conv(name, x, w) }
}

#[rustfmt::skip]
pub fn cases() -> Vec<Case> {
    vec![
        conv("plain",        &[2, 2, 4, 5], &[3, 2, 3, 2]).case(),
        Layer { bias: 3, ..conv("with bias", &[2, 2, 4, 3], &[3, 2, 2, 2]) }.case(),
        conv("pads",         &[2, 1, 3, 4], &[2, 1, 3, 3]).list("pads", &[1, 0, 2, 1]).case(),
        conv("pads wider than the kernel", &[1, 1, 3, 3], &[2, 1, 2, 2]).list("pads", &[2, 0, 0, 3]).case(),
        conv("pads wider than the kernel", &[1, 1, 3, 3], &[2, 1, 2, 2]).list("pads", &[2, 0, 0, 3]).of_known_batch(),
        conv("taps that see margins alone", &[2, 1, 2, 2], &[2, 1, 3, 3]).list("dilations", &[3, 3]).list("pads", &[3, 3, 3, 3]).case(),
        conv("taps that see margins alone", &[2, 1, 2, 2], &[2, 1, 3, 3]).list("dilations", &[3, 3]).list("pads", &[3, 3, 3, 3]).of_known_batch(),
        conv("a margin after alone", &[2, 2, 3, 4], &[2, 2, 2, 3]).list("pads", &[0, 0, 1, 2]).of_known_batch(),
        conv("stride 2",     &[2, 2, 5, 6], &[2, 2, 3, 3]).list("strides", &[2, 2]).list("pads", &[1, 1, 1, 1]).case(),
        conv("stride 2",     &[2, 2, 5, 6], &[2, 2, 3, 3]).list("strides", &[2, 2]).list("pads", &[1, 1, 1, 1]).of_known_batch(),
        conv("stride beyond the kernel", &[1, 1, 7, 8], &[2, 1, 2, 1]).list("strides", &[3, 4]).case(),
        conv("patches",      &[2, 1, 4, 6], &[3, 1, 2, 3]).list("strides", &[2, 3]).case(),
        conv("dilation",     &[1, 2, 6, 5], &[2, 2, 3, 2]).list("dilations", &[2, 3]).list("pads", &[2, 0, 1, 1]).case(),
        conv("stride and dilation", &[1, 1, 8, 7], &[2, 1, 2, 3]).list("strides", &[2, 3]).list("dilations", &[3, 1]).list("pads", &[1, 1, 0, 1]).case(),
        conv("a rest below the dilation", &[1, 1, 9, 7], &[2, 1, 2, 2]).list("strides", &[3, 4]).list("dilations", &[2, 2]).case(),
        conv("groups",       &[2, 4, 3, 4], &[6, 2, 2, 3]).with("group", 2i64).list("pads", &[1, 0, 0, 1]).case(),
        conv("groups",       &[2, 4, 3, 4], &[6, 2, 2, 3]).with("group", 2i64).list("pads", &[1, 0, 0, 1]).of_known_batch(),
        conv("groups, stride 2", &[2, 4, 5, 4], &[2, 2, 3, 2]).with("group", 2i64).list("strides", &[2, 2]).case(),
        conv("depthwise",    &[2, 3, 4, 4], &[3, 1, 3, 3]).with("group", 3i64).list("pads", &[1, 1, 1, 1]).case(),
        conv("depthwise, two each", &[1, 2, 4, 4], &[4, 1, 3, 2]).with("group", 2i64).list("strides", &[1, 2]).case(),
        conv("pointwise",    &[2, 3, 2, 2], &[4, 3, 1, 1]).case(),
        conv("pointwise, stride 2", &[2, 3, 4, 3], &[2, 3, 1, 1]).list("strides", &[2, 2]).case(),
        conv("many channels", &[1, 16, 3, 2], &[2, 16, 2, 2]).list("pads", &[1, 0, 0, 1]).case(),
        conv("many channels in groups", &[1, 32, 2, 2], &[4, 16, 2, 2]).with("group", 2i64).list("pads", &[1, 0, 0, 1]).case(),
        conv("same, odd margin after", &[1, 1, 5, 4], &[2, 1, 2, 3]).with("auto_pad", "SAME_UPPER").list("strides", &[1, 2]).case(),
        // rten takes it for SAME_UPPER.
        conv("same, odd margin before", &[1, 1, 5, 4], &[2, 1, 2, 3]).with("auto_pad", "SAME_LOWER").list("strides", &[1, 2]).case().without_rten(),
        conv("valid",        &[1, 1, 5, 4], &[2, 1, 2, 3]).with("auto_pad", "VALID").case(),
        conv("one axis",     &[2, 2, 7], &[3, 2, 3]).list("strides", &[2]).list("pads", &[1, 0]).case(),
        conv("one axis, depthwise", &[2, 2, 5], &[2, 1, 3]).with("group", 2i64).list("dilations", &[2]).case(),
        conv("three axes",   &[1, 2, 3, 4, 3], &[2, 2, 2, 3, 2]).list("strides", &[1, 2, 1]).list("pads", &[1, 0, 0, 0, 1, 1]).case().without_rten(),
        transposed("plain",  &[2, 2, 3, 2], &[2, 3, 2, 3]).case(),
        Layer { bias: 3, ..transposed("with bias", &[2, 2, 2, 2], &[2, 3, 2, 2]) }.case(),
        transposed("stride 2", &[2, 2, 3, 2], &[2, 2, 3, 3]).list("strides", &[2, 2]).list("pads", &[1, 1, 1, 1]).case(),
        transposed("output padding", &[1, 2, 3, 2], &[2, 2, 3, 3]).list("strides", &[2, 2]).list("pads", &[1, 1, 1, 1]).list("output_padding", &[1, 1]).case(),
        transposed("output padding, no margin", &[1, 1, 3, 2], &[1, 2, 2, 2]).list("strides", &[3, 2]).list("output_padding", &[2, 1]).case(),
        transposed("pads",   &[1, 1, 3, 4], &[1, 2, 3, 2]).list("pads", &[1, 0, 2, 1]).list("strides", &[1, 2]).case(),
        transposed("dilation", &[1, 2, 3, 3], &[2, 1, 2, 2]).list("dilations", &[2, 3]).list("strides", &[2, 1]).case(),
        transposed("groups", &[2, 4, 2, 3], &[4, 2, 2, 2]).with("group", 2i64).list("strides", &[2, 2]).case(),
        transposed("depthwise", &[2, 2, 3, 3], &[2, 1, 3, 3]).with("group", 2i64).list("strides", &[2, 2]).list("pads", &[1, 1, 1, 1]).case(),
        transposed("one axis", &[2, 2, 4], &[2, 3, 3]).list("strides", &[2]).list("pads", &[1, 0]).case(),
        // rten knows no output_shape.
        transposed("named extent", &[1, 1, 3, 3], &[1, 2, 3, 3]).list("strides", &[2, 2]).list("output_shape", &[6, 5]).case().without_rten(),
        columns("plain",     &[2, 8, 6], &[3, 4], &[2, 2], &[]),
        columns("stride 2, pads and a rest", &[1, 12, 9], &[6, 7], &[2, 3], &[("strides", &[2, 3]), ("pads", &[0, 1, 0, 1])]),
        columns("a rest beyond the margin", &[1, 4, 4], &[5, 6], &[2, 2], &[("strides", &[3, 4])]),
        columns("dilation",  &[1, 6, 6], &[4, 5], &[3, 2], &[("dilations", &[1, 2])]),
        columns("one axis",  &[2, 6, 4], &[6], &[3], &[]),
        transposed("same",   &[1, 1, 3, 3], &[1, 2, 3, 3]).list("strides", &[2, 2]).with("auto_pad", "SAME_UPPER").case(),
    ]
}
