//! `file:///path/services.yaml`: services that stand in a file, followed as it changes.

mod document;
mod driver;
mod follow;
mod format;
mod registry;
mod surrogates;

pub use driver::FileDriver;
