//! The nodes of a file: names resolved, `Constant` nodes absorbed, functions and decided branches
//! inlined, and each brought to the one operator set.

mod inline;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap, HashSet};

use super::attribute::read_attribute;
use super::external::Files;
use super::format::format_error;
use super::proto::*;
use super::schema;
use crate::upgrade::upgrade;
use crate::{Attribute, Builder, Graph, GraphError, Node, Result, Tensor};

/// Appends a file's nodes to a builder.
pub(super) struct Importer<'a> {
    builder: &'a Builder,
    files: &'a Files,
    functions: HashMap<[&'a str; 3], &'a FunctionProto>,
    /// The tensors there are so far.
    defined: RefCell<HashSet<String>>,
    /// The tensors among them that have no value, which is an error where they are read.
    empty: RefCell<HashMap<String, GraphError>>,
    /// Bytes and nodes.
    inlined: Cell<(usize, usize)>,
}

/// What names mean where a node stands.
pub(super) struct Scope<'a> {
    names: HashMap<&'a str, String>,
    around: Around<'a>,
    /// The attributes that a function was called with; none outside of functions.
    attributes: Option<BTreeMap<String, Attribute>>,
    version: i64,
    depth: usize,
}

/// The scope around another, in which names are looked up that the inner one lacks.
enum Around<'a> {
    /// The graph: names stand for themselves.
    Graph,
    /// Nowhere: a function sees only its own names.
    Nothing,
    /// Outside the branch.
    Scope(&'a Scope<'a>),
}

impl<'a> Scope<'a> {
    /// The scope of a graph inside a node that stands here.
    pub(super) fn within<'s>(&'s self, names: HashMap<&'s str, String>) -> Scope<'s>
    where
        'a: 's,
    {
        let (version, depth) = (self.version, self.depth + 1);
        Scope { names, around: Around::Scope(self), attributes: None, version, depth }
    }

    /// The operator set that nodes here are written in.
    pub(super) fn version(&self) -> i64 {
        self.version
    }

    fn resolve(&self, name: &str) -> Option<String> {
        if name.is_empty() {
            return Some(String::new());
        }
        match (self.names.get(name), &self.around) {
            (Some(name), _) => Some(name.clone()),
            (None, Around::Graph) => Some(name.into()),
            (None, Around::Nothing) => None,
            (None, Around::Scope(outer)) => outer.resolve(name),
        }
    }

    /// The attribute of the function around here that an attribute refers to.
    fn attribute(&self, name: &str) -> Option<&Attribute> {
        match (&self.attributes, &self.around) {
            (Some(attributes), _) => attributes.get(name),
            (None, Around::Scope(outer)) => outer.attribute(name),
            _ => None,
        }
    }
}

pub(super) fn text(field: &Option<String>) -> &str {
    field.as_deref().unwrap_or("")
}

fn domain(field: &Option<String>) -> &str {
    match text(field) {
        "ai.onnx" => "",
        other => other,
    }
}

impl<'a> Importer<'a> {
    /// An importer into a graph that has its inputs and constants already.
    pub fn new(
        builder: &'a Builder,
        files: &'a Files,
        functions: &'a [FunctionProto],
        base: &Graph,
    ) -> Result<Importer<'a>> {
        let mut defined: HashSet<String> = base.constants.keys().cloned().collect();
        for input in &base.inputs {
            if !defined.insert(input.name.clone()) {
                return Err(format_error(format!("there are two inputs `{}`", input.name)));
            }
        }
        let key = |f: &'a FunctionProto| [domain(&f.domain), text(&f.name), text(&f.overload)];
        let functions = functions.iter().map(|f| (key(f), f)).collect();
        Ok(Importer {
            builder,
            files,
            functions,
            defined: RefCell::new(defined),
            empty: RefCell::default(),
            inlined: Cell::default(),
        })
    }

    /// Says that there is a tensor, made already.
    pub fn declare(&self, name: &str) {
        self.defined.borrow_mut().insert(name.into());
    }

    /// Says that the output of a node has no value, and why.
    pub(super) fn leave_empty(&self, output: &str, why: GraphError) {
        self.empty.borrow_mut().insert(output.into(), why);
    }

    /// Refuses to read a tensor that has no value.
    fn check_value(&self, name: &str) -> Result<()> {
        self.empty.borrow().get(name).map_or(Ok(()), |why| Err(why.clone()))
    }

    /// Checks all nodes of a graph, those too that no output needs: runtimes refuse a file with a wrong one.
    pub fn check_nodes(&self, nodes: &[NodeProto], version: i64) -> Result<()> {
        for proto in nodes {
            let (domain, op) = (domain(&proto.domain), text(&proto.op_type));
            if !self.functions.contains_key(&[domain, op, text(&proto.overload)]) {
                let node = Node {
                    name: text(&proto.name).into(),
                    op: op.into(),
                    outputs: proto.output.clone(),
                    ..Node::default()
                };
                schema::check(proto, version).map_err(|message| node.error(message))?;
            }
        }
        Ok(())
    }

    /// Appends the nodes of a graph, given in order.
    pub fn graph(&self, nodes: &[&NodeProto], outputs: &[&str], version: i64) -> Result<()> {
        let names = HashMap::new();
        let scope = Scope { names, around: Around::Graph, attributes: None, version, depth: 0 };
        for node in nodes {
            self.node(node, &scope)?;
        }
        let mut seen = HashSet::new();
        for name in outputs {
            if !self.defined.borrow().contains(*name) {
                return Err(format_error(format!("no node makes the output `{name}`")));
            }
            if !seen.insert(name) {
                return Err(format_error(format!("there are two outputs `{name}`")));
            }
            self.check_value(name)?;
        }
        Ok(())
    }

    fn node(&self, proto: &NodeProto, scope: &Scope) -> Result<()> {
        let (domain, op) = (domain(&proto.domain), text(&proto.op_type));
        if op.is_empty() || op.contains(':') {
            return Err(format_error(format!("it has a node whose operator is `{op}`")));
        }
        let mut node = Node {
            name: text(&proto.name).into(),
            op: if domain.is_empty() { op.into() } else { format!("{domain}::{op}") },
            // In the file's names, for messages; resolved below.
            inputs: proto.input.clone(),
            outputs: proto.output.clone(),
            attributes: BTreeMap::new(),
        };
        let resolve = |name: &String| {
            scope
                .resolve(name)
                .ok_or_else(|| node.error(format!("it uses the tensor `{name}`, which its function lacks")))
        };
        let inputs = proto.input.iter().map(resolve).collect::<Result<Vec<String>>>()?;
        let outputs = proto.output.iter().map(resolve).collect::<Result<Vec<String>>>()?;
        (node.inputs, node.outputs) = (inputs, outputs);
        node.inputs.iter().try_for_each(|name| self.check_value(name))?;
        {
            let mut defined = self.defined.borrow_mut();
            if let Some(name) = node.inputs.iter().find(|name| !name.is_empty() && !defined.contains(*name)) {
                return Err(node.error(format!("it reads the tensor `{name}`, which nothing makes")));
            }
            for name in node.outputs.iter().filter(|name| !name.is_empty()) {
                if !defined.insert(name.clone()) {
                    return Err(node.error(format!("there is another tensor `{name}`")));
                }
            }
        }
        let function = self.functions.get(&[domain, op, text(&proto.overload)]);
        if function.is_none() {
            schema::check(proto, scope.version).map_err(|message| node.error(message))?;
        }
        if let Some(function) = function {
            node.attributes = self.attributes(proto, scope, &node)?;
            return self.call(function, &node, scope);
        }
        match node.op.as_str() {
            "If" => return self.branch(proto, &node, scope),
            "Loop" => return self.turns(proto, &node, scope),
            "Scan" => return self.scan(proto, &node, scope),
            _ => {}
        }
        node.attributes = self.attributes(proto, scope, &node)?;
        if node.op == "Constant" {
            let value = constant(&node)?;
            self.builder.define(&node.outputs[0], value);
            return Ok(());
        }
        upgrade(node, scope.version, self.builder)
    }

    fn attributes(
        &self,
        proto: &NodeProto,
        scope: &Scope,
        node: &Node,
    ) -> Result<BTreeMap<String, Attribute>> {
        let mut attributes = BTreeMap::new();
        for attribute in &proto.attribute {
            let reference = text(&attribute.ref_attr_name);
            let value = if reference.is_empty() {
                Some(read_attribute(attribute, self.files).map_err(|message| node.error(message))?)
            } else {
                scope.attribute(reference).cloned()
            };
            if let Some(value) = value {
                attributes.insert(text(&attribute.name).into(), value);
            }
        }
        Ok(attributes)
    }

    pub(super) fn builder(&self) -> &'a Builder {
        self.builder
    }

    pub(super) fn files(&self) -> &'a Files {
        self.files
    }
}

/// The value of a `Constant` node.
fn constant(node: &Node) -> Result<Tensor> {
    let vector = |v: &[f32]| Tensor::from(ndarray::Array1::from(v.to_vec()).into_dyn());
    if node.outputs.len() != 1 || node.outputs[0].is_empty() {
        return Err(node.error("it should have one output"));
    }
    node.attributes
        .iter()
        .find_map(|(name, value)| match (name.as_str(), value) {
            ("value", Attribute::Tensor(tensor)) => Some(tensor.clone()),
            ("value_int", Attribute::Int(v)) => Some(ndarray::arr0(*v).into_dyn().into()),
            ("value_ints", Attribute::Ints(v)) => Some(Tensor::ints(v)),
            ("value_float", Attribute::Float(v)) => Some(ndarray::arr0(*v).into_dyn().into()),
            ("value_floats", Attribute::Floats(v)) => Some(vector(v)),
            _ => None,
        })
        .ok_or_else(|| node.error("its value is no dense tensor of numbers"))
}
