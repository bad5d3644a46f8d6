//! Training: the same graphs, differentiated with respect to their weights, on the same runtimes.
//!
//! A batch is cut into parts of one size. Each is worked on by one core: varied, changed as the method
//! wants it, differentiated; the gradients of the parts are added in their order. So the result depends
//! neither on the number of cores nor on where a run was interrupted.

mod architecture;
mod directory;
mod epoch;
mod images;
mod method;
mod optimizer;
mod perturb;
mod recipe;
mod samples;
mod settings;
mod state;
mod step;
mod training;
mod validate;
mod worker;

#[cfg(test)]
mod tests;

pub use architecture::{Architecture, Kept};
pub use directory::TrainingDirectory;
pub use epoch::{Epoch, best};
pub use images::Augmentation;
pub use method::{METHODS, Method, Strength};
pub use optimizer::{Optimizer, Schedule};
pub use recipe::Recipe;
pub use samples::TrainingSet;
pub use settings::{Network, TrainedOn, TrainingData, TrainingManifest, TrainingSettings};
pub use training::{Trained, Training, TrainingProgress};
