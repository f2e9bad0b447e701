//! The book service: two books, two calls.

use std::time::Duration;

use tonic::{Request, Response, Status};

use self::book_service_server::{BookService, BookServiceServer};

#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic, clippy::nursery, clippy::future_not_send)]
#[allow(clippy::use_self, clippy::semicolon_if_nothing_returned, reason = "not written by hand")]
mod generated {
    tonic::include_proto!("book");
}

pub use generated::*;

/// The name that its instances are registered under.
pub const SERVICE: &str = "book";

const BOOKS: [(i32, &str); 2] = [(1, "21天精通php"), (2, "21天精通java")];

/// The server's side.
#[derive(Debug, Clone, Default)]
pub struct Books {
    work: Duration,
}

impl Books {
    /// Answers at once.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes so long for every answer, as if it had work to do.
    #[must_use]
    pub fn working_for(mut self, work: Duration) -> Self {
        self.work = work;
        self
    }

    /// What tonic's `Server` takes.
    #[must_use]
    pub fn into_service(self) -> BookServiceServer<Self> {
        BookServiceServer::new(self)
    }
}

#[tonic::async_trait]
impl BookService for Books {
    async fn get_book_info(&self, request: Request<BookInfoParams>) -> Result<Response<BookInfo>, Status> {
        tokio::time::sleep(self.work).await;
        let id = request.into_inner().book_id;
        match all().find(|book| book.book_id == id) {
            Some(book) => Ok(Response::new(book)),
            None => Err(Status::not_found(format!("no book has the id {id}"))),
        }
    }

    async fn get_book_list(&self, request: Request<BookListParams>) -> Result<Response<BookList>, Status> {
        tokio::time::sleep(self.work).await;
        let BookListParams { page, limit } = request.into_inner();
        let (Ok(page), Ok(limit)) = (usize::try_from(page), usize::try_from(limit)) else {
            return Err(Status::invalid_argument(format!("page {page}, limit {limit}: neither may be negative")));
        };
        let limit = if limit == 0 { usize::MAX } else { limit };
        let before = page.saturating_sub(1).saturating_mul(limit);
        Ok(Response::new(BookList { book_list: all().skip(before).take(limit).collect() }))
    }
}

fn all() -> impl Iterator<Item = BookInfo> {
    BOOKS.into_iter().map(|(book_id, name)| BookInfo { book_id, book_name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::Code;

    async fn listed(page: i32, limit: i32) -> Result<Vec<i32>, Code> {
        let answer = Books::new().get_book_list(Request::new(BookListParams { page, limit })).await;
        let list = answer.map_err(|status| status.code())?.into_inner().book_list;
        Ok(list.iter().map(|book| book.book_id).collect())
    }

    #[tokio::test]
    async fn a_book_is_found_by_its_id_and_another_id_is_not_found() {
        let books = Books::new();
        let book = |book_id| books.get_book_info(Request::new(BookInfoParams { book_id }));
        let php = BookInfo { book_id: 1, book_name: "21天精通php".to_owned() };
        assert_eq!(book(1).await.unwrap().into_inner(), php);
        assert_eq!(book(2).await.unwrap().into_inner().book_name, "21天精通java");
        for id in [0, 3, -1, i32::MAX] {
            assert_eq!(book(id).await.unwrap_err().code(), Code::NotFound, "{id}");
        }
    }

    #[tokio::test]
    async fn the_list_comes_page_by_page() {
        assert_eq!(listed(1, 10).await, Ok(vec![1, 2]));
        assert_eq!(listed(1, 1).await, Ok(vec![1]));
        assert_eq!(listed(2, 1).await, Ok(vec![2]));
        assert_eq!(listed(3, 1).await, Ok(vec![]));
        assert_eq!(listed(0, 0).await, Ok(vec![1, 2]));
        assert_eq!(listed(i32::MAX, i32::MAX).await, Ok(vec![]));
        assert_eq!(listed(-1, 1).await, Err(Code::InvalidArgument));
        assert_eq!(listed(1, -1).await, Err(Code::InvalidArgument));
    }
}
