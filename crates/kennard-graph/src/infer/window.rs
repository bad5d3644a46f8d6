//! The sliding window that convolutions and pools share.

use super::Context;
use crate::{Dim, Node, Result, Shape};

/// How padding is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AutoPad {
    /// From the attribute `pads`.
    Explicit,
    /// Enough for `⌈input / stride⌉` outputs, the odd one at the end.
    SameUpper,
    /// The same with the odd one at the beginning.
    SameLower,
    /// None.
    Valid,
}

/// The window of a convolution or pool over `n` spatial axes.
pub(crate) struct KernelWindow {
    pub kernel: Vec<usize>,
    pub strides: Vec<i64>,
    pub dilations: Vec<i64>,
    /// All beginnings, then all ends; zeros unless explicit.
    pub pads: Vec<i64>,
    pub auto_pad: AutoPad,
}

/// A list attribute of `n` integers, none below `least`; `default` everywhere where it is absent.
pub(crate) fn list(node: &Node, name: &str, n: usize, default: i64, least: i64) -> Result<Vec<i64>> {
    match node.ints(name) {
        None => Ok(vec![default; n]),
        Some(values) if values.len() == n && values.iter().all(|&v| v >= least) => Ok(values.to_vec()),
        Some(values) => {
            Err(node.error(format!("{name} {values:?} must be {n} integers of at least {least}")))
        }
    }
}

impl KernelWindow {
    /// Reads the attributes of a node whose kernel has these extents.
    pub fn new(node: &Node, kernel: &[usize]) -> Result<KernelWindow> {
        let n = kernel.len();
        let auto_pad = match node.text("auto_pad", "NOTSET") {
            "NOTSET" | "" => AutoPad::Explicit,
            "SAME_UPPER" => AutoPad::SameUpper,
            "SAME_LOWER" => AutoPad::SameLower,
            "VALID" => AutoPad::Valid,
            other => return Err(node.error(format!("auto_pad `{other}` is not in the ONNX standard"))),
        };
        let pads =
            if auto_pad == AutoPad::Explicit { list(node, "pads", 2 * n, 0, 0)? } else { vec![0; 2 * n] };
        if kernel.contains(&0) {
            return Err(node.error(format!("the kernel {kernel:?} is empty")));
        }
        Ok(KernelWindow {
            kernel: kernel.to_vec(),
            strides: list(node, "strides", n, 1, 1)?,
            dilations: list(node, "dilations", n, 1, 1)?,
            pads,
            auto_pad,
        })
    }

    /// How far the dilated kernel reaches along spatial axis `i`.
    pub fn span(&self, i: usize) -> i128 {
        (self.kernel[i] as i128 - 1) * i128::from(self.dilations[i]) + 1
    }

    /// The spatial extents of the output for data `[N, C, D1, …, Dn]`; `None` if a spatial extent
    /// depends on the batch.
    pub fn outputs(&self, c: &Context, x: &Shape, ceil: bool) -> Result<Option<Vec<Dim>>> {
        let n = self.kernel.len();
        let mut extents = Vec::with_capacity(n);
        for i in 0..n {
            let Dim::Known(input) = x.0[i + 2] else { return Ok(None) };
            let (input, stride) = (input as i128, i128::from(self.strides[i]));
            let length = match self.auto_pad {
                AutoPad::SameUpper | AutoPad::SameLower => (input + stride - 1) / stride,
                AutoPad::Explicit | AutoPad::Valid => {
                    let begin = i128::from(self.pads[i]);
                    let room = input + begin + i128::from(self.pads[i + n]) - self.span(i);
                    // Rounding up allows a last window that reaches beyond the padding, if it is the only one too.
                    if room < if ceil { 1 - stride } else { 0 } {
                        let kernel = &self.kernel;
                        return c
                            .fail(format!("the kernel {kernel:?} does not fit into the padded data {x}"));
                    }
                    let steps = if ceil { (room + stride - 1) / stride } else { room / stride };
                    // A window may not begin behind the data.
                    if ceil && steps * stride >= input + begin { steps } else { steps + 1 }
                }
            };
            match usize::try_from(length) {
                Ok(length) => extents.push(Dim::Known(length)),
                Err(_) => return c.fail(format!("the output of {x} is too large")),
            }
        }
        Ok(Some(extents))
    }
}
