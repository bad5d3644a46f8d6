//! rten: pure Rust, built in.

mod guard;
mod plain;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use kennard_graph::{DType, Graph, Node, simplify};
use rten::{Model, ModelOptions, NodeId, RunOptions, ThreadPool, Value, ValueOrView, ValueView};

use guard::guard;
pub use guard::lend;
use plain::plain;
#[cfg(feature = "openvino")]
pub use plain::plain_resize;

use crate::input::{Input, narrowed};
use crate::{Result, RuntimeError, on_deep_stack, prepare};

pub const NAME: &str = "rten";
pub const VERSION: &str = env!("RTEN_VERSION");

/// Whether an operator is of another domain than the standard's.
pub fn is_foreign(node: &Node) -> bool {
    node.op.contains("::")
}

/// What nodes gave, by the names of tensors.
pub type Kept = HashMap<String, Vec<f64>>;

pub struct RtenProgram {
    model: Model,
    inputs: Vec<Port>,
    outputs: Vec<NodeId>,
    options: RunOptions,
    /// Whether a graph that should have been run as given is simplified.
    pub simplified: bool,
}

struct Port {
    id: NodeId,
    shape: Vec<usize>,
    /// rten has no 64-bit integers; they are narrowed here.
    narrow: Vec<i32>,
}

impl RtenProgram {
    pub fn compile(graph: &Graph, threads: Option<Arc<ThreadPool>>) -> Result<RtenProgram> {
        RtenProgram::made(&simplify(&plain(graph)?)?, threads)
    }

    /// The same without simplification, where rten runs the graph so.
    pub fn compile_as_given(graph: &Graph, threads: Option<Arc<ThreadPool>>) -> Result<RtenProgram> {
        let plain = plain(graph)?;
        match RtenProgram::load(&plain, threads.clone(), true) {
            Ok(program) if program.try_out(&plain, &program.outputs).is_ok() => Ok(program),
            _ => Ok(RtenProgram { simplified: true, ..RtenProgram::compile(graph, threads)? }),
        }
    }

    /// Loaded and tried out on zeros, so that an operator which rten does not run is found before the work.
    fn made(graph: &Graph, threads: Option<Arc<ThreadPool>>) -> Result<RtenProgram> {
        let program = RtenProgram::load(graph, threads.clone(), true)?;
        let Err(message) = program.try_out(graph, &program.outputs) else { return Ok(program) };
        if !matches!(graph.inputs.as_slice(), [image] if image.ty.dtype.is_float()) {
            // Zero may be no value that an input can have: a step, a scale, or an axis.
            return Ok(program);
        }
        // Nodes that rten puts together have no names; without that they can be told apart.
        let plain = RtenProgram::load(graph, threads, false)?;
        Err(refused(match plain.culprit(graph) {
            Some(node) => format!("node `{}` ({}): {message}", node.label(), node.op),
            None => message,
        }))
    }

    /// The first node that fails on zeros, by bisection.
    fn culprit<'g>(&self, graph: &'g Graph) -> Option<&'g Node> {
        let id = |node: &Node| node.outputs.first().and_then(|name| self.model.node_id(name).ok());
        let ids: Vec<NodeId> = graph.nodes.iter().map(id).collect::<Option<_>>()?;
        let (mut good, mut bad) = (0, graph.nodes.len());
        self.try_out(graph, &ids).err()?;
        while good + 1 < bad {
            let middle = (good + bad) / 2;
            match self.try_out(graph, &ids[..middle]) {
                Ok(()) => good = middle,
                Err(_) => bad = middle,
            }
        }
        graph.nodes.get(bad - 1)
    }

    /// Computes some tensors of zeros.
    fn try_out(&self, graph: &Graph, wanted: &[NodeId]) -> Result<(), String> {
        let length = |port: &Port| port.shape.iter().product::<usize>();
        let most = self.inputs.iter().map(length).max().unwrap_or(0);
        let (floats, ints) = (vec![0.0f32; most], vec![0i32; most]);
        let mut views: Vec<(NodeId, ValueOrView)> = Vec::new();
        for (port, value) in self.inputs.iter().zip(&graph.inputs) {
            let view = match value.ty.dtype {
                DType::I64 => {
                    ValueView::from_shape(&port.shape, &ints[..length(port)]).map_err(|e| e.to_string())
                }
                _ => ValueView::from_shape(&port.shape, &floats[..length(port)]).map_err(|e| e.to_string()),
            };
            views.push((port.id, view?.into()));
        }
        // The plan of a run is made by recursion, once, on the thread that asks; these are threads that no one
        // waits on meanwhile.
        let pool = Arc::new(ThreadPool::with_num_threads(1));
        let options = RunOptions::default().with_thread_pool(Some(pool));
        let run = || self.model.run(views, wanted, Some(options)).map_err(|e| e.to_string());
        on_deep_stack(|| guard(run)).map(drop)
    }

    fn load(graph: &Graph, threads: Option<Arc<ThreadPool>>, optimize: bool) -> Result<RtenProgram> {
        let load = || {
            let mut options = ModelOptions::with_all_ops();
            options.prepack_weights(true).enable_optimization(optimize);
            options.load(prepare::bytes(graph)).map_err(|e| e.to_string())
        };
        let model =
            on_deep_stack(|| guard(load)).map_err(|message| refused(prepare::placed(graph, message)))?;
        let id = |name: &str| model.node_id(name).map_err(|e| refused(e.to_string()));
        let port = |v: &kennard_graph::Value| {
            let shape = v.ty.shape.known().unwrap_or_default();
            Ok(Port { id: id(&v.name)?, shape, narrow: Vec::new() })
        };
        let inputs = graph.inputs.iter().map(port).collect::<Result<_>>()?;
        let outputs = graph.outputs.iter().map(|v| id(&v.name)).collect::<Result<_>>()?;
        let options = RunOptions::default().with_thread_pool(threads);
        Ok(RtenProgram { model, inputs, outputs, options, simplified: false })
    }

    /// The wanted tensors of a graph for an input, node by node; nothing where rten does not run it so.
    pub fn node_by_node(graph: &Graph, input: &[f32], wanted: &HashSet<&str>) -> Option<Kept> {
        RtenProgram::every_node(&plain(graph).ok()?, input, wanted)
    }

    /// The same with rten's own kernels alone.
    pub fn every_node(graph: &Graph, input: &[f32], wanted: &HashSet<&str>) -> Option<Kept> {
        let program = RtenProgram::load(graph, None, false).ok()?;
        let made =
            graph.nodes.iter().flat_map(|node| &node.outputs).filter(|name| wanted.contains(name.as_str()));
        let named: Vec<(String, NodeId)> =
            made.filter_map(|name| Some((name.clone(), program.model.node_id(name).ok()?))).collect();
        let ids: Vec<NodeId> = named.iter().map(|(_, id)| *id).collect();
        let values = program.compute(input, &ids)?;
        let mut kept: Kept =
            named.into_iter().map(|(name, _)| name).zip(values.into_iter().map(wide)).collect();
        let fed = graph.inputs.first()?;
        kept.insert(fed.name.clone(), input.iter().map(|&v| v.into()).collect());
        Some(kept)
    }

    /// What a graph as rten optimises it returns for an input; nothing where rten does not run it.
    pub fn optimised(graph: &Graph, input: &[f32]) -> Option<Vec<Vec<f32>>> {
        let program = RtenProgram::load(&plain(graph).ok()?, None, true).ok()?;
        let values = program.compute(input, &program.outputs)?;
        values
            .into_iter()
            .map(|value| if let Value::FloatTensor(t) = value { Some(t.into_data()) } else { None })
            .collect()
    }

    fn compute(&self, input: &[f32], wanted: &[NodeId]) -> Option<Vec<Value>> {
        let [port] = self.inputs.as_slice() else { return None };
        let view = ValueView::from_shape(&port.shape, input).ok()?;
        let pool = Arc::new(ThreadPool::with_num_threads(1));
        let options = RunOptions::default().with_thread_pool(Some(pool));
        let views: Vec<(NodeId, ValueOrView)> = vec![(port.id, view.into())];
        let run = || self.model.run(views, wanted, Some(options)).map_err(|e| e.to_string());
        on_deep_stack(|| guard(run)).ok()
    }

    pub fn run(&mut self, inputs: &[Input<'_>], outputs: &mut [Vec<f32>]) -> Result<()> {
        for (port, input) in self.inputs.iter_mut().zip(inputs) {
            if let Input::I64(data) = input {
                port.narrow.clear();
                for &v in *data {
                    port.narrow.push(narrowed(v).map_err(failed)?);
                }
            }
        }
        let mut views: Vec<(NodeId, ValueOrView)> = Vec::with_capacity(inputs.len());
        for (port, input) in self.inputs.iter().zip(inputs) {
            let view = match input {
                Input::F32(data) => ValueView::from_shape(&port.shape, data).map_err(|e| e.to_string()),
                Input::I64(_) => ValueView::from_shape(&port.shape, &port.narrow).map_err(|e| e.to_string()),
            };
            views.push((port.id, view.map_err(failed)?.into()));
        }
        let options = self.options.clone();
        let values = guard(|| self.model.run(views, &self.outputs, Some(options)).map_err(|e| e.to_string()))
            .map_err(failed)?;
        for (output, value) in outputs.iter_mut().zip(values) {
            match value {
                Value::FloatTensor(tensor) => *output = tensor.into_data(),
                other => return Err(failed(format!("an output is no float tensor but {}", other.dtype()))),
            }
        }
        Ok(())
    }
}

/// The elements of a value; none of what is no tensor of numbers.
fn wide(value: Value) -> Vec<f64> {
    match value {
        Value::FloatTensor(tensor) => tensor.into_data().into_iter().map(f64::from).collect(),
        Value::Int32Tensor(tensor) => tensor.into_data().into_iter().map(f64::from).collect(),
        Value::Int8Tensor(tensor) => tensor.into_data().into_iter().map(f64::from).collect(),
        Value::UInt8Tensor(tensor) => tensor.into_data().into_iter().map(f64::from).collect(),
        _ => Vec::new(),
    }
}

fn refused(message: String) -> RuntimeError {
    RuntimeError::Compile { runtime: NAME, message }
}

fn failed(message: String) -> RuntimeError {
    RuntimeError::Run { runtime: NAME, message }
}
