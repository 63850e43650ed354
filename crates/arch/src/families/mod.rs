//! Families of networks, one file each: the table of a family's shapes and its builder.

pub(crate) mod residual;
pub(crate) mod vgg;
