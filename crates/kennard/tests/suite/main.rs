//! The library's integration tests: one program, so that it is linked once and tests of all files run beside each other.
//! One file's tests: `cargo test --release -p kennard --test suite published::`.

mod common;

mod answers;
mod autoattack;
mod boxes;
mod certificates;
mod certified;
mod complaints;
mod elementary;
mod features;
mod leaves;
mod linear;
mod live;
mod minimal;
mod others;
mod outward;
mod packets;
mod plane;
mod precision;
mod probes;
mod published;
mod references;
mod repeatable;
mod slice;
mod summary;
mod survival;
mod transfer;
mod trees;
mod valid;
