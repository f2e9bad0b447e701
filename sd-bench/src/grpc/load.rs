//! Load on a channel: so many callers at once, each call after its last.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::runtime::Runtime;
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::codegen::StdError;

use super::{Client, Payload, SIZE};
use crate::harness::alloc;
use crate::harness::clock::Stopwatch;
use crate::harness::histogram::Histogram;

/// What one slice of load came to.
#[derive(Debug)]
pub struct Slice {
    /// Nanoseconds from one answer to the next, whoever got it.
    pub per_call: f64,
    /// Of each call.
    pub latencies: Histogram,
}

type Drive = Arc<dyn Fn(usize, Duration) -> BoxFuture<'static, anyhow::Result<Slice>> + Send + Sync>;

/// A channel under load.
#[derive(Clone)]
pub struct Loaded {
    drive: Drive,
    /// So many calls one after the other, on one thread.
    in_turn: Arc<dyn Fn(u64) -> BoxFuture<'static, anyhow::Result<()>> + Send + Sync>,
}

impl Loaded {
    /// Of `channel`, a clone per caller, as programs have it.
    pub fn new<T>(channel: T) -> Self
    where
        T: GrpcService<Body> + Clone + Send + Sync + 'static,
        T::Error: Into<StdError>,
        T::Future: Send,
        T::ResponseBody: http_body::Body<Data = Bytes> + Send + 'static,
        <T::ResponseBody as http_body::Body>::Error: Into<StdError> + Send,
    {
        let client = Client::new(channel);
        let in_turn = client.clone();
        Self {
            drive: Arc::new(move |callers, length| Box::pin(drive(client.clone(), callers, length))),
            in_turn: Arc::new(move |calls| {
                let mut client = in_turn.clone();
                Box::pin(async move {
                    for _ in 0..calls {
                        client.unary(payload()).await?;
                    }
                    Ok(())
                })
            }),
        }
    }

    /// So many callers for so long.
    pub fn slice(&self, runtime: &Runtime, callers: usize, length: Duration) -> anyhow::Result<Slice> {
        runtime.block_on((self.drive)(callers, length))
    }

    /// Allocations per call of everything that runs on this thread, which must be all of the client's.
    pub fn allocations(&self, runtime: &Runtime, calls: u64) -> anyhow::Result<f64> {
        runtime.block_on((self.in_turn)(calls))?;
        let before = alloc::count();
        runtime.block_on((self.in_turn)(calls))?;
        Ok((alloc::count() - before) as f64 / calls as f64)
    }
}

fn payload() -> Payload {
    const BYTES: [u8; SIZE] = [7; SIZE];
    Payload { bytes: Bytes::from_static(&BYTES) }
}

async fn drive<T>(client: Client<T>, callers: usize, length: Duration) -> anyhow::Result<Slice>
where
    T: GrpcService<Body> + Clone + Send + Sync + 'static,
    T::Error: Into<StdError>,
    T::Future: Send,
    T::ResponseBody: http_body::Body<Data = Bytes> + Send + 'static,
    <T::ResponseBody as http_body::Body>::Error: Into<StdError> + Send,
{
    let began = Stopwatch::start();
    let callers: Vec<_> = (0..callers)
        .map(|_| {
            let mut client = client.clone();
            tokio::spawn(async move {
                let mut latencies = Histogram::default();
                let mut calls = 0_u64;
                while began.elapsed() < length {
                    let call = Stopwatch::start();
                    client.unary(payload()).await?;
                    latencies.record(call.elapsed());
                    calls += 1;
                }
                anyhow::Ok((calls, latencies))
            })
        })
        .collect();
    let (mut calls, mut latencies) = (0, Histogram::default());
    for caller in callers {
        let (made, seen) = caller.await??;
        calls += made;
        latencies.add(&seen);
    }
    Ok(Slice { per_call: began.elapsed().as_nanos() as f64 / calls.max(1) as f64, latencies })
}
