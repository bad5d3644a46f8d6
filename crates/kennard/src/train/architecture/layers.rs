use std::f64::consts::TAU;

use kennard_graph::{Attribute, Builder, Dim, Shape, Tensor, Var};
use ndarray::{ArrayD, IxDyn};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::random::stream;
use crate::{Error, Result};

/// The standard deviation that weights are drawn with.
#[derive(Clone, Copy, Debug)]
pub enum Size {
    /// `√(2/inputs)`, in front of a ReLU (He et al. 2015, arXiv 1502.01852).
    He,
    /// `√(1/inputs)`
    Xavier,
    /// This number.
    Fixed(f64),
}

/// What untrained layers keep, in the mean, as large as it was in front of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Activations, by the deviation `√(2/inputs)` in front of a ReLU (He et al. 2015, arXiv 1502.01852).
    Activations,
    /// Intervals, for training on their bounds: by the deviation `√(2π)/inputs` in front of a ReLU (Shi et al. 2021, arXiv 2103.17268, section 3.1); where
    /// activations are kept they grow by a factor of `√(inputs/π)` per layer.
    Intervals,
}

/// Layers with weights of their own, named after the layer: `conv1.weight`, `conv1.bias`.
pub struct Layers<'b> {
    builder: &'b Builder,
    kept: Kept,
    seed: u64,
}

impl<'b> Layers<'b> {
    pub fn new(builder: &'b Builder, kept: Kept, seed: u64) -> Layers<'b> {
        Layers { builder, kept, seed }
    }

    pub fn builder(&self) -> &'b Builder {
        self.builder
    }

    /// A weight that holds one number everywhere.
    pub fn constant(&self, name: &str, shape: &[usize], value: f32) -> Var<'b> {
        self.builder.named(name, Tensor::from(ArrayD::from_elem(IxDyn(shape), value)))
    }

    /// A weight drawn from a normal distribution by a stream of its own.
    pub fn normal(&self, name: &str, shape: &[usize], deviation: f64) -> Var<'b> {
        let mut random: ChaCha8Rng = stream(self.seed, &[], name);
        let draw = || {
            let v: f64 = StandardNormal.sample(&mut random);
            (deviation * v) as f32
        };
        self.builder.named(name, Tensor::from(ArrayD::from_shape_simple_fn(IxDyn(shape), draw)))
    }

    fn deviation(&self, size: Size, inputs: usize) -> f64 {
        match (size, self.kept) {
            (Size::Fixed(deviation), _) => deviation,
            (_, Kept::Intervals) => TAU.sqrt() / inputs as f64,
            (Size::He, Kept::Activations) => (2.0 / inputs as f64).sqrt(),
            (Size::Xavier, Kept::Activations) => (1.0 / inputs as f64).sqrt(),
        }
    }

    /// `x·Wᵀ + b` of the last axis, `x [N, inputs]`.
    pub fn dense(&self, name: &str, x: Var<'b>, outputs: usize, size: Size) -> Result<Var<'b>> {
        let inputs = extent(x, 1)?;
        let w = self.normal(&format!("{name}.weight"), &[outputs, inputs], self.deviation(size, inputs));
        let b = self.constant(&format!("{name}.bias"), &[outputs], 0.0);
        Ok(self.builder.op("Gemm", &[Some(x), Some(w), Some(b)], &[("transB", 1i64.into())]))
    }

    /// `x·W + b` of the last axis of `x [N, L, inputs]`.
    pub fn project(&self, name: &str, x: Var<'b>, outputs: usize, size: Size) -> Result<Var<'b>> {
        let inputs = extent(x, 2)?;
        let w = self.normal(&format!("{name}.weight"), &[inputs, outputs], self.deviation(size, inputs));
        Ok(x.with("MatMul", w) + self.constant(&format!("{name}.bias"), &[outputs], 0.0))
    }

    /// A convolution with bias, square kernel and equal margins.
    pub fn conv(
        &self,
        name: &str,
        x: Var<'b>,
        channels: usize,
        kernel: usize,
        stride: usize,
        pad: usize,
    ) -> Result<Var<'b>> {
        let b = self.constant(&format!("{name}.bias"), &[channels], 0.0);
        self.convolution(name, x, channels, [kernel, stride, pad], Some(b))
    }

    /// The same without bias, in front of a normalisation.
    pub fn bare_conv(
        &self,
        name: &str,
        x: Var<'b>,
        channels: usize,
        kernel: usize,
        stride: usize,
    ) -> Result<Var<'b>> {
        self.convolution(name, x, channels, [kernel, stride, kernel / 2], None)
    }

    fn convolution(
        &self,
        name: &str,
        x: Var<'b>,
        channels: usize,
        [kernel, stride, pad]: [usize; 3],
        bias: Option<Var<'b>>,
    ) -> Result<Var<'b>> {
        let inputs = extent(x, 1)?;
        let deviation = self.deviation(Size::He, inputs * kernel * kernel);
        let w = self.normal(&format!("{name}.weight"), &[channels, inputs, kernel, kernel], deviation);
        let twice = |n: usize| Attribute::from(vec![n as i64; 2]);
        let attributes = [
            ("kernel_shape", twice(kernel)),
            ("strides", twice(stride)),
            ("dilations", twice(1)),
            ("pads", vec![pad as i64; 4].into()),
            ("group", 1i64.into()),
        ];
        Ok(self.builder.op("Conv", &[Some(x), Some(w), bias], &attributes))
    }

    /// Batch normalisation of the channels.
    pub fn normalized(&self, name: &str, x: Var<'b>) -> Result<Var<'b>> {
        let channels = [extent(x, 1)?];
        let inputs = [("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)]
            .map(|(part, value)| Some(self.constant(&format!("{name}.{part}"), &channels, value)));
        let [scale, bias, mean, variance] = inputs;
        let epsilon = [("epsilon", 1e-5f32.into())];
        Ok(self.builder.op("BatchNormalization", &[Some(x), scale, bias, mean, variance], &epsilon))
    }

    /// `[N, …]` as `[N, elements]`.
    pub fn flat(&self, x: Var<'b>) -> Result<Var<'b>> {
        let elements = x.shape()?.0[1..].iter().map(|d| d.known().unwrap_or(1)).product();
        Ok(x.reshape(&Shape(vec![Dim::BATCH, Dim::Known(elements)])))
    }
}

/// A fixed extent.
pub fn extent(x: Var, axis: usize) -> Result<usize> {
    let shape = x.shape()?;
    let known = shape.0.get(axis).and_then(|dim| dim.known());
    known.ok_or_else(|| Error::Setting(format!("a layer's input {shape} has no axis {axis} of fixed extent")))
}
