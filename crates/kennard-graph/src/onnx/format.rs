//! Why a file is refused, and the operator set it is in.

use super::proto::OperatorSetIdProto;
use crate::upgrade::{NEWEST, OLDEST};
use crate::{GraphError, OPSET, Result};

pub(super) fn format_error(message: impl Into<String>) -> GraphError {
    GraphError::Format(message.into())
}

/// The version of the plain ONNX operators that a model or function imports.
pub(super) fn opset(imports: &[OperatorSetIdProto]) -> Result<i64> {
    let plain = |i: &&OperatorSetIdProto| matches!(i.domain.as_deref(), None | Some("" | "ai.onnx"));
    let version = imports.iter().filter(plain).filter_map(|i| i.version).max();
    // Files of other operators alone, as of tree ensembles, need not say.
    let version = version.or((!imports.is_empty() && imports.iter().all(|i| !plain(&i))).then_some(OPSET));
    let version = version.ok_or_else(|| format_error("it does not say which operator set it uses"))?;
    if (OLDEST..=NEWEST).contains(&version) {
        return Ok(version);
    }
    Err(format_error(format!(
        "it uses operator set {version}; Kennard reads {OLDEST} to {NEWEST}. Export it again, with opset_version=17 say"
    )))
}
