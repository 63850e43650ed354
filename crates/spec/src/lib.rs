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
mod from_json;
mod macros;
mod plan;
mod resolve;
mod result;

pub use arch_name::ArchName;
pub use config::*;
pub use error::{Error, ErrorCode, ErrorLocation, Result};
pub use event::*;
pub use facts::*;
pub use from_json::{FromJson, KeyPath, nearest};
pub use plan::*;
pub use resolve::{
    IMAGENET_MEAN, IMAGENET_STD, PRETRAINED_MAX_IMAGES, RANDOM_INIT, TestTimeAugment,
    check_loaded_config, check_pretrained_default, device_bytes, resolve, resolve_inspect,
    resolve_test_time_augment,
};
pub use result::*;
