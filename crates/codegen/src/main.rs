//! Generates files from the core's public types into the folder given as the argument:
//!
//! - `generated.ts`: TypeScript declarations (`src/native/generated.ts`)
//! - `config.schema.json`: JSON Schema of the training configuration
//! - `errors.json`: error codes with meanings and exit statuses, for docs/errors.md
//!
//! `scripts/generate.mjs` runs this program and copies the files to the repository.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use residual_spec as spec;
use ts_rs::{TS, TypeVisitor};

/// TypeScript declarations by type name.
struct Declarations<'c> {
    cfg: &'c ts_rs::Config,
    by_name: BTreeMap<String, String>,
}

impl Declarations<'_> {
    /// Adds a type and all types that it refers to.
    fn add<T: TS + 'static + ?Sized>(&mut self) {
        self.visit::<T>();
    }
}

impl TypeVisitor for Declarations<'_> {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        // Types without an output path are built-in or inlined and have no declaration.
        if T::output_path().is_some() {
            let name = T::ident(self.cfg);
            if self.by_name.contains_key(&name) {
                return;
            }
            let mut text = T::docs().unwrap_or_default();
            let declaration = allow_undefined(&allow_tag_alone(&name, T::decl(self.cfg)));
            let _ = writeln!(text, "export {declaration}");
            self.by_name.insert(name, text);
        }
        T::visit_dependencies(self);
        T::visit_generics(self);
    }
}

/// Replaces `{ "type": "a" } & A` by `"a" | { "type": "a" } & A` in configuration types, where the
/// tag alone selects a variant with its defaults.
fn allow_tag_alone(name: &str, declaration: String) -> String {
    const TAG: &str = r#"{ "type": "#;
    if !name.ends_with("Config") {
        return declaration;
    }
    let tags = declaration.split(TAG).skip(1).filter_map(|rest| rest.split(" }").next());
    let tags: String = tags.map(|tag| format!("{tag} | ")).collect();
    declaration.replacen(TAG, &(tags + TAG), 1)
}

/// Replaces `key?: T,` by `key?: T | undefined,`, so that callers under
/// `exactOptionalPropertyTypes` can pass `undefined`.
fn allow_undefined(declaration: &str) -> String {
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
            .map_or(body.len(), |(at, _)| at);
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
        "\n/** Exit status of a command that fails with an error code, as of the `residual` command. */\n\
         export const exitStatus = {\n",
    );
    for code in spec::ErrorCode::ALL {
        let _ = writeln!(text, "  {}: {},", code.as_str(), code.exit_status());
    }
    text + "} as const satisfies Record<ErrorCode, number>\n"
}

/// Returns the error codes for docs/errors.md.
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
    let folder =
        std::path::PathBuf::from(std::env::args().nth(1).expect("usage: residual-codegen FOLDER"));
    let cfg = ts_rs::Config::default().with_large_int("number");
    let mut declarations = Declarations { cfg: &cfg, by_name: BTreeMap::new() };
    declarations.add::<spec::TrainConfig>();
    declarations.add::<spec::ResolvedConfig>();
    declarations.add::<spec::InspectConfig>();
    declarations.add::<spec::EvaluateConfig>();
    declarations.add::<spec::PreviewConfig>();
    declarations.add::<spec::ExportConfig>();
    declarations.add::<spec::LoadConfig>();
    declarations.add::<spec::FindLrConfig>();
    declarations.add::<spec::LrFinderResult>();
    declarations.add::<spec::PredictConfig>();
    declarations.add::<spec::PlanConfig>();
    declarations.add::<spec::Plan>();
    declarations.add::<spec::BenchConfig>();
    declarations.add::<spec::BenchResult>();
    declarations.add::<spec::ModelInfo>();
    declarations.add::<spec::RunEvent>();
    declarations.add::<spec::TrainResult>();
    declarations.add::<spec::Evaluation>();
    declarations.add::<spec::RunEvaluation>();
    declarations.add::<spec::LayerResponse>();
    declarations.add::<spec::EnsembleEvaluation>();
    declarations.add::<spec::Prediction>();
    declarations.add::<spec::ErrorCode>();
    declarations.add::<spec::ErrorLocation>();
    declarations.add::<spec::DatasetInfo>();
    declarations.add::<residual_arch::Inspection>();

    let mut text = String::from(
        "// Generated from the core's types by `node scripts/generate.mjs`. Do not edit.\n\n\
         // Names\n\n",
    );
    text.push_str(&declarations.by_name.into_values().collect::<Vec<_>>().join("\n"));
    text.push_str(&exit_statuses());
    std::fs::write(folder.join("generated.ts"), text).expect("generated.ts");

    std::fs::write(folder.join("errors.json"), error_codes().to_string()).expect("errors.json");

    let mut schema = schemars::schema_for!(spec::TrainConfig);
    schema.insert("title".into(), "residual training configuration".into());
    // Editors find the schema by this key of a configuration file.
    if let Some(keys) = schema.get_mut("properties").and_then(|keys| keys.as_object_mut()) {
        keys.insert("$schema".into(), serde_json::json!({ "type": "string" }));
    }
    // Editors and shell completion suggest these names.
    let arch = schema
        .pointer_mut("/$defs/ModelConfig/properties/arch")
        .expect("the schema has model.arch");
    arch["examples"] = serde_json::json!(spec::ArchName::EXAMPLES);
    let json = serde_json::to_string_pretty(&schema).expect("the schema is JSON");
    std::fs::write(folder.join("config.schema.json"), json + "\n").expect("config.schema.json");
}
