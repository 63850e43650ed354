//! Compiles the shim against the same libtorch that torch-sys was given.

fn main() {
    for file in ["src/shim.cpp", "src/batch_norm.cpp", "src/guarded.h"] {
        println!("cargo:rerun-if-changed={file}");
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
        .file("src/shim.cpp")
        .file("src/batch_norm.cpp")
        .compile("residual_shim");
}
