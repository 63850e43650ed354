//! Macros that define a configuration type and its resolved counterpart together. In the first,
//! every field is optional and may be `'auto'`; in the second, every field has a value. Both
//! serialize to the same JSON keys, so a resolved configuration is a valid input: the `config.json`
//! of a run can be trained again as it is.

/// Returns the TypeScript name of a resolved type: `ResolvedModel` for `Model`.
pub(crate) fn resolved_name(name: &str) -> String {
    format!("Resolved{}", name.trim_start_matches("Resolved"))
}

/// Adapts the JSON Schema of a tagged union to what [`tagged_union!`] accepts: a tag alone as a
/// string, and an object without `type`, which is the first variant.
pub(crate) fn allow_tag_alone(schema: &mut schemars::Schema) {
    let variants = schema.get_mut("oneOf").and_then(serde_json::Value::as_array_mut);
    if let Some(variants) = variants {
        let tag = |variant: &serde_json::Value| variant.pointer("/properties/type/const").cloned();
        let tags: Vec<_> = variants.iter().filter_map(tag).collect();
        let first = variants.first_mut().and_then(serde_json::Value::as_object_mut);
        let required = first.and_then(|first| first.get_mut("required")?.as_array_mut());
        if let Some(required) = required {
            required.retain(|key| key != "type");
        }
        variants.push(serde_json::json!({ "enum": tags }));
    }
}

/// Defines a type that is only ever input: `Input { field: type }`, every field optional.
macro_rules! request {
    ($(#[$doc:meta])* $Input:ident {
        $($(#[$field_doc:meta])* $field:ident: $input:ty,)*
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq)]
        #[derive(serde::Serialize, ts_rs::TS, schemars::JsonSchema)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        #[ts(optional_fields)]
        pub struct $Input {
            $(
                $(#[$field_doc])*
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $field: Option<$input>,
            )*
        }

        impl $Input {
            pub(crate) fn keys() -> Vec<String> {
                vec![$($crate::from_json::camel_case(stringify!($field))),*]
            }

            fn from_map(
                map: &serde_json::Map<String, serde_json::Value>,
                path: &$crate::KeyPath,
            ) -> $crate::Result<Self> {
                Ok($Input {
                    $($field: $crate::from_json::optional(
                        map, &$crate::from_json::camel_case(stringify!($field)), path)?,)*
                })
            }
        }

        impl $crate::FromJson for $Input {
            fn from_json_at(
                value: &serde_json::Value,
                path: &$crate::KeyPath,
            ) -> $crate::Result<Self> {
                let map = $crate::from_json::object(value, &Self::keys(), "an object", path)?;
                Self::from_map(map, path)
            }
        }
    };
}

/// Defines a section of the configuration: `Input => Resolved { field: input type => resolved type
/// }`. Fields in `and { ... }` exist only in the resolved type.
macro_rules! config {
    ($(#[$doc:meta])* $Input:ident => $Resolved:ident {
        $($(#[$field_doc:meta])* $field:ident: $input:ty => $resolved:ty,)*
    } $(and { $($(#[$extra_doc:meta])* $extra:ident: $extra_type:ty,)* })?) => {
        $crate::macros::request! {
            $(#[$doc])*
            $Input { $($(#[$field_doc])* $field: $input,)* }
        }

        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, ts_rs::TS)]
        #[serde(rename_all = "camelCase")]
        #[ts(rename = $crate::macros::resolved_name(stringify!($Resolved)))]
        pub struct $Resolved {
            $($(#[$field_doc])* pub $field: $resolved,)*
            $($($(#[$extra_doc])* pub $extra: $extra_type,)*)?
        }
    };
}

/// Defines a union with the tag `type`: `Input => Resolved { "tag" Variant(Input => Resolved), }`.
/// A variant without settings has no parentheses. The tag alone, as a string, stands for its
/// variant with defaults; an object without `type` is the first variant.
macro_rules! tagged_union {
    ($(#[$doc:meta])* $Input:ident => $Resolved:ident {
        $(
            $(#[$variant_doc:meta])*
            $tag:literal $Variant:ident $(($Section:ident => $ResolvedSection:ident))?,
        )*
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, ts_rs::TS, schemars::JsonSchema)]
        #[serde(tag = "type")]
        #[schemars(transform = $crate::macros::allow_tag_alone)]
        pub enum $Input {
            $($(#[$variant_doc])* #[serde(rename = $tag)] $Variant $(($Section))?,)*
        }

        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, ts_rs::TS)]
        #[serde(tag = "type")]
        #[ts(rename = $crate::macros::resolved_name(stringify!($Resolved)))]
        pub enum $Resolved {
            $($(#[$variant_doc])* #[serde(rename = $tag)] $Variant $(($ResolvedSection))?,)*
        }

        impl $crate::FromJson for $Input {
            fn from_json_at(
                value: &serde_json::Value,
                path: &$crate::KeyPath,
            ) -> $crate::Result<Self> {
                const TAGS: &[(&str, &str)] = &[$(($tag, $tag),)*];
                if value.is_string() {
                    let tag = $crate::from_json::choice(value, TAGS, path)?;
                    return Self::from_json_at(&serde_json::json!({ "type": tag }), path);
                }
                let tag = match value.get("type") {
                    None | Some(serde_json::Value::Null) => TAGS[0].0,
                    Some(tag) => {
                        $crate::from_json::choice(tag, TAGS, &$crate::KeyPath::Key(path, "type"))?
                    }
                };
                match tag {
                    $($tag => $crate::macros::tagged_union!(
                        @variant $Input $Variant $(($Section))?, value, path
                    ),)*
                    _ => unreachable!("`choice` returns one of the tags"),
                }
            }
        }
    };
    (@variant $Input:ident $Variant:ident, $value:ident, $path:ident) => {{
        $crate::from_json::object($value, &["type".into()], "a name or an object", $path)?;
        Ok($Input::$Variant)
    }};
    (@variant $Input:ident $Variant:ident($Section:ident), $value:ident, $path:ident) => {{
        let mut keys = $Section::keys();
        keys.insert(0, "type".into());
        let map = $crate::from_json::object($value, &keys, "a name or an object", $path)?;
        Ok($Input::$Variant($Section::from_map(map, $path)?))
    }};
}

/// Defines an enum that is a string in JSON: `Name { "word" Variant, }`.
macro_rules! string_enum {
    ($(#[$doc:meta])* $Name:ident {
        $($(#[$variant_doc:meta])* $word:literal $Variant:ident,)*
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize,
                 ts_rs::TS, schemars::JsonSchema)]
        pub enum $Name { $($(#[$variant_doc])* #[serde(rename = $word)] $Variant,)* }

        impl $Name {
            pub fn as_str(self) -> &'static str {
                match self { $($Name::$Variant => $word,)* }
            }
        }

        impl $crate::FromJson for $Name {
            fn from_json_at(
                value: &serde_json::Value,
                path: &$crate::KeyPath,
            ) -> $crate::Result<Self> {
                $crate::from_json::choice(value, &[$(($word, $Name::$Variant)),*], path)
            }
        }
    };
}

pub(crate) use {config, request, string_enum, tagged_union};
