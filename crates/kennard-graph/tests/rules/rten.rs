use std::collections::BTreeMap;

use kennard_graph::{Graph, Tensor, define};
use ndarray::{ArcArray, ArrayD, IxDyn};
use rten::{Model, NodeId, Value};

/// Operators that rten lacks or, `Pow`, has for some types only.
const LACKING: &[&str] = &[
    "Celu",
    "Col2Im",
    "Dropout",
    "GroupNormalization",
    "Hardmax",
    "LRN",
    "MeanVarianceNormalization",
    "Mish",
    "Pow",
    "Selu",
    "Shrink",
    "ThresholdedRelu",
];

/// A graph loaded by rten, the operators it lacks spelled out.
pub struct Runner {
    model: Model,
    inputs: Vec<(String, NodeId)>,
    outputs: Vec<(String, NodeId)>,
}

impl Runner {
    pub fn new(graph: &Graph) -> Result<Runner, String> {
        let graph = &define(graph, |node| LACKING.contains(&node.op.as_str())).map_err(|e| e.to_string())?;
        let model = Model::load(graph.to_bytes()).map_err(|e| format!("rten cannot load it: {e}"))?;
        let find =
            |name: &String| model.node_id(name).map(|id| (name.clone(), id)).map_err(|e| e.to_string());
        let inputs = graph.inputs.iter().map(|v| find(&v.name)).collect::<Result<_, _>>()?;
        let outputs = graph.outputs.iter().map(|v| find(&v.name)).collect::<Result<_, _>>()?;
        Ok(Runner { model, inputs, outputs })
    }

    /// The float outputs by name.
    pub fn run(&self, values: &BTreeMap<String, Tensor>) -> Result<BTreeMap<String, ArrayD<f32>>, String> {
        let inputs = self.inputs.iter().map(|(name, id)| (*id, value(&values[name]).into())).collect();
        let ids: Vec<NodeId> = self.outputs.iter().map(|(_, id)| *id).collect();
        let outputs = self.model.run(inputs, &ids, None).map_err(|e| format!("rten cannot run it: {e}"))?;
        let named = self.outputs.iter().zip(outputs);
        let floats = named.filter_map(|((name, _), value)| Some((name.clone(), value.into_tensor::<f32>()?)));
        let arrays = floats.map(|(name, tensor)| {
            let shape = IxDyn(rten_tensor::Layout::shape(&tensor));
            (name, ArrayD::from_shape_vec(shape, tensor.into_data()).unwrap())
        });
        Ok(arrays.collect())
    }
}

/// rten has no integers of 16 or 64 bits and no truth values: all become 32-bit integers.
fn value(tensor: &Tensor) -> Value {
    fn to<T: Clone, U>(array: &ArcArray<T, IxDyn>, convert: impl Fn(T) -> U) -> rten_tensor::Tensor<U> {
        rten_tensor::Tensor::from_data(array.shape(), array.iter().cloned().map(convert).collect::<Vec<U>>())
    }
    match tensor {
        Tensor::F32(a) => to(a, |v| v).into(),
        Tensor::F64(a) => to(a, |v| v as f32).into(),
        Tensor::F16(a) => to(a, f32::from).into(),
        Tensor::I64(a) => to(a, |v| i32::try_from(v).unwrap()).into(),
        Tensor::I32(a) => to(a, |v| v).into(),
        Tensor::I8(a) => to(a, |v| v).into(),
        Tensor::U8(a) => to(a, |v| v).into(),
        Tensor::I16(a) => to(a, i32::from).into(),
        Tensor::U16(a) => to(a, i32::from).into(),
        Tensor::Bool(a) => to(a, i32::from).into(),
    }
}
