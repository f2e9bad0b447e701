//! The article's `GetProvider`: one of those who were pushed, at random.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client as Http;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use sd_core::{BoxError, Subscription};
use sd_kit::prelude::*;

/// A call takes no longer than this.
const TIMEOUT: Duration = Duration::from_secs(3);
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// Calls one provider of a service, chosen at random for each call.
#[derive(Debug, Clone)]
pub struct Provider {
    endpoints: Arc<Client<Arc<str>>>,
    http: Http<HttpConnector, Full<Bytes>>,
}

impl Provider {
    /// Of the service that is subscribed to.
    ///
    /// # Errors
    /// Outside a tokio runtime.
    pub fn new(providers: Subscription) -> Result<Self, Error> {
        let base = |instance: Arc<Instance>| {
            let address = instance.address();
            let url = address.as_url().map_or_else(|| format!("http://{address}"), str::to_owned);
            Ok::<_, Error>(Arc::from(url.trim_end_matches('/')))
        };
        let endpoints = Client::builder(providers).balancer(Random::new()).connect_with(factory_fn(base))?;
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(sd_core::defaults::INSTANCE_CONNECT_TIMEOUT));
        Ok(Self { endpoints: Arc::new(endpoints), http: Http::builder(TokioExecutor::new()).build(connector) })
    }

    /// One request; the answer's status and body.
    ///
    /// # Errors
    /// Nobody provides the service, it can't be reached, or it does not answer within 3 s.
    ///
    /// # Cancel safety
    /// Dropping the future gives up the call; it may have been done by then.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        body: impl Into<Bytes>,
    ) -> Result<(StatusCode, Bytes), BoxError> {
        let body: Bytes = body.into();
        let call = self.endpoints.run(body, |endpoint, body: Bytes| {
            let (http, method, url) = (self.http.clone(), method.clone(), format!("{}{path}", &**endpoint));
            async move {
                let asked = ask(&http, method, url, body);
                asked.await.map_err(|error| Error::unavailable("no answer").with_source(error))
            }
        });
        Ok(tokio::time::timeout(TIMEOUT, call).await??)
    }
}

async fn ask(
    http: &Http<HttpConnector, Full<Bytes>>,
    method: Method,
    url: String,
    body: Bytes,
) -> Result<(StatusCode, Bytes), BoxError> {
    let request = Request::builder().method(method).uri(url).header("content-type", "text/plain");
    let answer = http.request(request.body(Full::new(body))?).await?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES).collect().await?;
    Ok((status, body.to_bytes()))
}
