//! Which of the equal forms of an adjoint runs fastest, as measured.

use crate::Dim;
use crate::window::Axis;

/// Kernels of more taps would make graphs of more nodes than anyone wants.
const MANY_TAPS: usize = 64;

/// Whether the adjoint of the input is a `Conv` with the kernel reversed, not a `ConvTranspose`, where it may be either.
///
/// ONNX Runtime and rten run that faster where it makes many channels, and up to 17 times slower where it makes few, as
/// in the adjoint of the image: with 4 images of 28×28 and a 5×5 kernel, 20 channels to 1, ONNX Runtime takes 807 µs for
/// `Conv` and 45 µs for `ConvTranspose`; 3×3 from 32 channels to 3 or 32 at 32×32, 340 and 81 µs, 471 and 685 µs. (For
/// strides, one `Conv` that makes all stride² phases and a `DepthToSpace` was 1.1 to 6 times slower than `ConvTranspose`
/// for all shapes tried.)
pub fn reverses(made: Dim, groups: usize) -> bool {
    match made {
        Dim::Known(made) => made >= 16 || made == 1 && groups > 1,
        Dim::Batch(_) => false,
    }
}

/// Whether the adjoint of the weights is made of matrix products, not a convolution over the batch.
///
/// ONNX Runtime takes 1.5 ms for 32 images of 16 channels at 32×32, 16 channels out, 3×3 taps; 2.0 ms with a product for
/// each tap, 3 to 5 ms with all nine images together, as they leave the cache, and 7.0 ms for one convolution over the
/// batch. Many taps on few channels, or strides between them, make the convolution faster: 0.43 ms instead of 0.68 ms for
/// 4×4 taps of stride 2 from 16 channels at 14×14 to 32.
pub fn multiplies(inputs: usize, axes: &[Axis]) -> bool {
    let taps: usize = axes.iter().map(|axis| axis.taps).product();
    taps <= 9 || inputs >= 16 && taps <= MANY_TAPS && axes.iter().all(|axis| axis.stride == 1)
}
