use std::cell::RefCell;
use std::collections::BTreeMap;

use kennard_graph::{Attribute, Builder, Dim, Graph, Shape, Tensor, TensorType, Var};
use ndarray::{ArrayD, IxDyn};
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

/// A graph, and where and how to differentiate it.
pub struct Case {
    /// `family/what is special`.
    pub name: String,
    pub graph: Graph,
    /// The value of every input and of every constant in `wrt`.
    pub values: BTreeMap<String, Tensor>,
    /// The tensors to differentiate with respect to: inputs or constants.
    pub wrt: Vec<String>,
    /// Whether the gradient is differentiated again.
    pub twice: bool,
    /// Whether rten has all the operators.
    pub rten: bool,
}

/// A case from what `build` puts into an empty graph.
pub fn case(name: &str, build: impl FnOnce(&Model)) -> Case {
    let builder = Builder::new(&Graph::default()).unwrap();
    let model = Model { builder, values: RefCell::default(), wrt: RefCell::default() };
    build(&model);
    let graph = model.builder.finish().unwrap_or_else(|error| panic!("{name}: {error}"));
    let (values, wrt) = (model.values.into_inner(), model.wrt.into_inner());
    Case { name: name.into(), graph, values, wrt, twice: true, rten: true }
}

impl Case {
    /// Without second derivatives.
    pub fn once(self) -> Case {
        Case { twice: false, ..self }
    }

    /// Only checked by `references/check_rules.py`: rten lacks the operator.
    pub fn without_rten(self) -> Case {
        Case { rten: false, ..self }
    }
}

/// A graph under construction, with values for its inputs.
pub struct Model {
    pub builder: Builder,
    values: RefCell<BTreeMap<String, Tensor>>,
    wrt: RefCell<Vec<String>>,
}

impl Model {
    /// An input; differentiated if it holds floats.
    pub fn input(&self, values: Tensor) -> Var<'_> {
        let shape = Shape::fixed(values.shape());
        self.insert(values, shape)
    }

    /// The same, with the first axis the batch.
    pub fn batched(&self, values: Tensor) -> Var<'_> {
        let mut shape = Shape::fixed(values.shape());
        shape.0[0] = Dim::BATCH;
        self.insert(values, shape)
    }

    fn insert(&self, values: Tensor, shape: Shape) -> Var<'_> {
        let var = self.builder.input("x", TensorType { dtype: values.dtype(), shape });
        if values.dtype().is_float() {
            self.wrt.borrow_mut().push(var.name());
        }
        self.values.borrow_mut().insert(var.name(), values);
        var
    }

    /// A constant that is differentiated.
    pub fn weight(&self, values: Tensor) -> Var<'_> {
        let var = self.builder.constant(values.clone());
        self.wrt.borrow_mut().push(var.name());
        self.values.borrow_mut().insert(var.name(), values);
        var
    }

    /// A constant that is not differentiated.
    pub fn constant(&self, values: Tensor) -> Var<'_> {
        self.builder.constant(values)
    }

    /// A vector of integers.
    pub fn ints(&self, values: &[i64]) -> Var<'_> {
        self.builder.ints(values)
    }

    /// A node with one output, which becomes an output of the graph.
    pub fn op(&self, op: &str, inputs: &[Var], attributes: &[(&str, Attribute)]) {
        let inputs: Vec<Option<Var>> = inputs.iter().copied().map(Some).collect();
        self.output(self.builder.op(op, &inputs, attributes));
    }

    /// Makes a tensor an output of the graph.
    pub fn output(&self, var: Var) {
        self.builder.output(&format!("output of {}", var.name()), var);
    }
}

/// Numbers drawn evenly from `low..high`; the same seed gives the same numbers.
pub fn uniform(shape: &[usize], low: f32, high: f32, seed: u64) -> Tensor {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    ArrayD::from_shape_simple_fn(IxDyn(shape), || rng.random_range(low..high)).into()
}

/// Numbers around 0 in random order, none closer to another than 0.1, none closer to 0 than 0.05: for
/// operators with kinks where elements are equal or 0.
pub fn spread(shape: &[usize], seed: u64) -> Tensor {
    let n: usize = shape.iter().product();
    let mut values: Vec<f32> = (0..n).map(|i| 0.1 * (i as f32 - (n / 2) as f32 + 0.5)).collect();
    values.shuffle(&mut Xoshiro256PlusPlus::seed_from_u64(seed));
    ArrayD::from_shape_vec(IxDyn(shape), values).unwrap().into()
}
