//! Certified bounds: never inside what is bounded, whatever the numbers, and no wider than formulas say.
//!
//! Everything is run by rten in single precision and compared with double precision or exact rationals.

mod balls;
mod exact;
mod formulas;
mod functions;
mod machines;
mod models;
mod passes;
mod products;
mod refused;
mod rounding;
#[path = "../rules/rten.rs"]
mod rten;
mod subject;
