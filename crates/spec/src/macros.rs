//! Macros that define a configuration type together with its resolved type. All fields of a
//! configuration type are optional and some may be `'auto'`; the fields of a resolved type have
//! values. Both types have the same JSON keys, so a resolved configuration is a valid input:
//! `train()` accepts the `config.json` of a run.

/// Returns the TypeScript name of a resolved type: `ResolvedModel` for `Model`, `ResolvedConfig`
/// for `ResolvedConfig`.
pub(crate) fn resolved_name(name: &str) -> String {
    format!("Resolved{}", name.trim_start_matches("Resolved"))
}

/// Extends the JSON Schema of a tagged union by the short forms that [`tagged_union!`] accepts: a
/// tag alone as a string, and an object without `type` for the first variant.
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

/// Defines an input type without a resolved type: `Input { field: type }`. All fields are optional.
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
                use $crate::from_json::{object, suggest_keys};
                let keys = Self::keys();
                let map = object(value, &keys, "an object", path)
                    .map_err(|error| suggest_keys::<Self>(error, value, &keys, path))?;
                Self::from_map(map, path)
            }

            fn visit_keys(path: &$crate::KeyPath, visit: &mut dyn FnMut(&$crate::KeyPath)) {
                $({
                    let key = $crate::from_json::camel_case(stringify!($field));
                    let path = $crate::KeyPath::Key(path, &key);
                    visit(&path);
                    <$input as $crate::FromJson>::visit_keys(&path, visit);
                })*
            }
        }
    };
}

/// Defines an input type and its resolved type:
/// `Input => Resolved { field: input type => resolved type }`. Fields in `and { ... }` exist only
/// in the resolved type, those in `input { ... }` only in the input type.
macro_rules! config {
    ($(#[$doc:meta])* $Input:ident => $Resolved:ident {
        $($(#[$field_doc:meta])* $field:ident: $input:ty => $resolved:ty,)*
    }
    $(and { $($(#[$extra_doc:meta])* $extra:ident: $extra_type:ty,)* })?
    $(input { $($(#[$only_doc:meta])* $only:ident: $only_type:ty,)* })?) => {
        $crate::macros::request! {
            $(#[$doc])*
            $Input {
                $($(#[$field_doc])* $field: $input,)*
                $($($(#[$only_doc])* $only: $only_type,)*)?
            }
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
/// Variants without fields have no parentheses. The tag alone, as a string, is the variant with
/// default values; an object without `type` is the first variant.
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

        #[cfg(test)]
        #[allow(dead_code)]
        impl $Input {
            /// Tags of all variants.
            pub(crate) const TAGS: &'static [&'static str] = &[$($tag,)*];
        }

        impl $crate::FromJson for $Input {
            fn from_json_at(
                value: &serde_json::Value,
                path: &$crate::KeyPath,
            ) -> $crate::Result<Self> {
                const CHOICES: &[(&str, &str)] = &[$(($tag, $tag),)*];
                let is_name = match value {
                    serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {
                        $crate::nearest_name::nearest_choice(&value.to_string(), [$($tag),*])
                            .is_some()
                    }
                    _ => value.is_string(),
                };
                if is_name {
                    let tag = $crate::from_json::choice(value, CHOICES, path)?;
                    return Self::from_json_at(&serde_json::json!({ "type": tag }), path);
                }
                let tag = match value.get("type") {
                    None | Some(serde_json::Value::Null) => CHOICES[0].0,
                    Some(tag) => {
                        let path = $crate::KeyPath::Key(path, "type");
                        $crate::from_json::choice(tag, CHOICES, &path)?
                    }
                };
                let variants: &[(&str, Vec<String>)] =
                    &[$(($tag, $crate::macros::tagged_union!(@keys $($Section)?)),)*];
                match tag {
                    $($tag => $crate::macros::tagged_union!(
                        @variant $Input $Variant $(($Section))?, value, path, tag, variants
                    ),)*
                    _ => unreachable!("`choice` returns one of the tags"),
                }
            }

            fn visit_keys(path: &$crate::KeyPath, visit: &mut dyn FnMut(&$crate::KeyPath)) {
                visit(&$crate::KeyPath::Key(path, "type"));
                $($(<$Section as $crate::FromJson>::visit_keys(path, visit);)?)*
            }
        }
    };
    (@keys) => { Vec::<String>::new() };
    (@keys $Section:ident) => { $Section::keys() };
    (@variant $Input:ident $Variant:ident $(($Section:ident))?, $value:ident, $path:ident,
     $tag:ident, $variants:ident) => {{
        use $crate::from_json::{expected_variant, object, suggest_keys, suggest_variant};
        let section_keys: Vec<String> = $crate::macros::tagged_union!(@keys $($Section)?);
        let keys: Vec<String> =
            std::iter::once("type".into()).chain(section_keys.iter().cloned()).collect();
        let map = object($value, &keys, &expected_variant($variants), $path)
            .map_err(|error| suggest_keys::<Self>(error, $value, &section_keys, $path))
            .map_err(|error| suggest_variant(error, $value, $path, $tag, $variants))?;
        let _ = map; // unused by variants without keys
        Ok($Input::$Variant $(($Section::from_map(map, $path)?))?)
    }};
}

/// Defines an enum that is a string in JSON: `Name { "value" Variant, }`.
macro_rules! string_enum {
    ($(#[$doc:meta])* $Name:ident {
        $($(#[$variant_doc:meta])* $value:literal $Variant:ident,)*
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize,
                 ts_rs::TS, schemars::JsonSchema)]
        pub enum $Name { $($(#[$variant_doc])* #[serde(rename = $value)] $Variant,)* }

        impl $Name {
            /// Returns the value in JSON.
            pub fn as_str(self) -> &'static str {
                match self { $($Name::$Variant => $value,)* }
            }
        }

        impl $crate::FromJson for $Name {
            fn from_json_at(
                value: &serde_json::Value,
                path: &$crate::KeyPath,
            ) -> $crate::Result<Self> {
                $crate::from_json::choice(value, &[$(($value, $Name::$Variant)),*], path)
            }
        }
    };
}

pub(crate) use {config, request, string_enum, tagged_union};
