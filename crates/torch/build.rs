//! Compiles the shim against the same libtorch that torch-sys was given.

fn main() {
    for file in ["batch_norm.cpp", "convolution.cpp", "guarded.h", "parallel.h", "shim.cpp"] {
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
        .file("src/shim.cpp")
        .file("src/batch_norm.cpp")
        .file("src/convolution.cpp")
        .compile("residual_shim");
}
