//! Writes what is generated from the core's public types: `src/native/generated.ts`,
//! `config.schema.json`, and what there is to say of each error code, into the folder given as the argument. `scripts/generate.mjs` calls it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use residual_spec as spec;
use ts_rs::{TS, TypeVisitor};

/// Every type reachable from the roots, by name.
struct Declarations<'c> {
    cfg: &'c ts_rs::Config,
    found: BTreeMap<String, String>,
}

impl Declarations<'_> {
    fn add<T: TS + 'static + ?Sized>(&mut self) {
        self.visit::<T>();
    }
}

impl TypeVisitor for Declarations<'_> {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        // Only types with an output path have a declaration; the rest stand for themselves.
        if T::output_path().is_some() {
            let name = T::ident(self.cfg);
            if self.found.contains_key(&name) {
                return;
            }
            let mut text = T::docs().unwrap_or_default();
            let declaration = optional_may_be_undefined(&word_alone(&name, T::decl(self.cfg)));
            let _ = writeln!(text, "export {declaration}");
            self.found.insert(name, text);
        }
        T::visit_dependencies(self);
        T::visit_generics(self);
    }
}

/// `{ "type": "a" } & A` as `"a" | { "type": "a" } & A`, in configurations, where the word alone
/// stands for the variant with its defaults.
fn word_alone(name: &str, declaration: String) -> String {
    const TAG: &str = r#"{ "type": "#;
    if !name.ends_with("Config") {
        return declaration;
    }
    let words = declaration.split(TAG).skip(1).filter_map(|rest| rest.split(" }").next());
    let words: String = words.map(|word| format!("{word} | ")).collect();
    declaration.replacen(TAG, &(words + TAG), 1)
}

/// `key?: T,` as `key?: T | undefined,`, so that callers under `exactOptionalPropertyTypes` may
/// pass a value that they do not have.
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
            .map_or(body.len(), |(at, _)| at);
        out.push_str(&rest[..start + 3]);
        out.push_str(body[..end].trim_end());
        out.push_str(" | undefined");
        rest = &body[end..];
    }
    out + rest
}

/// A value, not a type: what a command that fails by each code ends with.
fn exit_statuses() -> String {
    let mut text = String::from(
        "\n/** What a command that an error ends should end with, as `residual` does. */\n\
         export const exitStatus = {\n",
    );
    for code in spec::ErrorCode::ALL {
        let _ = writeln!(text, "  {}: {},", code.as_str(), code.exit_status());
    }
    text + "} as const satisfies Record<ErrorCode, number>\n"
}

/// For docs/errors.md.
fn codes() -> serde_json::Value {
    let told = spec::ErrorCode::ALL.iter().map(|code| {
        serde_json::json!({
            "code": code.as_str(),
            "meaning": code.meaning(),
            "message": code.typical_message(),
            "exitStatus": code.exit_status(),
        })
    });
    told.collect()
}

fn main() {
    let folder = std::path::PathBuf::from(std::env::args().nth(1).expect("usage: generate FOLDER"));
    let cfg = ts_rs::Config::default().with_large_int("number");
    let mut all = Declarations { cfg: &cfg, found: BTreeMap::new() };
    all.add::<spec::TrainConfig>();
    all.add::<spec::ResolvedConfig>();
    all.add::<spec::InspectConfig>();
    all.add::<spec::EvaluateConfig>();
    all.add::<spec::PreviewConfig>();
    all.add::<spec::ExportConfig>();
    all.add::<spec::LoadConfig>();
    all.add::<spec::FindLrConfig>();
    all.add::<spec::LrFinderResult>();
    all.add::<spec::PredictConfig>();
    all.add::<spec::PlanConfig>();
    all.add::<spec::Plan>();
    all.add::<spec::BenchConfig>();
    all.add::<spec::BenchResult>();
    all.add::<spec::ModelInfo>();
    all.add::<spec::RunEvent>();
    all.add::<spec::TrainResult>();
    all.add::<spec::Evaluation>();
    all.add::<spec::RunEvaluation>();
    all.add::<spec::LayerResponse>();
    all.add::<spec::EnsembleEvaluation>();
    all.add::<spec::Prediction>();
    all.add::<spec::ErrorCode>();
    all.add::<spec::ErrorLocation>();
    all.add::<spec::DatasetInfo>();
    all.add::<residual_arch::Inspection>();

    let mut text = String::from(
        "// Generated from the core's types by `node scripts/generate.mjs`. Do not edit.\n\n",
    );
    text.push_str(&all.found.into_values().collect::<Vec<_>>().join("\n"));
    text.push_str(&exit_statuses());
    std::fs::write(folder.join("generated.ts"), text).expect("generated.ts");

    std::fs::write(folder.join("errors.json"), codes().to_string()).expect("errors.json");

    let mut schema = schemars::schema_for!(spec::TrainConfig);
    schema.insert("title".into(), "residual training configuration".into());
    // What editors find this schema by.
    if let Some(keys) = schema.get_mut("properties").and_then(|keys| keys.as_object_mut()) {
        keys.insert("$schema".into(), serde_json::json!({ "type": "string" }));
    }
    // What editors, and shells, offer.
    let arch = schema.pointer_mut("/$defs/ModelConfig/properties/arch").expect("a network's name");
    arch["examples"] = serde_json::json!(spec::ArchName::EXAMPLES);
    let json = serde_json::to_string_pretty(&schema).expect("the schema is JSON");
    std::fs::write(folder.join("config.schema.json"), json + "\n").expect("config.schema.json");
}
