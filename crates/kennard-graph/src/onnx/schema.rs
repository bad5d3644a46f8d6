//! What the standard says of its operators: numbers of inputs and outputs, names and types of attributes.
//! Runtimes refuse a node that says otherwise; were it read all the same, what it says would be ignored.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::attribute::kind;
use super::proto::*;

/// Written by `references/schemas.py`, which explains the format.
const TABLE: &str = include_str!("operators.txt");

/// The versions of each operator, oldest first.
static SCHEMAS: LazyLock<HashMap<&str, Vec<Schema>>> = LazyLock::new(|| {
    let mut schemas: HashMap<&str, Vec<Schema>> = HashMap::new();
    for (name, schema) in TABLE.lines().filter_map(parse) {
        schemas.entry(name).or_default().push(schema);
    }
    schemas
});

struct Schema {
    since: i64,
    /// `None` if that version withdraws the operator.
    form: Option<Form>,
}

struct Form {
    /// `s`: must be there, `?`: may be left out, `*`: any number.
    inputs: &'static str,
    least_inputs: usize,
    least_outputs: usize,
    /// `None`: any number.
    most_outputs: Option<usize>,
    attributes: Vec<Parameter>,
}

struct Parameter {
    name: &'static str,
    letter: char,
    required: bool,
}

fn parse(line: &'static str) -> Option<(&'static str, Schema)> {
    let mut words = line.split(' ');
    let (name, since) = (words.next()?, words.next()?.parse().ok()?);
    let inputs = words.next()?;
    if inputs == "-" {
        return Some((name, Schema { since, form: None }));
    }
    let mut number = || words.next()?.parse::<usize>().ok();
    let (least_inputs, least_outputs) = (number()?, number()?);
    let most_outputs = number();
    let attributes = words.filter_map(|word| {
        let (name, kind) = word.split_once(':')?;
        Some(Parameter { name, letter: kind.chars().next()?, required: kind.ends_with('!') })
    });
    let inputs = if inputs == "0" { "" } else { inputs };
    let attributes = attributes.collect();
    Some((
        name,
        Schema { since, form: Some(Form { inputs, least_inputs, least_outputs, most_outputs, attributes }) },
    ))
}

/// Checks a node of the plain operators at an operator set; other domains' are not known here.
///
/// # Errors
/// A message about the node.
pub(super) fn check(node: &NodeProto, version: i64) -> Result<(), String> {
    let plain = matches!(node.domain.as_deref(), None | Some("" | "ai.onnx"));
    let versions = SCHEMAS.get(node.op_type.as_deref().unwrap_or("")).filter(|_| plain);
    let Some(schema) = versions.and_then(|all| all.iter().rfind(|schema| schema.since <= version)) else {
        return Ok(());
    };
    let Some(form) = &schema.form else {
        return Err(format!("operator set {version} does not have this operator any more"));
    };
    form.check_ends(node)?;
    form.check_attributes(node)
}

impl Form {
    fn check_ends(&self, node: &NodeProto) -> Result<(), String> {
        let (inputs, outputs) = (node.input.len(), node.output.len());
        if inputs < self.least_inputs {
            return Err(format!("it has {inputs} inputs, but needs {}", self.least_inputs));
        }
        if inputs > self.inputs.len() && !self.inputs.ends_with('*') {
            return Err(format!("it has {inputs} inputs, but takes at most {}", self.inputs.len()));
        }
        let missing =
            node.input.iter().zip(self.inputs.chars()).position(|(name, c)| name.is_empty() && c == 's');
        if let Some(i) = missing {
            return Err(format!("its input {i} is left out, but must be there"));
        }
        if outputs < self.least_outputs || self.most_outputs.is_some_and(|most| outputs > most) {
            return Err(format!("it has {outputs} outputs, which the operator has not"));
        }
        Ok(())
    }

    fn check_attributes(&self, node: &NodeProto) -> Result<(), String> {
        for (i, attribute) in node.attribute.iter().enumerate() {
            let name = attribute.name.as_deref().unwrap_or("");
            if node.attribute[..i].iter().any(|other| other.name == attribute.name) {
                return Err(format!("it has two attributes `{name}`"));
            }
            // Runtimes keep notes of their own under such names.
            if name.starts_with("__") {
                continue;
            }
            let Some(parameter) = self.attributes.iter().find(|parameter| parameter.name == name) else {
                return Err(format!("the operator has no attribute `{name}`"));
            };
            let refers = attribute.ref_attr_name.as_deref().is_some_and(|name| !name.is_empty());
            if !refers && letter(kind(attribute)).is_some_and(|letter| letter != parameter.letter) {
                return Err(format!("its attribute `{name}` should be {}", described(parameter.letter)));
            }
        }
        let given =
            |name: &str| node.attribute.iter().any(|attribute| attribute.name.as_deref() == Some(name));
        match self.attributes.iter().find(|parameter| parameter.required && !given(parameter.name)) {
            Some(parameter) => Err(format!("it lacks the attribute `{}`", parameter.name)),
            None => Ok(()),
        }
    }
}

fn letter(kind: i32) -> Option<char> {
    Some(match kind {
        ATTRIBUTE_FLOAT => 'f',
        ATTRIBUTE_INT => 'i',
        ATTRIBUTE_STRING => 's',
        ATTRIBUTE_TENSOR => 't',
        ATTRIBUTE_GRAPH => 'g',
        ATTRIBUTE_FLOATS => 'F',
        ATTRIBUTE_INTS => 'I',
        ATTRIBUTE_STRINGS => 'S',
        // Sparse tensors, types and lists of tensors: what comes later says that they are not supported.
        _ => return None,
    })
}

fn described(letter: char) -> &'static str {
    match letter {
        'f' => "a float",
        'i' => "an integer",
        's' => "a text",
        't' => "a tensor",
        'g' => "a graph",
        'F' => "a list of floats",
        'I' => "a list of integers",
        'S' => "a list of texts",
        _ => "of another type",
    }
}
