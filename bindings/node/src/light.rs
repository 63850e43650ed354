//! What needs no libtorch.

use napi_derive::napi;
use residual_arch::Inspection;
use residual_spec::{resolve_inspect, At, InspectConfig, Read, Result};

use crate::envelope::{envelope, parse};

#[napi]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").into()
}

/// An `InspectConfig` to an `Inspection`.
#[napi]
pub fn inspect(request: String) -> String {
    envelope(inspection(&request))
}

fn inspection(request: &str) -> Result<Inspection> {
    let config = InspectConfig::read(&parse(request)?, &At::Root)?;
    let target = resolve_inspect(&config)?;
    let network =
        residual_arch::build(&target.model, target.channels, target.image_size, target.classes)?;
    Ok(residual_arch::inspect(&network))
}

/// The data sets that have a name.
#[napi]
pub fn datasets() -> String {
    envelope(Ok(residual_data::known()))
}
