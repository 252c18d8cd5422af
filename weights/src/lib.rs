//! Bounded readers and writers of model files: safetensors and GGUF, bytes and shapes.
