//! One definition, two types: what a user may say (every field optional, `auto` allowed) and what
//! was decided (every field present). Both serialise to the same JSON keys, so a resolved
//! configuration is also a valid input: `config.json` can be trained again as it is.

/// A resolved type's name in TypeScript, where a bare `Model` would be the trained one.
pub(crate) fn resolved_name(name: &str) -> String {
    format!("Resolved{}", name.trim_start_matches("Resolved"))
}

/// In the JSON Schema, too, a union's word may stand alone, and its first one may be left out.
pub(crate) fn word_alone(schema: &mut schemars::Schema) {
    let variants = schema.get_mut("oneOf").and_then(serde_json::Value::as_array_mut);
    if let Some(variants) = variants {
        let word = |variant: &serde_json::Value| variant.pointer("/properties/type/const").cloned();
        let words: Vec<_> = variants.iter().filter_map(word).collect();
        let first = variants.first_mut().and_then(serde_json::Value::as_object_mut);
        let required = first.and_then(|first| first.get_mut("required")?.as_array_mut());
        if let Some(required) = required {
            required.retain(|key| key != "type");
        }
        variants.push(serde_json::json!({ "enum": words }));
    }
}

/// What a user may say: `Input { field: type }`, every field optional.
macro_rules! said {
    ($(#[$doc:meta])* $Input:ident {
        $($(#[$field_doc:meta])* $field:ident: $said:ty,)*
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, serde::Serialize, ts_rs::TS, schemars::JsonSchema)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        #[ts(optional_fields)]
        pub struct $Input {
            $($(#[$field_doc])* #[serde(skip_serializing_if = "Option::is_none")] pub $field: Option<$said>,)*
        }

        impl $Input {
            pub(crate) fn keys() -> Vec<String> {
                vec![$($crate::read::camel(stringify!($field))),*]
            }

            #[allow(unused_variables)] // some records have no fields
            fn from_map(
                map: &serde_json::Map<String, serde_json::Value>,
                at: &$crate::At,
            ) -> $crate::Result<Self> {
                Ok($Input {
                    $($field: $crate::read::optional(
                        map, &$crate::read::camel(stringify!($field)), at)?,)*
                })
            }
        }

        impl $crate::Read for $Input {
            fn read(value: &serde_json::Value, at: &$crate::At) -> $crate::Result<Self> {
                let map = $crate::read::object(value, &Self::keys(), "an object", at)?;
                Self::from_map(map, at)
            }
        }
    };
}

/// `Input => Resolved { field: type said => type decided }`; `and { ... }` names what only the
/// resolved one has.
macro_rules! config {
    ($(#[$doc:meta])* $Input:ident => $Resolved:ident {
        $($(#[$field_doc:meta])* $field:ident: $said:ty => $decided:ty,)*
    } $(and { $($(#[$extra_doc:meta])* $extra:ident: $extra_type:ty,)* })?) => {
        $crate::macros::said! {
            $(#[$doc])*
            $Input { $($(#[$field_doc])* $field: $said,)* }
        }

        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, ts_rs::TS)]
        #[serde(rename_all = "camelCase")]
        #[ts(rename = $crate::macros::resolved_name(stringify!($Resolved)))]
        pub struct $Resolved {
            $($(#[$field_doc])* pub $field: $decided,)*
            $($($(#[$extra_doc])* pub $extra: $extra_type,)*)?
        }
    };
}

/// A union told apart by `type`: `Input => Resolved { "word" Variant(Said => Decided) }`.
/// The word alone is accepted for the variant with its defaults; without `type`, the first
/// variant is meant.
macro_rules! union {
    ($(#[$doc:meta])* $Input:ident => $Resolved:ident {
        $first_word:literal $First:ident($FirstSaid:ident => $FirstDecided:ident),
        $($word:literal $Variant:ident($Said:ident => $Decided:ident),)*
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, ts_rs::TS, schemars::JsonSchema)]
        #[serde(tag = "type")]
        #[schemars(transform = $crate::macros::word_alone)]
        pub enum $Input {
            #[serde(rename = $first_word)] $First($FirstSaid),
            $(#[serde(rename = $word)] $Variant($Said),)*
        }

        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, ts_rs::TS)]
        #[serde(tag = "type")]
        #[ts(rename = $crate::macros::resolved_name(stringify!($Resolved)))]
        pub enum $Resolved {
            #[serde(rename = $first_word)] $First($FirstDecided),
            $(#[serde(rename = $word)] $Variant($Decided),)*
        }

        impl $crate::Read for $Input {
            fn read(value: &serde_json::Value, at: &$crate::At) -> $crate::Result<Self> {
                const WORDS: &[(&str, usize)] = &[($first_word, 0), $(($word, 1),)*];
                if let Some(word) = value.as_str() {
                    $crate::read::word(value, WORDS, at)?;
                    return Self::read(&serde_json::json!({ "type": word }), at);
                }
                let kind = match value.get("type") {
                    None | Some(serde_json::Value::Null) => $first_word,
                    Some(kind) => {
                        $crate::read::word(kind, WORDS, &$crate::At::Key(at, "type"))?;
                        kind.as_str().unwrap_or($first_word)
                    }
                };
                let with_type = |mut keys: Vec<String>| { keys.insert(0, "type".into()); keys };
                match kind {
                    $($word => {
                        let known = with_type($Said::keys());
                        let map = $crate::read::object(value, &known, "a name or an object", at)?;
                        Ok($Input::$Variant($Said::from_map(map, at)?))
                    })*
                    _ => {
                        let known = with_type($FirstSaid::keys());
                        let map = $crate::read::object(value, &known, "a name or an object", at)?;
                        Ok($Input::$First($FirstSaid::from_map(map, at)?))
                    }
                }
            }
        }
    };
}

/// A closed set of words.
macro_rules! words {
    ($(#[$doc:meta])* $Name:ident { $($(#[$variant_doc:meta])* $word:literal $Variant:ident,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize,
                 ts_rs::TS, schemars::JsonSchema)]
        pub enum $Name { $($(#[$variant_doc])* #[serde(rename = $word)] $Variant,)* }

        impl $Name {
            pub fn as_str(self) -> &'static str {
                match self { $($Name::$Variant => $word,)* }
            }
        }

        impl $crate::Read for $Name {
            fn read(value: &serde_json::Value, at: &$crate::At) -> $crate::Result<Self> {
                $crate::read::word(value, &[$(($word, $Name::$Variant)),*], at)
            }
        }
    };
}

pub(crate) use {config, said, union, words};
