//! Whoever changes instances in etcd.

use std::net::SocketAddr;

use etcd_client::{Client, Txn, TxnOp};

use crate::registry::Local;
use crate::registry::mark::Mark;
use crate::registry::writer::Write;

/// As many puts as etcd takes in one transaction.
const TRANSACTION: usize = 128;

struct Puts(Client);

/// Connects.
pub(super) fn connect(server: SocketAddr) -> Local<'static, Box<dyn Write>> {
    Box::pin(async move {
        let puts: Box<dyn Write> = Box::new(Puts(Client::connect([server.to_string()], None).await?));
        Ok(puts)
    })
}

impl Write for Puts {
    fn fill(&self, service: &'static str, n: usize) -> Local<'_, ()> {
        Box::pin(async move {
            for marks in Mark::first(n).chunks(TRANSACTION) {
                let puts = marks.iter().map(|mark| Ok(TxnOp::put(mark.path(service), mark.value()?, None)));
                let puts = puts.collect::<anyhow::Result<Vec<_>>>()?;
                self.0.clone().txn(Txn::new().and_then(puts)).await?;
            }
            Ok(())
        })
    }

    fn put(&self, service: &'static str, mark: &Mark) -> anyhow::Result<Local<'static, ()>> {
        let (mut client, key, value) = (self.0.clone(), mark.path(service), mark.value()?);
        Ok(Box::pin(async move {
            client.put(key, value, None).await?;
            Ok(())
        }))
    }

    fn at_once(&self) -> usize {
        usize::MAX
    }
}
