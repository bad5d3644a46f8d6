//! The label that a file returns beside its scores, and which class it names.

use super::ends::Ends;
use super::proto::*;
use super::symbols::{batch_name, dims, element_type, inputs, name_of};
use crate::{DType, GraphError, Result};

/// A file whose label is a whole number.
pub(super) struct Label {
    /// The file, changed so that texts are places in lists.
    pub model: ModelProto,
    /// The output with the label.
    pub output: String,
    /// The labels of the classes, in the order of the scores.
    pub labels: Vec<i64>,
}

/// A label is followed through at most this many nodes that arrange, cast or encode.
pub(super) const DEEPEST: usize = 16;

/// Operators that arrange the elements of their first input.
pub(super) const ARRANGING: [&str; 5] = ["Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"];

/// The numbers of the classes in the order of the scores, and nodes to be put in these places.
type Numbered = (Vec<i64>, Vec<(usize, NodeProto)>);

/// Attributes with the labels of classes in the order of the scores: numbers, and texts.
pub(super) const NUMBERS: [&str; 2] = ["classlabels_ints", "classlabels_int64s"];
pub(super) const TEXTS: &str = "classlabels_strings";

/// The code of texts as elements of a tensor.
pub(super) const TEXT: i64 = 8;

/// What the batch is called where the file does not name it.
const BATCH: &str = "kennard/batch";

/// The only output of whole numbers, or else of texts, beside the scores; nothing where there is none. Texts that no list of the file
/// gives in the order of the scores name the classes by `names`.
pub(super) fn of(model: &ModelProto, ends: &Ends, classes: usize, names: &[String]) -> Result<Option<Label>> {
    let Some(graph) = model.graph.as_ref().filter(|graph| graph.output.iter().any(|v| is_scores(v, ends)))
    else {
        return Ok(None);
    };
    let found = beside(graph, ends);
    let &[output] = found.as_slice() else {
        let all: Vec<String> = found.iter().map(|v| format!("`{}`", name_of(v))).collect();
        let several =
            || GraphError::Label(format!("it is not seen which of the outputs {} it is", all.join(", ")));
        return if all.is_empty() { Ok(None) } else { Err(several()) };
    };
    let output = name_of(output).to_owned();
    let unseen = || GraphError::Label(format!("it is not seen which classes the output `{output}` names"));
    let found = numbered(graph, &output, classes, names).filter(|(labels, _)| labels.len() == classes);
    let (labels, changed) = found.ok_or_else(unseen)?;
    let mut model = model.clone();
    if let Some(graph) = &mut model.graph {
        for (place, node) in changed {
            graph.node[place] = node;
        }
        declare(graph, ends, &output);
    }
    Ok(Some(Label { model, output, labels }))
}

/// Whether an output may be of the scores.
fn is_scores(value: &ValueInfoProto, ends: &Ends) -> bool {
    match &ends.output {
        Some(output) => name_of(value) == output,
        None => element_type(value).is_ok_and(DType::is_float),
    }
}

/// The other outputs of whole numbers or, where there are none, of texts.
pub(super) fn beside<'a>(graph: &'a GraphProto, ends: &Ends) -> Vec<&'a ValueInfoProto> {
    let of = |codes: &[i64]| -> Vec<&'a ValueInfoProto> {
        let others = graph.output.iter().filter(|v| !is_scores(v, ends));
        others.filter(|v| code(v).is_some_and(|code| codes.contains(&code))).collect()
    };
    let numbers = of(&[DType::I64.code(), DType::I32.code()]);
    if numbers.is_empty() { of(&[TEXT]) } else { numbers }
}

/// The node that makes a tensor, by its place in the file.
pub(super) fn maker(graph: &GraphProto, tensor: &str) -> Option<usize> {
    graph.node.iter().position(|node| node.output.iter().any(|name| name == tensor))
}

/// The constant that a node chooses elements from.
pub(super) fn list<'a>(graph: &'a GraphProto, node: &NodeProto) -> Option<&'a TensorProto> {
    let first = node.input.first()?;
    graph.initializer.iter().find(|tensor| tensor.name.as_ref() == Some(first))
}

/// The numbers of the classes, and the nodes that give an output as one of these in place of a text, each with its place.
fn numbered(graph: &GraphProto, output: &str, classes: usize, names: &[String]) -> Option<Numbered> {
    let mut name = output.to_owned();
    let mut is_text = graph.output.iter().any(|v| name_of(v) == output && code(v) == Some(TEXT));
    let places: Vec<i64> = (0..i64::try_from(classes).ok()?).collect();
    let mut changed = Vec::new();
    for _ in 0..DEEPEST {
        let place = maker(graph, &name)?;
        let node = &graph.node[place];
        let first = node.input.first().cloned();
        match node.op_type.as_deref()? {
            "Cast" => {
                // Of a text, what was made into it tells the class.
                let mut cast = node.clone();
                for to in cast.attribute.iter_mut().filter(|own| own.i == Some(TEXT)) {
                    to.i = Some(DType::I64.code());
                    is_text = false;
                }
                changed.push((place, cast));
                name = first?;
            }
            op if ARRANGING.contains(&op) => name = first?,
            "ArgMax" => return Some((places, changed)),
            // From a list of the classes, at the place of the largest score.
            "ArrayFeatureExtractor" | "Gather" => {
                let extents = &list(graph, node)?.dims;
                let count = extents.iter().try_fold(1i64, |n, extent| n.checked_mul(*extent));
                changed.push((place, forwarding(node, node.input.get(1)?.clone())));
                return (count == i64::try_from(classes).ok()).then_some((places, changed));
            }
            "LabelEncoder" if is_text => {
                let given = encoded(node)?;
                let input = first?;
                changed.push((place, forwarding(node, input.clone())));
                let number = |name: &String| given.iter().find(|(_, text)| text == name).map(|(key, _)| *key);
                let labels: Option<Vec<i64>> = names.iter().map(number).collect();
                if let Some(labels) = labels.filter(|labels| labels.len() == classes) {
                    return Some((labels, changed));
                }
                (name, is_text) = (input, false);
            }
            op => {
                if node.output.first() != Some(&name) {
                    return None;
                }
                let ints = node.attribute.iter().find(|own| NUMBERS.iter().any(|name| is_named(own, name)));
                if let Some(ints) = ints.map(|own| own.ints.clone()).filter(|ints| !ints.is_empty()) {
                    return Some((ints, changed));
                }
                let mut node = node.clone();
                let texts = node.attribute.iter_mut().find(|own| is_named(own, TEXTS))?;
                let fits = texts.strings.len() == classes;
                *texts = AttributeProto {
                    name: Some(NUMBERS[usize::from(op.starts_with("TreeEnsemble"))].into()),
                    ints: places.clone(),
                    r#type: Some(ATTRIBUTE_INTS),
                    ..AttributeProto::default()
                };
                node.attribute
                    .retain(|own| !own.ints.is_empty() || !NUMBERS.iter().any(|name| is_named(own, name)));
                changed.push((place, node));
                return fits.then_some((places, changed));
            }
        }
    }
    None
}

pub(super) fn is_named(attribute: &AttributeProto, name: &str) -> bool {
    attribute.name.as_deref() == Some(name)
}

/// The numbers that an encoder takes, each with the text that it gives.
pub(super) fn encoded(node: &NodeProto) -> Option<Vec<(i64, String)>> {
    let list = |name: &str| node.attribute.iter().find(|own| is_named(own, name));
    let (keys, texts) = match (list("keys_int64s"), list("values_strings"), list("classes_strings")) {
        (Some(keys), Some(texts), _) => (keys.ints.clone(), &texts.strings),
        (None, None, Some(texts)) => ((0..texts.strings.len() as i64).collect(), &texts.strings),
        _ => return None,
    };
    let texts = texts.iter().map(|text| String::from_utf8(text.to_vec()).ok());
    let texts: Vec<String> = texts.collect::<Option<_>>()?;
    (keys.len() == texts.len()).then(|| keys.into_iter().zip(texts).collect())
}

/// A node that hands an input on, in the place of another.
fn forwarding(node: &NodeProto, input: String) -> NodeProto {
    NodeProto {
        input: vec![input],
        output: node.output.clone(),
        name: node.name.clone(),
        op_type: Some("Identity".into()),
        ..NodeProto::default()
    }
}

/// Says of the label that it is a number for each sample: it may be of a node whose result has no shape that can be inferred.
fn declare(graph: &mut GraphProto, ends: &Ends, output: &str) {
    let fed = inputs(graph).into_iter().find(|v| ends.input.as_deref().is_none_or(|name| name_of(v) == name));
    let Some(input) = fed.map(|v| name_of(v).to_owned()) else { return };
    let mut batch = DimensionProto { extent: Some(Extent::Param(BATCH.into())) };
    for value in graph.input.iter_mut().filter(|v| name_of(v) == input) {
        let named = batch_name(value).is_some();
        let tensor = value.r#type.as_mut().and_then(|ty| ty.tensor_type.as_mut());
        let first = tensor.and_then(|tensor| tensor.shape.as_mut()?.dim.first_mut());
        let Some(first) = first else { return };
        let is_fixed = matches!(first.extent, Some(Extent::Value(n)) if n > 0);
        if named || is_fixed { batch = first.clone() } else { *first = batch.clone() }
    }
    for value in graph.output.iter_mut().filter(|v| name_of(v) == output) {
        let beyond = dims(value).and_then(|dims| dims.get(1..)).unwrap_or_default().to_vec();
        let elem_type = code(value).filter(|code| *code != TEXT).unwrap_or(DType::I64.code());
        let tensor_type = Some(TensorTypeProto {
            elem_type: i32::try_from(elem_type).ok(),
            shape: Some(TensorShapeProto { dim: [vec![batch.clone()], beyond].concat() }),
        });
        value.r#type = Some(TypeProto { tensor_type });
    }
}

/// The code of a tensor's elements.
fn code(value: &ValueInfoProto) -> Option<i64> {
    Some(value.r#type.as_ref()?.tensor_type.as_ref()?.elem_type?.into())
}
