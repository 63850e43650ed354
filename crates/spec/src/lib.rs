//! Plain data types of a run: its configuration ([`TrainConfig`]), the configuration with all
//! defaults decided ([`ResolvedConfig`], by [`resolve`]), its events ([`RunEvent`]), its result
//! ([`TrainResult`]) and its errors ([`Error`]). This crate holds every default.
//!
//! All types cross the bridge to Node as JSON. `crates/codegen` generates the TypeScript types and
//! the JSON Schema from these definitions.

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
pub use from_json::{FromJson, KeyPath, did_you_mean, nearest};
pub use plan::*;
pub use resolve::{
    IMAGENET_MEAN, IMAGENET_STD, PRETRAINED_MAX_IMAGES, RANDOM_INIT, TestTimeAugment,
    check_loaded_config, check_pretrained_default, device_bytes, resolve, resolve_inspect,
    resolve_test_time_augment,
};
pub use result::*;
