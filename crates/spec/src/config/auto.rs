//! Values with a short form: `'auto'`, or a name instead of an object.

use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use serde_json::Value;
use ts_rs::TS;

use super::{DataConfig, ModelConfig};
use crate::{FromJson, KeyPath, Result, nearest};

/// Value, or `'auto'` for the default that [`resolve`](crate::resolve) determines.
#[derive(Debug, Clone, PartialEq)]
pub enum Auto<T> {
    Auto,
    Value(T),
}

impl<T> Auto<T> {
    /// Returns the value, or `None` for `'auto'`.
    pub fn value(&self) -> Option<&T> {
        match self {
            Auto::Auto => None,
            Auto::Value(value) => Some(value),
        }
    }
}

impl<T: FromJson> FromJson for Auto<T> {
    fn from_json_at(value: &Value, path: &KeyPath) -> Result<Self> {
        match value.as_str() {
            Some("auto") => Ok(Auto::Auto),
            _ => T::from_json_at(value, path).map(Auto::Value).map_err(|mut error| {
                // 'auto' is valid for this key only, not for keys within its value.
                if error.at.key == Some(path.to_string()) {
                    error.message = error.message.replacen("must be ", "must be 'auto' or ", 1);
                    let word = value.as_str().unwrap_or_default();
                    if let Some(auto) = nearest(word, ["auto"]) {
                        error.hint = Some(path.did_you_mean(&auto.into()));
                    }
                }
                error
            }),
        }
    }

    fn visit_keys(path: &KeyPath, visit: &mut dyn FnMut(&KeyPath)) {
        T::visit_keys(path, visit);
    }
}

/// Object `T`, or a name as shorthand for an object with only its naming key: `'resnet18'` stands
/// for `{ arch: 'resnet18' }`.
#[derive(Debug, Clone, PartialEq)]
pub enum NameOr<T> {
    Name(String),
    Config(T),
}

impl<T: FromJson> FromJson for NameOr<T> {
    fn from_json_at(value: &Value, path: &KeyPath) -> Result<Self> {
        match value {
            Value::String(_) => String::from_json_at(value, path).map(NameOr::Name),
            Value::Object(_) => T::from_json_at(value, path).map(NameOr::Config),
            _ => Err(path.invalid("a string or an object", value)),
        }
    }

    fn visit_keys(path: &KeyPath, visit: &mut dyn FnMut(&KeyPath)) {
        T::visit_keys(path, visit);
    }
}

/// Implements serialization, TypeScript type and JSON Schema of a type `string | T`.
macro_rules! string_or {
    ($Name:ident, $ts:literal, $String:pat => $string:expr, $Value:ident, $schema:expr) => {
        impl<T: Serialize> Serialize for $Name<T> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    $String => serializer.serialize_str($string),
                    $Name::$Value(value) => value.serialize(serializer),
                }
            }
        }

        impl<T: TS> TS for $Name<T> {
            type WithoutGenerics = Self;
            type OptionInnerType = Self;

            fn name(cfg: &ts_rs::Config) -> String {
                format!(concat!($ts, " | {}"), T::name(cfg))
            }

            fn inline(cfg: &ts_rs::Config) -> String {
                Self::name(cfg)
            }

            fn visit_generics(visitor: &mut impl ts_rs::TypeVisitor)
            where
                Self: 'static,
            {
                T::visit_generics(visitor);
                visitor.visit::<T>();
            }
        }

        impl<T: JsonSchema> JsonSchema for $Name<T> {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                format!("{}_{}", stringify!($Name), T::schema_name()).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let value = generator.subschema_for::<T>();
                schemars::json_schema!({ "anyOf": [$schema, value] })
            }
        }
    };
}

string_or!(Auto, "'auto'", Auto::Auto => "auto", Value, serde_json::json!({ "const": "auto" }));
string_or!(
    NameOr, "string", NameOr::Name(name) => name, Config, serde_json::json!({ "type": "string" })
);

impl NameOr<DataConfig> {
    /// Expands a name into a configuration with `source`.
    pub fn to_config(&self) -> DataConfig {
        match self {
            NameOr::Config(data) => data.clone(),
            NameOr::Name(source) => {
                DataConfig { source: Some(source.clone()), ..DataConfig::default() }
            }
        }
    }
}

impl NameOr<ModelConfig> {
    /// Expands a name into a configuration with `arch`.
    pub fn to_config(&self) -> ModelConfig {
        match self {
            NameOr::Config(model) => model.clone(),
            NameOr::Name(name) => {
                let arch = if name == "auto" { Auto::Auto } else { Auto::Value(name.clone()) };
                ModelConfig { arch: Some(arch), ..ModelConfig::default() }
            }
        }
    }
}
