//! Compiles the C++ half of the bridge against the same LibTorch that torch-sys links.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
}
