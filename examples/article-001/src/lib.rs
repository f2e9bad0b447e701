//! The system of article 001: a centre, a log service, a grading service and a portal, told of each other by push.

pub mod commands;
pub mod grading;
pub mod log_layer;
pub mod log_service;
pub mod portal;
pub mod provider;

/// The article's names.
pub mod names {
    /// Writes log lines to a file.
    pub const LOG: &str = "LogService";
    /// Knows students and their grades.
    pub const GRADING: &str = "GradingService";
    /// Shows them.
    pub const PORTAL: &str = "Portald";
}
