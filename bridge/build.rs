//! Compiles the C++ half of the bridge against the same LibTorch that torch-sys links, and writes the run path for this crate's tests.
#![allow(clippy::print_stdout, reason = "a build script speaks to cargo on stdout")]

use std::path::PathBuf;

fn main() {
    let lib = std::env::var("DEP_TCH_LIBTORCH_LIB").unwrap_or_default();
    let root = PathBuf::from(&lib).parent().map(PathBuf::from).unwrap_or_default();
    let include = root.join("include");
    for file in [
        "cpp/bridge.h",
        "cpp/runtime.cpp",
        "cpp/optimizer.cpp",
        "cpp/decode.cpp",
        "cpp/layer.cpp",
        "cpp/sample.cpp",
        "cpp/skinny.cpp",
        "cpp/simd.h",
        "src/ffi.rs",
        "build.rs",
    ] {
        println!("cargo:rerun-if-changed={file}");
    }
    cxx_build::bridge("src/ffi.rs")
        .files(["cpp/runtime.cpp", "cpp/optimizer.cpp", "cpp/decode.cpp", "cpp/layer.cpp", "cpp/sample.cpp", "cpp/skinny.cpp"])
        .include(&include)
        .include(include.join("torch/csrc/api/include"))
        .include("cpp")
        .std("c++17")
        .flag("-O3")
        // Without it at::parallel_for runs on one thread, silently. The runtime is the one LibTorch brings (libgomp.so.1 beside it).
        .flag("-fopenmp")
        // Sums inside a kernel may be reordered by the compiler: once, at compile time, so a given binary stays deterministic.
        .flag("-fno-math-errno")
        .flag("-ffp-contract=fast")
        .flag_if_supported("-Wno-unused-parameter")
        .flag_if_supported("-Wno-psabi")
        .define("_GLIBCXX_USE_CXX11_ABI", "1")
        .warnings(false)
        .compile("collimate-bridge");
    println!("cargo:rustc-link-lib=gomp");
    println!("cargo:rustc-link-arg=-Wl,-rpath,$ORIGIN/../lib:{lib}");
}
