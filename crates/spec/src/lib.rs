//! What a run is, as plain data: what a user may ask for ([`TrainConfig`]), what was decided
//! ([`ResolvedConfig`], by [`resolve`]), what happens ([`RunEvent`]), how it ends
//! ([`TrainResult`]) and how it fails ([`Error`]).
//!
//! Everything here crosses the bridge as JSON; the TypeScript types and the JSON Schema are
//! generated from these definitions (`crates/codegen`).

mod arch_name;
mod config;
mod error;
mod event;
mod facts;
mod macros;
mod plan;
mod read;
mod resolve;
mod result;

pub use arch_name::ArchName;
pub use config::*;
pub use error::{Error, ErrorCode, Place, Result};
pub use event::*;
pub use facts::*;
pub use plan::*;
pub use read::{At, Read, nearest};
pub use resolve::{
    FEW_PHOTOGRAPHS, IMAGENET_MEAN, IMAGENET_STD, NO_WEIGHTS, Views, check_usable, device_bytes,
    resolve, resolve_inspect, resolve_views, wants_published,
};
pub use result::*;
