//! What is sent: a message that can be sent again, or a stream that can't.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;

/// A request's body. A whole one can be sent again: its bytes are shared, not copied.
pub(crate) enum RequestBody {
    /// All of it: a unary call's message.
    Whole(Option<Bytes>),
    /// What was read of it to see that it is a stream, and the stream.
    Streaming { ahead: [Option<Bytes>; 2], rest: Body },
}

impl RequestBody {
    /// Reads ahead as far as can be done without waiting: a unary call's message is all there.
    ///
    /// # Errors
    /// What the body's source says, as when a message can't be encoded.
    pub(crate) async fn read(body: Body) -> Result<Self, Status> {
        let mut body = Some(body);
        let mut ahead = [None, None];
        poll_fn(move |cx| {
            for place in &mut ahead {
                let Some(source) = &mut body else { break };
                match Pin::new(source).poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => *place = frame.into_data().ok(),
                    Poll::Ready(Some(Err(status))) => return Poll::Ready(Err(status)),
                    Poll::Ready(None) => {
                        let [message, _] = &mut ahead;
                        return Poll::Ready(Ok(Self::Whole(message.take())));
                    }
                    Poll::Pending => break,
                }
            }
            let rest = body.take().unwrap_or_default();
            Poll::Ready(Ok(Self::Streaming { ahead: std::mem::take(&mut ahead), rest }))
        })
        .await
    }

    /// The same once more, if that is possible.
    pub(crate) fn again(&self) -> Option<Self> {
        match self {
            Self::Whole(message) => Some(Self::Whole(message.clone())),
            Self::Streaming { .. } => None,
        }
    }
}

impl From<Body> for RequestBody {
    fn from(rest: Body) -> Self {
        Self::Streaming { ahead: [None, None], rest }
    }
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match self.get_mut() {
            Self::Whole(message) => Poll::Ready(message.take().map(|message| Ok(Frame::data(message)))),
            Self::Streaming { ahead: [first, second], rest } => match first.take().or_else(|| second.take()) {
                Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
                None => Pin::new(rest).poll_frame(cx),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(message) => message.is_none(),
            Self::Streaming { ahead, rest } => ahead.iter().all(Option::is_none) && rest.is_end_stream(),
        }
    }

    /// Unknown, always: hyper would make a `content-length` of it, which gRPC does without.
    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(message) => f.debug_tuple("Whole").field(&message.as_ref().map(Bytes::len)).finish(),
            Self::Streaming { .. } => f.write_str("Streaming"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    /// Gives its frames, `None` standing for one moment of waiting.
    struct Scripted(VecDeque<Option<Result<&'static str, Status>>>);

    impl http_body::Body for Scripted {
        type Data = Bytes;
        type Error = Status;

        fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
            match self.0.pop_front() {
                None => Poll::Ready(None),
                Some(None) => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                Some(Some(frame)) => {
                    Poll::Ready(Some(frame.map(|text| Frame::data(Bytes::from_static(text.as_bytes())))))
                }
            }
        }
    }

    async fn read(
        frames: impl IntoIterator<Item = Option<Result<&'static str, Status>>>,
    ) -> Result<RequestBody, Status> {
        RequestBody::read(Body::new(Scripted(frames.into_iter().collect()))).await
    }

    async fn sent(mut body: RequestBody) -> String {
        let mut sent = String::new();
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            sent.push_str(std::str::from_utf8(&frame.unwrap().into_data().unwrap()).unwrap());
        }
        sent
    }

    #[tokio::test]
    async fn one_message_is_whole_and_is_sent_again_without_a_copy() {
        let body = read([Some(Ok("message"))]).await.unwrap();
        let (RequestBody::Whole(Some(one)), Some(RequestBody::Whole(Some(other)))) = (&body, body.again()) else {
            panic!("{body:?}")
        };
        assert_eq!(one.as_ptr(), other.as_ptr());
        assert!(!body.is_end_stream());
        assert_eq!(sent(body).await, "message");
        assert!(read([]).await.unwrap().is_end_stream());
    }

    #[tokio::test]
    async fn a_stream_is_sent_in_its_order_and_once() {
        for frames in [
            vec![Some(Ok("a")), None, Some(Ok("b")), Some(Ok("c"))],
            vec![None, Some(Ok("a")), Some(Ok("b")), Some(Ok("c"))],
            vec![Some(Ok("a")), Some(Ok("b")), Some(Ok("c"))],
            vec![Some(Ok("a")), Some(Ok("bc"))],
        ] {
            let body = read(frames).await.unwrap();
            assert!(body.again().is_none(), "{body:?}");
            assert_eq!(sent(body).await, "abc");
        }
    }

    #[tokio::test]
    async fn an_error_of_the_source_is_the_calls() {
        let error = read([Some(Err(Status::out_of_range("too large")))]).await.unwrap_err();
        assert_eq!(error.code(), tonic::Code::OutOfRange);
    }
}
