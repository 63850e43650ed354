//! Results as JSON text: `{"ok": ...}` or `{"error": ...}`. `src/native/native-result.ts` parses
//! them.

use residual_spec::{Error, ErrorCode, Result};
use serde::Serialize;
use serde_json::{Value, json};

/// Serializes a result.
pub fn to_native_result<T: Serialize>(result: Result<T>) -> String {
    result.and_then(|value| to_json(&value)).map_or_else(
        |error| json!({ "error": error }).to_string(),
        |value| json!({ "ok": value }).to_string(),
    )
}

/// Parses JSON text from TypeScript.
///
/// # Errors
/// `E_INTERNAL` for invalid JSON, which TypeScript never sends.
pub fn parse_json(text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|cause| {
        Error::new(ErrorCode::Internal, format!("the addon received invalid JSON: {cause}"))
    })
}

fn to_json<T: Serialize>(value: &T) -> Result<Value> {
    serde_json::to_value(value).map_err(|cause| Error::new(ErrorCode::Internal, cause.to_string()))
}
