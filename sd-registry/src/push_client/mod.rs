//! Article 001's protocol as a client: registered by `POST`, alive by answering heartbeats, told by push.
//!
//! [`PushConfig`] makes a registrar and an instancer of it, for a centre of ours and for the article's own. The centre
//! calls back, so a small HTTP server of its own runs beside, on a free port of the loopback unless told otherwise,
//! under paths that nobody can guess.
//!
//! # What the protocol can't
//! * An instance is a URL and nothing else: no weight, health or metadata, so an update is `Unsupported`, and a drain
//!   removes first. Nobody lists services, and nobody can be drained or deregistered by id.
//! * Nobody owns a URL: of two processes that register the same one, each takes it from the other.
//! * That the centre is gone shows by heartbeats that no longer come: after [`PushConfig::silence`] everything is
//!   registered anew.

mod centre;
mod config;
mod feed;
mod listener;
mod registry;
mod watch;

#[cfg(test)]
mod tests;

pub use config::PushConfig;
