//! The book service's client: what is made for each instance, and what may be tried again.

use std::error::Error as _;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sd_core::{Instance, Subscription, defaults, factory_fn};
use sd_lb::{Client, Retry, RetryIf, RoundRobin};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use crate::book::book_service_client::BookServiceClient;
use crate::book::{BookInfo, BookInfoParams, BookListParams};

/// How often a call is tried, and in what time altogether: the article's.
const ATTEMPTS: u32 = 3;
const WITHIN: Duration = Duration::from_secs(3);

/// One instance of the book service, and a channel to it. A clone shares the channel.
#[derive(Debug, Clone)]
pub struct BookEndpoint {
    instance: Arc<Instance>,
    client: BookServiceClient<Channel>,
}

impl BookEndpoint {
    /// Makes the channel; it connects when it is first used, and again when that is needed.
    ///
    /// # Errors
    /// An address that is no URI.
    pub fn new(instance: Arc<Instance>) -> Result<Self, tonic::transport::Error> {
        let address = instance.address();
        let uri = address.as_url().map_or_else(|| format!("http://{address}"), str::to_owned);
        let endpoint = Endpoint::from_shared(uri)?.connect_timeout(defaults::INSTANCE_CONNECT_TIMEOUT);
        Ok(Self { client: BookServiceClient::new(endpoint.connect_lazy()), instance })
    }

    /// The address that is called.
    #[must_use]
    pub fn address(&self) -> impl fmt::Display + '_ {
        self.instance.address()
    }

    /// One book.
    ///
    /// # Errors
    /// What gRPC says.
    pub async fn info(&self, book_id: i32) -> Result<BookInfo, Status> {
        let answer = self.client.clone().get_book_info(BookInfoParams { book_id }).await?;
        Ok(answer.into_inner())
    }

    /// The first ten books.
    ///
    /// # Errors
    /// What gRPC says.
    pub async fn list(&self) -> Result<Vec<BookInfo>, Status> {
        let answer = self.client.clone().get_book_list(BookListParams { page: 1, limit: 10 }).await?;
        Ok(answer.into_inner().book_list)
    }
}

/// A client of the book service.
pub type BookClient = Client<BookEndpoint, RetryIf<fn(&Status) -> bool>>;

/// Calls the instances in turn; what fails is tried again, three times in 3 s.
///
/// # Errors
/// Outside a tokio runtime.
pub fn connect(instances: Subscription) -> Result<BookClient, sd_core::Error> {
    let retry = Retry::attempts(ATTEMPTS).within(WITHIN).only_if(may_work_elsewhere as fn(&Status) -> bool);
    Client::builder(instances).balancer(RoundRobin::new()).retry(retry).connect_with(factory_fn(BookEndpoint::new))
}

/// What may be tried again: calls whose instance was not reached, was lost, or said that it is unavailable. Any other
/// answer (`NotFound`, say) would be the same elsewhere.
fn may_work_elsewhere(status: &Status) -> bool {
    // A status that came from the server has no source; one that tonic made of a broken connection has, whatever its
    // code. Reading books twice does no harm; where that is not so, an answer that was lost must not be asked for again.
    status.code() == Code::Unavailable || status.source().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_connection_is_tried_elsewhere_and_an_answer_stands() {
        let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        assert!(may_work_elsewhere(&Status::from_error(Box::new(broken))));
        assert!(may_work_elsewhere(&Status::unavailable("about to stop")));
        for code in [Code::NotFound, Code::InvalidArgument, Code::Internal, Code::Unknown] {
            assert!(!may_work_elsewhere(&Status::new(code, "")), "{code:?}");
        }
    }

    #[tokio::test]
    async fn every_kind_of_address_makes_a_channel() {
        for address in ["127.0.0.1:50052", "[::1]:50052", "book.example:50052", "http://book.example/"] {
            let instance = Instance::new(address.parse::<sd_core::Address>().unwrap());
            assert!(BookEndpoint::new(Arc::new(instance)).is_ok(), "{address}");
        }
    }
}
