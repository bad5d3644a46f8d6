//! Recurrent layers, step by step: `x [T, N, I]`, weights `W [D, G·H, I]` and `R [D, G·H, H]` of `D` directions and `G` gates,
//! biases `B [D, 2·G·H]`.

use crate::builder::Call;
use crate::{Attribute, Dim, Result, Tensor, Var};

/// Steps beyond these would make graphs of more nodes than anyone wants.
const LONGEST: usize = 1024;

/// All hidden states, the last one, and of an `LSTM` the last cell state.
pub(super) fn layer<'b>(c: &Call<'_, 'b>) -> Result<Vec<Var<'b>>> {
    let x = c.x(0);
    let shape = x.shape()?;
    let (Some(&Dim::Known(steps)), Dim::Known(hidden)) = (shape.0.first(), c.x(2).shape()?.0[2]) else {
        return Err(c.node.error("the length of its sequences is not fixed, so that it cannot be unrolled"));
    };
    if steps == 0 || steps > LONGEST {
        return Err(c
            .node
            .error(format!("sequences of {steps} steps cannot be unrolled, at most of {LONGEST}")));
    }
    check_lengths(c, steps)?;
    let directions: &[bool] = match c.node.text("direction", "forward") {
        "forward" => &[false],
        "reverse" => &[true],
        "bidirectional" => &[false, true],
        other => return Err(c.node.error(format!("its direction `{other}` is not in the ONNX standard"))),
    };
    let mut all = Vec::new();
    for (d, &reverse) in directions.iter().enumerate() {
        all.push(Cell::new(c, d, hidden)?.run(x, steps, reverse)?);
    }
    // [N, H] at each step and direction to [T, D, N, H].
    let line = |vars: Vec<Var<'b>>| {
        let vars: Vec<Option<Var>> = vars.into_iter().map(|v| Some(v.unsqueeze(&[0]))).collect();
        c.builder.op("Concat", &vars, &[("axis", Attribute::Int(0))])
    };
    let at = |t: usize| line(all.iter().map(|states| states.hidden[t]).collect());
    let every = line((0..steps).map(at).collect());
    let last = line(all.iter().map(|states| states.last).collect());
    let cell = line(all.iter().map(|states| states.cell.unwrap_or(states.last)).collect());
    Ok(vec![every, last, cell])
}

/// Sequences of different lengths are refused.
fn check_lengths(c: &Call, steps: usize) -> Result<()> {
    let Some(lengths) = c.optional(4) else { return Ok(()) };
    let known = lengths.as_constant().and_then(|lengths| lengths.to_ints()).or_else(|| lengths.as_ints());
    match known {
        Some(lengths) if lengths.iter().all(|&length| length == steps as i64) => Ok(()),
        _ => Err(c.node.error("its sequences may end before their last step; export it without lengths")),
    }
}

/// The states of one direction.
struct States<'b> {
    /// The hidden states by step, in the order of the sequence.
    hidden: Vec<Var<'b>>,
    last: Var<'b>,
    cell: Option<Var<'b>>,
}

/// One direction of a layer.
struct Cell<'c, 'a, 'b> {
    call: &'c Call<'a, 'b>,
    kind: Kind,
    hidden: usize,
    /// `[I, G·H]` and `[H, G·H]`.
    weights: [Var<'b>; 2],
    /// `[G·H]` each.
    biases: Option<[Var<'b>; 2]>,
    /// The peepholes of the input, the output and the forget gate.
    peepholes: Option<[Var<'b>; 3]>,
    activations: Vec<Activation>,
    /// Initial hidden and cell state, `[N, H]`.
    initial: [Option<Var<'b>>; 2],
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Lstm,
    Gru,
    Rnn,
}

#[derive(Clone)]
struct Activation {
    op: &'static str,
    attributes: Vec<(&'static str, Attribute)>,
}

impl<'c, 'a, 'b> Cell<'c, 'a, 'b> {
    fn new(call: &'c Call<'a, 'b>, d: usize, hidden: usize) -> Result<Cell<'c, 'a, 'b>> {
        let kind = match call.node.op.as_str() {
            "LSTM" => Kind::Lstm,
            "GRU" => Kind::Gru,
            _ => Kind::Rnn,
        };
        let at = d as i64;
        let of = |v: Var<'b>| v.slice(&[0], &[at], &[at + 1], &[1]).squeeze(&[0]);
        let gates = kind.gates();
        let part =
            |v: Var<'b>, i: usize| v.slice(&[0], &[(i * hidden) as i64], &[((i + 1) * hidden) as i64], &[1]);
        let width = gates * hidden;
        let biases = call.optional(3).map(|b| {
            let b = of(b);
            let half = |i: usize| b.slice(&[0], &[(i * width) as i64], &[((i + 1) * width) as i64], &[1]);
            [half(0), half(1)]
        });
        let peepholes = call.optional(7).map(|p| {
            let p = of(p);
            [part(p, 0), part(p, 1), part(p, 2)]
        });
        let state = |i: usize| call.optional(i).map(of);
        Ok(Cell {
            call,
            kind,
            hidden,
            weights: [call.x(1), call.x(2)].map(|w| of(w).transpose(&[1, 0])),
            biases,
            peepholes,
            activations: activations(call, kind, d)?,
            initial: [state(5), if kind == Kind::Lstm { state(6) } else { None }],
        })
    }

    /// All steps, from the last to the first where `reverse`.
    fn run(&self, x: Var<'b>, steps: usize, reverse: bool) -> Result<States<'b>> {
        let wide = x.with("MatMul", self.weights[0]);
        let at = |t: usize| wide.slice(&[0], &[t as i64], &[t as i64 + 1], &[1]).squeeze(&[0]);
        // A single row, which broadcasts.
        let zero = self.call.builder.constant(Tensor::full(&[1, self.hidden], 0.0, x.ty()?.dtype));
        let [mut h, mut cell] = self.initial.map(|state| state.unwrap_or(zero));
        let mut hidden = vec![h; steps];
        for i in 0..steps {
            let t = if reverse { steps - 1 - i } else { i };
            (h, cell) = self.step(at(t), h, cell);
            hidden[t] = h;
        }
        Ok(States { hidden, last: h, cell: (self.kind == Kind::Lstm).then_some(cell) })
    }

    /// The next hidden and cell state; `x` are the products of the input with all gates' weights.
    fn step(&self, x: Var<'b>, h: Var<'b>, cell: Var<'b>) -> (Var<'b>, Var<'b>) {
        let recurrent = h.with("MatMul", self.weights[1]);
        let (x, recurrent) = match self.biases {
            Some([of_x, of_h]) => (x + of_x, recurrent + of_h),
            None => (x, recurrent),
        };
        let sum = |i: usize| self.gate(x, i) + self.gate(recurrent, i);
        match self.kind {
            Kind::Rnn => (self.activate(0, sum(0)), cell),
            Kind::Gru => {
                let (update, reset) = (self.activate(0, sum(0)), self.activate(0, sum(1)));
                let new = if self.call.node.int("linear_before_reset", 0) != 0 {
                    self.gate(x, 2) + reset * self.gate(recurrent, 2)
                } else {
                    let product = (reset * h).with("MatMul", self.columns(self.weights[1], 2));
                    let biased =
                        self.biases.map_or(product, |[_, of_h]| product + self.gate_of_bias(of_h, 2));
                    self.gate(x, 2) + biased
                };
                ((1.0 - update) * self.activate(1, new) + update * h, cell)
            }
            Kind::Lstm => {
                let peep = |v: Var<'b>, i: usize, cell: Var<'b>| {
                    self.peepholes.map_or(v, |peepholes| v + peepholes[i] * cell)
                };
                let input = self.activate(0, peep(sum(0), 0, cell));
                let forget = match self.call.node.int("input_forget", 0) {
                    0 => self.activate(0, peep(sum(2), 2, cell)),
                    _ => 1.0 - input,
                };
                let next = forget * cell + input * self.activate(1, sum(3));
                let output = self.activate(0, peep(sum(1), 1, next));
                (output * self.activate_unclipped(2, next), next)
            }
        }
    }

    /// The columns of a gate in `[N, G·H]`.
    fn gate(&self, v: Var<'b>, i: usize) -> Var<'b> {
        if self.kind == Kind::Rnn { v } else { self.columns(v, i) }
    }

    fn columns(&self, v: Var<'b>, i: usize) -> Var<'b> {
        v.slice(&[1], &[(i * self.hidden) as i64], &[((i + 1) * self.hidden) as i64], &[1])
    }

    fn gate_of_bias(&self, v: Var<'b>, i: usize) -> Var<'b> {
        v.slice(&[0], &[(i * self.hidden) as i64], &[((i + 1) * self.hidden) as i64], &[1])
    }

    fn activate(&self, i: usize, v: Var<'b>) -> Var<'b> {
        let clip = self.call.node.float("clip", 0.0);
        let v = match clip > 0.0 {
            true => v.builder().op("Clip", &[Some(v), Some(v.number(-clip)), Some(v.number(clip))], &[]),
            false => v,
        };
        self.activate_unclipped(i, v)
    }

    fn activate_unclipped(&self, i: usize, v: Var<'b>) -> Var<'b> {
        let activation = &self.activations[i];
        v.apply_with(activation.op, &activation.attributes)
    }
}

impl Kind {
    fn gates(self) -> usize {
        match self {
            Kind::Lstm => 4,
            Kind::Gru => 3,
            Kind::Rnn => 1,
        }
    }
}

/// The activations of a direction: of the gates, of the new values, and of an `LSTM` of its cell.
fn activations(c: &Call, kind: Kind, d: usize) -> Result<Vec<Activation>> {
    let usual: &[&str] = match kind {
        Kind::Lstm => &["Sigmoid", "Tanh", "Tanh"],
        Kind::Gru => &["Sigmoid", "Tanh"],
        Kind::Rnn => &["Tanh"],
    };
    let named: Vec<String> = match c.node.attributes.get("activations") {
        Some(Attribute::Texts(all)) if all.len() >= usual.len() * (d + 1) => {
            all[usual.len() * d..usual.len() * (d + 1)].to_vec()
        }
        Some(_) => return Err(c.node.error("its activations are too few")),
        None => usual.iter().map(|name| name.to_string()).collect(),
    };
    let scaled =
        ["activation_alpha", "activation_beta"].iter().any(|name| c.node.attributes.contains_key(*name));
    let known = |name: &String| {
        let plain = |op| Some(Activation { op, attributes: Vec::new() });
        match name.to_ascii_lowercase().as_str() {
            "sigmoid" => plain("Sigmoid"),
            "tanh" => plain("Tanh"),
            "relu" => plain("Relu"),
            "softsign" => plain("Softsign"),
            "softplus" => plain("Softplus"),
            "hardsigmoid" if !scaled => plain("HardSigmoid"),
            "elu" if !scaled => plain("Elu"),
            "leakyrelu" if !scaled => plain("LeakyRelu"),
            _ => None,
        }
        .ok_or_else(|| c.node.error(format!("its activation {name} cannot be spelled out")))
    };
    named.iter().map(known).collect()
}
