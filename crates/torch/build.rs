//! Compiles the C++ shim with the headers of the libtorch in `LIBTORCH`, as torch-sys does.

fn main() {
    const SOURCES: [&str; 5] = [
        "huge_page_allocator.cpp",
        "batch_norm.cpp",
        "convolution.cpp",
        "onednn_conv.cpp",
        "shim.cpp",
    ];
    let mut files: Vec<String> = SOURCES.iter().map(|file| format!("shim/{file}")).collect();
    if std::env::var_os("CARGO_FEATURE_RECORDER").is_some() {
        files.push("recorder/recorder.cpp".into());
    }
    let is_linux = std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux");
    let process_group = if is_linux { "process_group.cpp" } else { "unsupported.cpp" };
    files.push(format!("shim/distributed/{process_group}"));
    if std::env::var("CARGO_CFG_TARGET_ENV").as_deref() == Ok("gnu") {
        files.push("shim/glibc_compat.cpp".into());
    }
    for file in files.iter().map(String::as_str).chain([
        "shim/catch_exceptions.h",
        "shim/distributed/gloo_declarations.h",
        "shim/parallel.h",
    ]) {
        println!("cargo:rerun-if-changed={file}");
    }
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    let libtorch = std::env::var("LIBTORCH")
        .expect("LIBTORCH is not set: run `npm run setup` once, which finds or fetches libtorch");
    let include = std::path::Path::new(&libtorch).join("include");
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .warnings(false) // libtorch's own headers cause warnings
        .opt_level(2)
        .include(&include)
        .include(include.join("torch/csrc/api/include"))
        // Declarations of gloo, whose headers libtorch does not contain.
        .include("shim/distributed")
        .define("USE_C10D_GLOO", None)
        .files(files)
        .compile("residual_shim");
}
