//! The cases, one file per family of rules; each is listed in `main.rs` too.

pub mod activation;
pub mod conv;
pub mod einsum;
pub mod elementwise;
pub mod grid_sample;
pub mod index;
pub mod layout;
pub mod matmul;
pub mod normalization;
pub mod pool;
pub mod reduce;
pub mod resize;
pub mod select;
pub mod softmax;
pub mod spectrum;
