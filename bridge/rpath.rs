//! Build script shared by every crate whose binaries or tests load LibTorch: writes the run path, so that nothing needs LD_LIBRARY_PATH.
#![allow(clippy::print_stdout, reason = "a build script speaks to cargo on stdout")]
#![allow(clippy::disallowed_methods, reason = "a build script is told by cargo through the environment, also in the pure crates")]

fn main() {
    println!("cargo:rerun-if-changed=../bridge/rpath.rs");
    // torch-sys (links = "tch") tells where LibTorch lies; `$ORIGIN/../lib` first, so that an installed bundle wins.
    if let Ok(lib) = std::env::var("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,$ORIGIN/../lib:{lib}");
    }
}
