//! An ONNX graph as a value, and the transforms Kennard is made of.
//!
//! A classifier is an ONNX graph, and everything one needs from it is a transform `Graph → Graph`:
//! the input gradient, a loss, a normalisation in front. The result is plain ONNX, so an ordinary
//! runtime executes it.
//!
//! Read a model, append a loss, differentiate, and write the gradient as a file:
//!
//! ```no_run
//! use kennard_graph::{Graph, Loss, gradient, with_loss};
//!
//! let model = Graph::load("model.onnx")?;
//! let loss = with_loss(&model, Loss::CrossEntropy)?;
//! let input = &model.single_input()?.name;
//! gradient(&loss, Graph::LOSS, &[input])?.save("gradient.onnx")?;
//! # Ok::<(), kennard_graph::GraphError>(())
//! ```
//!
//! Build a graph, in which arithmetic appends nodes, and differentiate it:
//!
//! ```
//! use kennard_graph::{Builder, DType, Graph, Shape, TensorType, gradient, gradient_name};
//!
//! let builder = Builder::new(&Graph::default())?;
//! let x = builder.input("x", TensorType::new(DType::F32, Shape::fixed(&[3])));
//! builder.output("y", (x * x).reduce("ReduceSum", &[0], false));
//! let square = builder.finish()?;
//!
//! let both = gradient(&square, "y", &["x"])?;
//! let names: Vec<&str> = both.outputs.iter().map(|output| output.name.as_str()).collect();
//! assert_eq!(names, ["y", &gradient_name("x")]);
//! assert_eq!(both.outputs[1].ty.shape, Shape::fixed(&[3]));
//! # Ok::<(), kennard_graph::GraphError>(())
//! ```
//!
//! Every graph in memory is at one operator set, [`OPSET`]; [`Graph::load`] brings older and newer
//! files there. The batch is the only symbolic dimension ([`Dim::Batch`]).

#![warn(missing_docs)]

mod adapt;
mod blocks;
mod bound;
mod builder;
mod cut;
mod define;
mod error;
pub mod files;
mod fold;
mod gradient;
mod graph;
mod infer;
mod key;
mod loss;
mod machine;
mod names;
mod onnx;
mod parts;
mod relax;
mod simplify;
mod tensor;
mod train;
mod trees;
mod types;
mod upgrade;
mod window;

pub use half;
pub use ndarray;

pub use adapt::{
    against, flatten_output, log_odds, log_probabilities, nhwc, normalize, numbers, reshape_input, scale,
    second_of_two, stretch, strip_sigmoid, strip_softmax, temper,
};
pub use blocks::operator_of;
pub use bound::{Hidden, Method, Patch, Region, Sloped, Stages, Window, bound, forward_error, is_affine};
pub use builder::{Builder, Var};
pub use cut::{Cut, cut};
pub use define::{define, is_defined};
pub use error::{GraphError, Result};
pub use fold::fold;
pub use gradient::{gradient, gradient_name, has_rule, is_flat, undifferentiable};
pub use graph::{Attribute, Graph, Node, OPSET, Value};
pub use infer::{Types, infer};
pub use loss::{Loss, with_loss};
pub use names::Names;
pub use onnx::{Ends, ModelFile};
pub use parts::Parts;
pub use relax::{relaxed_input, whole_input};
pub use simplify::{simplify, simplify_keeping};
pub use tensor::{DType, Tensor};
pub use train::{
    Objective, Open, Statistics, attack_step, divergence_step, statistics, trainable, training_step,
};
pub use trees::{Tree, TreeNode, Trees};
pub use types::{Dim, Shape, TensorType};
