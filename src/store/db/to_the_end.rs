//! Work that is done to its end.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;

/// A future of which what is left becomes a task of its own if it is dropped. Where it is not, it
/// costs no task.
pub(super) struct ToTheEnd<T: Send + 'static> {
    /// `None` while it runs, once it has ended, and after a panic.
    rest: Option<BoxFuture<'static, T>>,
}

impl<T: Send + 'static> ToTheEnd<T> {
    pub(super) fn new(work: impl Future<Output = T> + Send + 'static) -> Self {
        Self {
            rest: Some(Box::pin(work)),
        }
    }
}

impl<T: Send + 'static> Future for ToTheEnd<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let Some(mut rest) = self.rest.take() else {
            return Poll::Pending;
        };
        let done = rest.as_mut().poll(cx);
        if done.is_pending() {
            self.rest = Some(rest);
        }
        done
    }
}

impl<T: Send + 'static> Drop for ToTheEnd<T> {
    fn drop(&mut self) {
        // Without a runtime the process ends.
        if let (Some(rest), Ok(runtime)) = (self.rest.take(), Handle::try_current()) {
            runtime.spawn(rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::{sync::oneshot, task::yield_now};

    use super::*;

    #[tokio::test]
    async fn work_that_nobody_waits_for_is_done() {
        let (go, gone) = oneshot::channel();
        let (tell, told) = oneshot::channel();
        let mut work = ToTheEnd::new(async move {
            let told: Result<u8, _> = gone.await;
            let _ = tell.send(told);
        });
        tokio::select! {
            biased;
            () = &mut work => unreachable!("it waits"),
            () = yield_now() => {}
        }
        drop(work);
        go.send(7).expect("it still waits");
        assert_eq!(told.await, Ok(Ok(7)));
    }

    #[tokio::test]
    async fn work_that_is_waited_for_is_done_once() {
        let (go, gone) = oneshot::channel();
        go.send(7).expect("it waits");
        assert_eq!(ToTheEnd::new(gone).await, Ok(7));
    }
}
