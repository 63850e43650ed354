//! Compiles the shim against the same libtorch that torch-sys was given.

fn main() {
    const SOURCES: [&str; 5] =
        ["allocator.cpp", "batch_norm.cpp", "convolution.cpp", "packed.cpp", "shim.cpp"];
    for file in SOURCES.iter().chain(&["guarded.h", "parallel.h"]) {
        println!("cargo:rerun-if-changed=src/{file}");
    }
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    let libtorch = std::env::var("LIBTORCH")
        .expect("LIBTORCH is not set: run `npm run setup` once, which finds or fetches libtorch");
    let include = std::path::Path::new(&libtorch).join("include");
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .warnings(false) // libtorch's headers are not free of them
        .opt_level(2)
        .include(&include)
        .include(include.join("torch/csrc/api/include"))
        .files(SOURCES.iter().map(|file| format!("src/{file}")))
        .compile("residual_shim");
}
