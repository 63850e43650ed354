//! Builders of the network families. `residual_spec` parses the names into hyperparameters.

use residual_spec::{Arch, Model, Result};

use crate::network::Network;

mod residual;
mod vgg;

/// Input and output shape of a network.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Input channels.
    pub channels: u32,
    /// Height and width of the input.
    pub image_size: u32,
    pub classes: u32,
}

/// Builds a network.
///
/// # Errors
/// `E_CONFIG` for options or image sizes that the family does not support.
pub(crate) fn build(arch: &Arch, model: &Model, shape: Shape) -> Result<Network> {
    match arch {
        Arch::Residual(arch) => Ok(residual::build(arch, model, shape)),
        Arch::Vgg(arch) => vgg::build(arch, model, shape),
    }
}
