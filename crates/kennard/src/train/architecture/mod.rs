//! Networks to train, chosen by name, as graphs.

mod layers;
mod residual;
mod transformer;

use std::fmt;
use std::str::FromStr;

use kennard_graph::{Builder, DType, Dim, Graph, Shape, TensorType, normalize};

pub use self::layers::Kept;
use self::layers::{Layers, Size};
use crate::{Error, RequestError, Result};

/// A network by its name and sizes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Architecture {
    /// `mlp:256,256`: dense layers of these widths, ReLU between them.
    Mlp(Vec<usize>),
    /// `cnn:16`: two 4×4 convolutions of stride 2 with W and 2W channels, a dense layer of 25/4·W, and the
    /// logits, ReLU between them: the four-layer network of the robustness literature (Wong & Kolter 2018,
    /// arXiv 1711.00851), which has W = 16.
    Cnn(usize),
    /// `cnn4:32`: 3×3 convolutions with W and 2W channels, each followed by a 4×4 convolution of stride 2, two dense layers
    /// of 16·W, and the logits, ReLU between them: the medium network of Gowal et al. 2018 (arXiv 1810.12715, table 1),
    /// which has W = 32.
    Cnn4(usize),
    /// `resnet20:16`: depth 6n + 2, with W, 2W and 4W channels in stages of n blocks (He et al. 2016, arXiv
    /// 1512.03385, section 4.2; where the channels change, a 1×1 convolution is the shortcut).
    ResNet {
        /// 6n + 2
        depth: usize,
        /// W
        width: usize,
    },
    /// `wrn16-4`: depth 6n + 4 with 16·K, 32·K and 64·K channels, normalised before each convolution (Zagoruyko
    /// & Komodakis 2016, arXiv 1605.07146).
    WideResNet {
        /// 6n + 4
        depth: usize,
        /// K
        factor: usize,
    },
    /// `vit:6,64`: a vision transformer of this many layers and dimensions, 4 heads, on 4×4 patches (Dosovitskiy
    /// et al. 2021, arXiv 2010.11929; the mean of all positions is classified).
    Transformer {
        /// Layers.
        depth: usize,
        /// Dimensions of a position.
        width: usize,
    },
}

/// The names, for messages.
const NAMES: &str = "mlp:256,256, cnn:16, cnn4:32, resnet8, resnet20:16, wrn16-4, vit:6,64";

impl FromStr for Architecture {
    type Err = Error;

    fn from_str(text: &str) -> Result<Architecture> {
        let unknown =
            || Error::Unknown { what: "architecture", name: text.into(), nearest: None, known: NAMES.into() };
        let number =
            |text: &str| text.parse::<usize>().ok().filter(|n| (1..=65_536).contains(n)).ok_or_else(unknown);
        let (name, sizes) = text.split_once(':').map_or((text, None), |(name, sizes)| (name, Some(sizes)));
        let sizes: Option<Vec<usize>> =
            sizes.map(|sizes| sizes.split(',').map(number).collect::<Result<_>>()).transpose()?;
        let one = |default: usize| match sizes.as_deref() {
            None => Ok(default),
            Some(&[size]) => Ok(size),
            _ => Err(unknown()),
        };
        let blocks = |depth: usize, rest: usize| -> Result<usize> {
            match depth {
                depth if depth > rest && (depth - rest).is_multiple_of(6) => Ok(depth),
                size => {
                    let (what, why) = (format!("the depth of `{text}`"), format!(" and {rest} more"));
                    Err(RequestError::Undividable { what, size, by: 6, why }.into())
                }
            }
        };
        match name {
            "mlp" => Ok(Architecture::Mlp(sizes.unwrap_or_else(|| vec![256, 256]))),
            "cnn" => Ok(Architecture::Cnn(one(16)?)),
            "cnn4" => Ok(Architecture::Cnn4(one(32)?)),
            "vit" => match sizes.as_deref() {
                None => Ok(Architecture::Transformer { depth: 6, width: 64 }),
                Some(&[depth, width]) if width.is_multiple_of(transformer::HEADS) => {
                    Ok(Architecture::Transformer { depth, width })
                }
                Some(&[_, size]) => Err(RequestError::Undividable {
                    what: format!("the width of `{text}`"),
                    size,
                    by: transformer::HEADS,
                    why: ", its number of heads".into(),
                }
                .into()),
                _ => Err(unknown()),
            },
            name => {
                if let Some(depth) = name.strip_prefix("resnet") {
                    return Ok(Architecture::ResNet { depth: blocks(number(depth)?, 2)?, width: one(16)? });
                }
                let (depth, factor) =
                    name.strip_prefix("wrn").and_then(|sizes| sizes.split_once('-')).ok_or_else(unknown)?;
                let (depth, factor) = (blocks(number(depth)?, 4)?, number(factor)?);
                if sizes.is_some() { Err(unknown()) } else { Ok(Architecture::WideResNet { depth, factor }) }
            }
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Architecture::Mlp(widths) => {
                let widths: Vec<String> = widths.iter().map(usize::to_string).collect();
                write!(f, "mlp:{}", widths.join(","))
            }
            Architecture::Cnn(width) => write!(f, "cnn:{width}"),
            Architecture::Cnn4(width) => write!(f, "cnn4:{width}"),
            Architecture::ResNet { depth, width } => write!(f, "resnet{depth}:{width}"),
            Architecture::WideResNet { depth, factor } => write!(f, "wrn{depth}-{factor}"),
            Architecture::Transformer { depth, width } => write!(f, "vit:{depth},{width}"),
        }
    }
}

impl Architecture {
    /// Whether it normalises by batches.
    pub fn normalizes(&self) -> bool {
        matches!(self, Architecture::ResNet { .. } | Architecture::WideResNet { .. })
    }

    /// The untrained network for samples of `shape` (`[C, H, W]`, for `mlp` any), its weights drawn from
    /// `seed`, as large as `kept` says: input `image [N, …shape]`, output `logits [N, classes]`. Where `statistics` are
    /// given, mean and standard deviation of each channel, the image is normalised by them first.
    ///
    /// # Errors
    /// When samples of this shape cannot be its input.
    pub fn build(
        &self,
        shape: &[usize],
        classes: usize,
        statistics: Option<(&[f32], &[f32])>,
        kept: Kept,
        seed: u64,
    ) -> Result<Graph> {
        let builder = Builder::new(&Graph { name: self.to_string(), ..Graph::default() })?;
        let dims = [Dim::BATCH].into_iter().chain(shape.iter().map(|&n| Dim::Known(n)));
        let image = builder.input("image", TensorType::new(DType::F32, Shape(dims.collect())));
        let layers = Layers::new(&builder, kept, seed);
        let logits = match self {
            Architecture::Mlp(widths) => {
                let mut x = image.reshape(&Shape(vec![Dim::BATCH, Dim::Known(shape.iter().product())]));
                for (i, &width) in widths.iter().enumerate() {
                    x = layers.dense(&format!("dense{}", i + 1), x, width, Size::He)?.apply("Relu");
                }
                layers.dense("logits", x, classes, Size::Xavier)?
            }
            Architecture::Cnn(width) => {
                self.check(shape, 8)?;
                let x = layers.conv("conv1", image, *width, 4, 2, 1)?.apply("Relu");
                let x = layers.conv("conv2", x, 2 * width, 4, 2, 1)?.apply("Relu");
                let x = layers
                    .dense("dense1", layers.flat(x)?, (25 * width).div_ceil(4), Size::He)?
                    .apply("Relu");
                layers.dense("logits", x, classes, Size::Xavier)?
            }
            Architecture::Cnn4(width) => {
                self.check(shape, 8)?;
                let mut x = image;
                for (i, channels) in [*width, 2 * width].into_iter().enumerate() {
                    x = layers.conv(&format!("conv{}", 2 * i + 1), x, channels, 3, 1, 1)?.apply("Relu");
                    x = layers.conv(&format!("conv{}", 2 * i + 2), x, channels, 4, 2, 1)?.apply("Relu");
                }
                x = layers.dense("dense1", layers.flat(x)?, 16 * width, Size::He)?.apply("Relu");
                x = layers.dense("dense2", x, 16 * width, Size::He)?.apply("Relu");
                layers.dense("logits", x, classes, Size::Xavier)?
            }
            Architecture::ResNet { depth, width } => {
                self.check(shape, 8)?;
                residual::resnet(&layers, image, (depth - 2) / 6, *width, classes)?
            }
            Architecture::WideResNet { depth, factor } => {
                self.check(shape, 8)?;
                residual::wide(&layers, image, (depth - 4) / 6, *factor, classes)?
            }
            Architecture::Transformer { depth, width } => {
                self.check(shape, transformer::PATCH)?;
                if let Some(&size) = shape[1..].iter().find(|n| !n.is_multiple_of(transformer::PATCH)) {
                    return Err(RequestError::Undividable {
                        what: format!("a side of the images for `{self}`"),
                        size,
                        by: transformer::PATCH,
                        why: ", the side of the patches that they are cut into".into(),
                    }
                    .into());
                }
                transformer::transformer(&layers, image, *depth, *width, classes)?
            }
        };
        builder.output("logits", logits);
        let graph = builder.finish()?;
        Ok(match statistics.filter(|(mean, _)| shape.len() == 3 && mean.len() == shape[0]) {
            Some((mean, std)) => normalize(&graph, mean, std)?,
            None => graph,
        })
    }

    fn check(&self, shape: &[usize], smallest: usize) -> Result<()> {
        match *shape {
            [_, h, w] if h >= smallest && w >= smallest => Ok(()),
            _ => Err(Error::NoImages {
                reader: format!("`{self}` needs"),
                smallest,
                shape: shape.to_vec(),
                instead: "`mlp` takes any shape",
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bounds of a network that is drawn for them stay within a factor of the input's width, where the same network drawn for
    /// its activations widens them by five orders of magnitude.
    #[test]
    fn intervals_of_weights_for_bounds_do_not_grow() {
        let network: Architecture = "cnn4:8".parse().unwrap();
        // The mean width behind a layer and a ReLU over that in front of it is half the sum of a row's |weights|.
        let widened = |graph: &Graph| {
            let weights = graph.constants.iter().filter(|(name, _)| name.ends_with(".weight"));
            let per_layer = weights.map(|(_, w)| {
                w.to_floats().unwrap().iter().map(|w| w.abs()).sum::<f64>() / w.shape()[0] as f64 / 2.0
            });
            per_layer.product::<f64>()
        };
        let drawn = |kept| widened(&network.build(&[1, 28, 28], 10, None, kept, 0).unwrap());
        let bounded = drawn(Kept::Intervals);
        let plain = drawn(Kept::Activations);
        // √(inputs/π) per layer, of 9, 128, 72, 256, 784, 128 inputs, and √(inputs/2π) of the logits' 128.
        assert!((0.8..1.25).contains(&bounded), "{bounded}");
        assert!(plain > 1e5, "{plain}");
    }

    #[test]
    fn names_are_read_and_written() {
        for name in
            ["mlp:256,256", "mlp:8", "cnn:16", "cnn4:32", "resnet8:4", "resnet20:16", "wrn16-4", "vit:6,64"]
        {
            assert_eq!(name.parse::<Architecture>().unwrap().to_string(), name);
        }
        assert_eq!("resnet20".parse::<Architecture>().unwrap().to_string(), "resnet20:16");
        for name in ["", "resnet", "resnet21", "wrn16", "wrn15-2", "cnn:0", "cnn:1,2", "vit:2,63", "lenet"] {
            let message = name.parse::<Architecture>().unwrap_err().to_string();
            assert!(message.contains("known are") || message.contains("multiple"), "{name}: {message}");
        }
    }

    /// Counted by hand: He et al. give ResNet-20 0.27 M with 16 channels; here the two 1×1 shortcuts add.
    #[test]
    fn networks_have_their_weights() {
        let count = |name: &str, shape: &[usize]| {
            let graph = name.parse::<Architecture>().unwrap().build(shape, 10, None, Kept::Activations, 0);
            let graph = graph.unwrap();
            let trained = kennard_graph::trainable(&graph);
            trained.iter().map(|name| graph.constants[name].len()).sum::<usize>()
        };
        assert_eq!(count("mlp:100", &[784]), 784 * 100 + 100 + 1000 + 10);
        assert_eq!(count("cnn", &[1, 28, 28]), 166_406);
        // By hand: 320 + 16 416 + 18 496 + 65 600 in the convolutions, 1 606 144 + 262 656 + 5 130 behind them.
        assert_eq!(count("cnn4", &[1, 28, 28]), 1_974_762);
        let shortcuts = 16 * 32 + 32 * 64 + 2 * (32 + 64);
        assert_eq!(count("resnet20", &[3, 32, 32]), 269_722 + shortcuts);
    }
}
