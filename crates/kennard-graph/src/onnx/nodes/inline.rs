//! Functions of a file, put in the place of the nodes that call them.

use std::collections::{BTreeMap, HashMap};

use prost::Message;

use super::{Around, Importer, Scope, text};
use crate::onnx::attribute::read_attribute;
use crate::onnx::format::opset;
use crate::onnx::order::order;
use crate::onnx::proto::{FunctionProto, NodeProto};
use crate::{Node, Result};

/// The bytes, and the nodes, that inlining may add to a model: functions that call functions can grow without bound.
const LARGEST_INLINED: usize = 1 << 28;
const MOST_INLINED: usize = 50_000;
/// How deep functions and branches may be nested.
const DEEPEST: usize = 32;

impl Importer<'_> {
    /// Appends the body of a function in place of a node that calls it.
    pub(super) fn call(&self, function: &FunctionProto, node: &Node, scope: &Scope) -> Result<()> {
        let mut attributes = BTreeMap::new();
        for default in &function.attribute_proto {
            let value = read_attribute(default, self.files).map_err(|message| node.error(message))?;
            attributes.insert(text(&default.name).to_string(), value);
        }
        attributes.extend(node.attributes.clone());
        let mut names: HashMap<&str, String> = HashMap::new();
        for (i, name) in function.input.iter().enumerate() {
            names.insert(name, node.inputs.get(i).cloned().unwrap_or_default());
        }
        let version =
            if function.opset_import.is_empty() { scope.version } else { opset(&function.opset_import)? };
        let inner = Scope {
            names,
            around: Around::Nothing,
            attributes: Some(attributes),
            version,
            depth: scope.depth + 1,
        };
        let outputs: Vec<&str> = function.output.iter().map(String::as_str).collect();
        let results = self.inside(&function.node, &outputs, node, inner)?;
        self.pass_on(node, &results)
    }

    /// Appends `nodes`; returns the names that their `outputs` have in the graph.
    pub(in crate::onnx) fn inside<'s>(
        &self,
        nodes: &'s [NodeProto],
        outputs: &[&'s str],
        node: &Node,
        mut scope: Scope<'s>,
    ) -> Result<Vec<String>> {
        let size: usize = nodes.iter().map(|n| n.encoded_len()).sum();
        let (bytes, count) = self.inlined.get();
        let (bytes, count) = (bytes.saturating_add(size), count.saturating_add(nodes.len()));
        self.inlined.set((bytes, count));
        if bytes > LARGEST_INLINED || count > MOST_INLINED || scope.depth > DEEPEST {
            return Err(node.error("its functions, branches or loops are nested too deeply or too long"));
        }
        let sorted = order(nodes, outputs)?;
        for name in sorted.iter().flat_map(|n| &n.output).filter(|name| !name.is_empty()) {
            if scope.names.contains_key(name.as_str()) {
                return Err(node.error(format!("inside it there are two tensors `{name}`")));
            }
            scope.names.insert(name, self.builder.unused(name));
        }
        for inner in sorted {
            self.node(inner, &scope)?;
        }
        let made = |name: &&str| {
            let source = scope.resolve(name).filter(|s| !s.is_empty() && self.defined.borrow().contains(s));
            let source =
                source.ok_or_else(|| node.error(format!("nothing inside it makes its output `{name}`")))?;
            self.check_value(&source)?;
            Ok(source)
        };
        outputs.iter().map(made).collect()
    }

    /// Gives tensors the names of a node's outputs.
    pub(in crate::onnx) fn pass_on(&self, node: &Node, sources: &[String]) -> Result<()> {
        let has_value = |output: &str| !output.is_empty() && self.check_value(output).is_ok();
        for (source, output) in sources.iter().zip(&node.outputs).filter(|(_, output)| has_value(output)) {
            self.builder.push(Node {
                op: "Identity".into(),
                inputs: vec![source.clone()],
                outputs: vec![output.clone()],
                ..Node::default()
            });
        }
        if sources.len() < node.outputs.len() {
            return Err(node.error(format!(
                "it has {} outputs, inside it are {}",
                node.outputs.len(),
                sources.len()
            )));
        }
        Ok(())
    }
}
