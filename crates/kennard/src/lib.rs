//! Accuracy, robustness, and the uncertainty relation between them, for any ONNX classifier.
//!
//! # An audit
//!
//! A [`Classifier`] fits a model to the data, an [`Engine`](engine::Engine) runs it on all cores, and an
//! [`Audit`](audit::Audit) measures it.
//!
//! ```no_run
//! use std::path::Path;
//! use std::sync::atomic::AtomicBool;
//!
//! use kennard::attack::Version;
//! use kennard::audit::Audit;
//! use kennard::data::{DataSet, Options};
//! use kennard::engine::{Engine, EngineOptions};
//! use kennard::run::ModelSummary;
//! use kennard::{Classifier, Graph, Norm, Preprocessing, Runtime, RuntimeChoice, ThreatModel};
//!
//! let model = Path::new("model.onnx");
//! let data = DataSet::open(&"npz:images.npy,labels.npy".parse()?, &Options::default())?;
//! let classifier = Classifier::new(&Graph::load(model)?, data.shape(), &Preprocessing::default())?;
//! let runtime = Runtime::open(RuntimeChoice::Auto)?;
//! let engine = Engine::new(classifier, runtime, &EngineOptions::default())?;
//! let threat = ThreatModel::new(Norm::Linf, 8.0 / 255.0)?;
//! let attacks = Version::Standard.attacks(threat.norm);
//! let audit = Audit { attacks, ..Audit::new(ModelSummary::of_file(model, engine.classifier())?, &engine, &data, threat) };
//! let outcome = audit.run(&AtomicBool::new(false), |_| ())?;
//! println!("{:?}", outcome.summary.clean.accuracy);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # An attack of one's own
//!
//! [`attack`] shows one, and [`attack::Trial`] tries it on a function in place of a model. To audit with it, put it into
//! [`Audit::attacks`](audit::Audit::attacks).
//!
//! # A gradient
//!
//! A loss and its gradient are transforms of the [`graph`], and the result is a graph like any other.
//!
//! ```
//! use kennard::graph::{Builder, DType, Dim, Graph, Loss, TensorType, gradient, with_loss};
//! use kennard::runtime::{Choice, Input, Runtime};
//!
//! // Two classes whose logits are the elements of the input.
//! let builder = Builder::new(&Graph::default())?;
//! let x = builder.input("x", TensorType::new(DType::F32, vec![Dim::BATCH, Dim::Known(2)]));
//! builder.output("logits", x.apply("Identity"));
//! let model = builder.finish()?;
//!
//! // How far another class leads over class 0, and the gradient of that.
//! let graph = gradient(&with_loss(&model, Loss::Margin)?, Graph::LOSS, &["x"])?.with_batch(1);
//! let runtime = Runtime::open(Choice::Rten)?;
//! let mut session = runtime.compile(&graph, &runtime.threads(1))?;
//! let mut outputs = Vec::new();
//! session.run(&[Input::F32(&[0.25, 0.5]), Input::I64(&[0])], &mut outputs)?;
//! assert_eq!(outputs, [vec![0.25, 0.5], vec![0.25], vec![-1.0, 1.0]]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # A packet
//!
//! A wave packet of a loss around a point has a spread of the input and one of the log-gradient, and their product is at
//! least ½.
//!
//! ```
//! use std::convert::Infallible;
//!
//! use kennard::packet::{GaussianPacket, LogOdds};
//!
//! /// The log-odds loss of a linear classifier of two elements: the first, with the opposite sign.
//! struct Linear;
//!
//! impl LogOdds for Linear {
//!     type Error = Infallible;
//!
//!     fn batch_size(&self) -> usize {
//!         16
//!     }
//!
//!     fn evaluate(
//!         &mut self,
//!         points: &[f32],
//!         _label: usize,
//!         log_odds: &mut [f32],
//!         gradient: &mut [f32],
//!     ) -> Result<(), Infallible> {
//!         for (n, x) in points.chunks_exact(2).enumerate() {
//!             log_odds[n] = -x[0];
//!             gradient[2 * n..2 * n + 2].copy_from_slice(&[-1.0, 0.0]);
//!         }
//!         Ok(())
//!     }
//! }
//!
//! let packet = GaussianPacket { scale: 0.1, samples: 10_000, seed: 0 };
//! let measured = packet.measure(&[0.0, 0.0], 0, 0, &mut Linear)?;
//! assert!(measured.spreads.product.value > 0.49);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![warn(missing_docs)]

mod advice;
mod answer;
pub mod attack;
pub mod audit;
pub mod calibration;
pub mod certify;
mod classifier;
pub mod distance;
pub mod engine;
mod error;
pub mod experiment;
pub mod export;
mod figure;
pub mod packet;
pub mod picture;
pub mod probe;
pub mod quadrature;
mod random;
#[cfg(feature = "report")]
pub mod report;
pub mod run;
pub mod smoothing;
pub mod stats;
pub mod survey;
mod threat;
pub mod train;
mod warning;
mod workers;

pub use advice::{Advice, Mark};
pub use answer::{is_answer, margin, predict};
pub use arrow_array;
pub use classifier::{Classifier, OwnLabel, Preprocessing};
pub use error::{Error, Mismatch, PacketError, RequestError, Result, SampleError, ThreatError};
pub use figure::{Basis, Figure};
pub use kennard_data as data;
pub use kennard_graph as graph;
pub use kennard_graph::Graph;
pub use kennard_runtime as runtime;
pub use kennard_runtime::{Choice as RuntimeChoice, Precision, Runtime};
pub use rand;
pub use serde_json;
pub use threat::{Boxes, Lattice, Norm, ThreatModel, parse_number};
