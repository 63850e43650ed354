//! Data types of a run: its configuration ([`TrainConfig`]), its resolved configuration
//! ([`ResolvedConfig`], by [`resolve`]), its events ([`RunEvent`]), its result ([`TrainResult`])
//! and its errors ([`Error`]). This crate contains every default, of training and of all other
//! requests.
//!
//! All types cross the bridge to Node as JSON. `crates/codegen` generates the TypeScript types and
//! the JSON Schema from these definitions.

mod config;
mod error;
mod event;
mod facts;
mod families;
mod from_json;
mod integer_ranges;
mod key_aliases;
mod macros;
mod nearest_name;
mod other_content;
mod plan;
mod resolve;
mod result;
mod suggest_key;

pub use config::*;
pub use error::{Error, ErrorCode, ErrorLocation, Result};
pub use event::*;
pub use facts::*;
pub use families::{Arch, ResidualArch, VggArch};
pub use from_json::{FromJson, KeyPath};
pub use nearest_name::{did_you_mean, nearest};
pub use other_content::{OTHER_CONTENT_BYTES, OtherContent};
pub use plan::*;
pub use resolve::*;
pub use result::*;
pub use suggest_key::suggest_setting;
