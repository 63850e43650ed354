//! Version and network inspection, without libtorch.

use napi_derive::napi;
use residual_arch::Inspection;
use residual_spec::{FromJson, InspectConfig, Result, resolve_inspect};

use crate::native_result::{parse_json, to_native_result};

/// Returns the version of the addon.
#[napi]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").into()
}

/// Converts an `InspectConfig` to an `Inspection`.
#[napi]
pub fn inspect(request: String) -> String {
    to_native_result(inspect_network(&request))
}

fn inspect_network(request: &str) -> Result<Inspection> {
    let config = InspectConfig::parse(&parse_json(request)?)?;
    let target = resolve_inspect(&config)?;
    let network =
        residual_arch::build(&target.model, target.channels, target.image_size, target.classes)?;
    Ok(residual_arch::inspect(&network))
}
