//! Whoever changes instances at the centre.

use std::net::SocketAddr;

use super::api::Api;
use super::floor;
use crate::registry::Local;
use crate::registry::mark::Mark;
use crate::registry::writer::Write;

struct Puts(Api);

/// Connects.
pub(super) fn connect(server: SocketAddr) -> Local<'static, Box<dyn Write>> {
    Box::pin(async move {
        let puts: Box<dyn Write> = Box::new(Puts(Api::connect(server).await?));
        Ok(puts)
    })
}

impl Write for Puts {
    fn fill(&self, service: &'static str, n: usize) -> Local<'_, ()> {
        Box::pin(floor::all(&self.0, service, 0..n, 1))
    }

    fn put(&self, service: &'static str, mark: &Mark) -> anyhow::Result<Local<'static, ()>> {
        let (api, index, weight) = (self.0.clone(), mark.index, mark.weight);
        Ok(Box::pin(async move { api.register(service, index, weight).await }))
    }

    fn at_once(&self) -> usize {
        // Streams that the centre takes at a time on one connection.
        100
    }
}
