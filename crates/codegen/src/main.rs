//! Generates files from the public types of the Rust core: generated.ts, config.schema.json and
//! errors.json (the table of error codes). The argument is the output folder.
//! `scripts/generate.mjs` runs this program and copies the files to their places.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use residual_spec as spec;
use ts_rs::{TS, TypeVisitor};

/// Section of generated.ts: heading, and a function that adds the types of the section.
type Section = (&'static str, fn(&mut Declarations));

const SECTIONS: &[Section] = &[
    ("Training configuration", |types| types.add::<spec::TrainConfig>()),
    ("Options of other functions", |types| {
        types.add::<spec::EvaluateConfig>();
        types.add::<spec::PredictConfig>();
        types.add::<spec::LoadConfig>();
        types.add::<spec::ExportConfig>();
        types.add::<spec::InspectConfig>();
        types.add::<spec::PreviewConfig>();
        types.add::<spec::FindLrConfig>();
        types.add::<spec::PlanConfig>();
        types.add::<spec::BenchConfig>();
    }),
    ("Errors", |types| {
        types.add::<spec::ErrorCode>();
        types.add::<spec::ErrorLocation>();
    }),
    ("Data set, training results and evaluation", |types| {
        types.add::<spec::DatasetInfo>();
        types.add::<spec::TrainResult>();
        types.add::<spec::Evaluation>();
        types.add::<spec::RunEvaluation>();
        types.add::<spec::EnsembleEvaluation>();
        types.add::<spec::LayerResponse>();
        types.add::<spec::Prediction>();
        types.add::<spec::LrFinderResult>();
        types.add::<spec::BenchResult>();
    }),
    ("Models", |types| {
        types.add::<spec::ModelInfo>();
        types.add::<residual_arch::Inspection>();
        types.add::<spec::RunVerification>();
    }),
    ("Resolved configuration", |types| types.add::<spec::ResolvedConfig>()),
    ("Events of a run", |types| {
        types.add::<spec::RunEvent>();
        types.add::<spec::Plan>();
    }),
];

/// Property types that have no equivalent in Rust: `(declaring type, property, replacement)`.
const REPLACEMENTS: &[(&str, &str, &str)] = &[
    ("DataConfig", "source?: string", "source?: DatasetName"),
    ("ModelConfig", "arch?: 'auto' | string", "arch?: 'auto' | ModelName"),
    ("ModelConfig", "weights?: 'auto' | string", "weights?: 'auto' | WeightsName"),
    ("TransformConfig", "mean?: 'auto' | Array<number>", "mean?: 'auto' | ChannelValues"),
    ("TransformConfig", "std?: 'auto' | Array<number>", "std?: 'auto' | ChannelValues"),
    ("ResolvedTransform", "mean: Array<number>", "mean: ChannelValues"),
    ("ResolvedTransform", "std: Array<number>", "std: ChannelValues"),
    ("TrainConfig", "recipe?: string", "recipe?: RecipeName"),
];

/// Keys of a recipe file that are not part of the configuration. `src/api/run/recipes.ts` reads them.
const RECIPE_METADATA: &[(&str, &str)] = &[
    ("description", "Recipe files only: one-line summary of the network and the data set."),
    ("source", "Recipe files only: authors and publication."),
    ("published", "Recipe files only: published result, such as an accuracy."),
];

/// Returns the declarations of `ChannelValues` and of the name types, which editors complete.
fn name_types(recipes: &[String]) -> String {
    let datasets = residual_data::known_datasets().iter().map(|set| set.name.to_string());
    let union = |name: &str, doc: &str, names: Vec<String>| {
        let names: String = names.iter().map(|name| format!("'{name}' | ")).collect();
        format!("/** {doc} */\nexport type {name} = {names}(string & {{}})\n\n")
    };
    let archs = spec::Arch::names().map(String::from).collect();
    union("ModelName", "Name of a network. Further depths are valid, such as `resnet26`.", archs)
        + &union("DatasetName", "Name of a data set, or a path.", datasets.collect())
        + &union("RecipeName", "Name of a recipe, or path of a file.", recipes.to_vec())
        + &union(
            "WeightsName",
            "Published weights (`imagenet`), random initialization (`none`), or a path.",
            vec!["imagenet".into(), spec::RANDOM_INIT.into()],
        )
        + "/** One value per channel: grayscale or RGB. */\n\
           export type ChannelValues = [number] | [number, number, number]\n\n"
}

/// Returns the names of the recipes: the files in `recipes/` without extension.
fn recipe_names() -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../recipes");
    let entries = std::fs::read_dir(folder).expect("recipes/ is readable");
    let paths = entries.map(|entry| entry.expect("recipes/ is readable").path());
    let stem = |path: std::path::PathBuf| Some(path.file_stem()?.to_str()?.to_string());
    let mut names: Vec<String> = paths.filter_map(stem).collect();
    names.sort();
    names
}

/// TypeScript declarations so far. Each type is followed by the types that it refers to.
struct Declarations<'c> {
    cfg: &'c ts_rs::Config,
    text: String,
    /// Names of the declared types.
    seen: BTreeSet<String>,
}

impl Declarations<'_> {
    /// Adds a type, unless it is declared already, and the types that it refers to, in the order of
    /// their names in its declaration. (The order in which ts-rs visits them differs between
    /// builds.)
    fn add<T: TS + 'static + ?Sized>(&mut self) {
        let name = T::ident(self.cfg);
        if !self.seen.insert(name.clone()) {
            return;
        }
        let declaration = T::decl(self.cfg);
        let mut dependencies = Dependencies { cfg: self.cfg, types: Vec::new() };
        T::visit_dependencies(&mut dependencies);
        T::visit_generics(&mut dependencies);
        let mut types = dependencies.types;
        types.sort_by_cached_key(|(dependency, _)| {
            (position_of_word(&declaration, dependency), dependency.clone())
        });

        let declaration =
            optional_may_be_undefined(&allow_short_forms(&name, replace_types(&name, declaration)));
        let docs = T::docs().unwrap_or_default();
        let _ = writeln!(self.text, "{docs}export {declaration}\n");
        for (_, add) in types {
            add(self);
        }
    }
}

/// Function that adds the declaration of one type.
type Add = fn(&mut Declarations<'_>);

/// Types with a declaration that another type names.
struct Dependencies<'c> {
    cfg: &'c ts_rs::Config,
    types: Vec<(String, Add)>,
}

impl TypeVisitor for Dependencies<'_> {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        // Types without an output path, such as `Vec<T>`, are built in and have no declaration.
        if T::output_path().is_some() {
            self.types.push((T::ident(self.cfg), |declarations| declarations.add::<T>()));
        } else {
            T::visit_dependencies(self);
            T::visit_generics(self);
        }
    }
}

/// Returns the byte position of `word` in `text`, or the length of `text` if it is missing.
fn position_of_word(text: &str, word: &str) -> usize {
    let is_part_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(word)
        .find(|(start, _)| {
            let (before, after) = (&text[..*start], &text[start + word.len()..]);
            !before.ends_with(is_part_of_name) && !after.starts_with(is_part_of_name)
        })
        .map_or(text.len(), |(start, _)| start)
}

/// Applies [`REPLACEMENTS`], and replaces strings by name types in unions.
fn replace_types(name: &str, declaration: String) -> String {
    let declaration = declaration
        .replace("string | ModelConfig", "ModelName | ModelConfig")
        .replace("string | DataConfig", "DatasetName | DataConfig");
    REPLACEMENTS.iter().filter(|(owner, ..)| *owner == name).fold(
        declaration,
        |text, (_, from, to)| {
            assert!(text.contains(from), "{name} has no `{from}`: {text}");
            text.replace(from, to)
        },
    )
}

/// Adds the short forms that `tagged_union!` accepts to unions of configuration types: a tag alone
/// stands for its variant with defaults, and an object without a tag for the first variant. Result:
/// `"a" | "b" | { "type"?: "a" } & A | { "type": "b" } & B`.
fn allow_short_forms(name: &str, declaration: String) -> String {
    const TAG: &str = r#"{ "type": "#;
    if !name.ends_with("Config") {
        return declaration;
    }
    let tags = declaration.split(TAG).skip(1).filter_map(|rest| rest.split([' ', ',']).next());
    let tags: String = tags.map(|tag| format!("{tag} | ")).collect();
    declaration.replacen(TAG, &(tags + r#"{ "type"?: "#), 1)
}

/// Converts `key?: T` to `key?: T | undefined`, so that `undefined` can be passed under
/// `exactOptionalPropertyTypes`.
fn optional_may_be_undefined(declaration: &str) -> String {
    let mut out = String::with_capacity(declaration.len());
    let mut rest = declaration;
    while let Some(start) = rest.find("?: ") {
        let mut depth = 0i32;
        let body = &rest[start + 3..];
        let end = body
            .char_indices()
            .find(|(_, c)| {
                match c {
                    '<' | '{' | '[' | '(' => depth += 1,
                    '>' | ']' | ')' => depth -= 1,
                    '}' if depth > 0 => depth -= 1,
                    _ => {}
                }
                depth == 0 && matches!(c, ',' | '}')
            })
            .map_or(body.len(), |(index, _)| index);
        out.push_str(&rest[..start + 3]);
        out.push_str(body[..end].trim_end());
        out.push_str(" | undefined");
        rest = &body[end..];
    }
    out + rest
}

/// Returns the TypeScript constant with the exit status of each error code.
fn exit_statuses() -> String {
    let mut text = String::from(
        "\n/** Exit status of the command line for each error code. */\n\
         export const exitStatus = {\n",
    );
    for code in spec::ErrorCode::ALL {
        let _ = writeln!(text, "  {}: {},", code.as_str(), code.exit_status());
    }
    text + "} as const satisfies Record<ErrorCode, number>\n"
}

/// Returns the table of error codes for docs/errors.md.
fn error_codes() -> serde_json::Value {
    let codes = spec::ErrorCode::ALL.iter().map(|code| {
        serde_json::json!({
            "code": code.as_str(),
            "meaning": code.meaning(),
            "message": code.typical_message(),
            "exitStatus": code.exit_status(),
        })
    });
    codes.collect()
}

fn main() {
    let folder = std::path::PathBuf::from(std::env::args().nth(1).expect("usage: generate FOLDER"));
    let cfg = ts_rs::Config::default().with_large_int("number");
    let mut declarations = Declarations { cfg: &cfg, text: String::new(), seen: BTreeSet::new() };
    for (heading, add_types) in SECTIONS {
        let _ = writeln!(declarations.text, "// {heading}\n");
        add_types(&mut declarations);
    }
    let mut text = String::from(
        "// Generated by `node scripts/generate.mjs` from the types of the Rust core. Do not edit.\n\n\
         // Names\n\n",
    );
    text.push_str(&name_types(&recipe_names()));
    text.push_str(&declarations.text);
    text.push_str(&exit_statuses());
    std::fs::write(folder.join("generated.ts"), text).expect("generated.ts");

    std::fs::write(folder.join("errors.json"), error_codes().to_string()).expect("errors.json");

    let mut schema = schemars::schema_for!(spec::TrainConfig);
    schema.insert("title".into(), "residual training configuration".into());
    // Editors load the schema that the key `$schema` of a configuration file names.
    if let Some(keys) = schema.get_mut("properties").and_then(|keys| keys.as_object_mut()) {
        keys.insert("$schema".into(), serde_json::json!({ "type": "string" }));
        let reasons = "Reasons of the values of a resolved configuration; ignored.";
        keys.insert("reasons".into(), serde_json::json!({ "description": reasons }));
        for (key, description) in RECIPE_METADATA {
            let schema = serde_json::json!({ "description": description, "type": "string" });
            keys.insert((*key).into(), schema);
        }
    }
    // Editors and shells complete the examples.
    let arch = schema.pointer_mut("/$defs/ModelConfig/properties/arch").expect("ModelConfig.arch");
    arch["examples"] = serde_json::json!(spec::Arch::names().collect::<Vec<_>>());
    let json = serde_json::to_string_pretty(&schema).expect("the schema is JSON");
    std::fs::write(folder.join("config.schema.json"), json + "\n").expect("config.schema.json");
}
