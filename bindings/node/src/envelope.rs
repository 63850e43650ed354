//! What crosses: `{"ok": ...}` or `{"error": ...}`, as JSON text.

use residual_spec::{Error, ErrorCode, Result};
use serde::Serialize;
use serde_json::{Value, json};

pub fn envelope<T: Serialize>(result: Result<T>) -> String {
    result.and_then(|value| plain(&value)).map_or_else(
        |error| json!({ "error": error }).to_string(),
        |value| json!({ "ok": value }).to_string(),
    )
}

/// JSON that TypeScript made; it always parses, unless the two sides disagree.
pub fn parse(text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|cause| {
        Error::new(ErrorCode::Internal, format!("what crossed the bridge is no JSON: {cause}"))
    })
}

fn plain<T: Serialize>(value: &T) -> Result<Value> {
    serde_json::to_value(value).map_err(|cause| Error::new(ErrorCode::Internal, cause.to_string()))
}
