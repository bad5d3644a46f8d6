use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

/// Awaits two things side by side, so that both questions are open at once.
///
/// ```
/// # use kennard::attack::{Answer, Loss, Subject, join};
/// # async fn both(subject: &Subject<'_>, a: &[f32], b: &[f32]) {
/// let loss = Loss::Margin;
/// let (here, there): (Answer, Answer) =
///     join(subject.gradient(a, loss, subject.label()), subject.logits(b)).await;
/// # }
/// ```
pub async fn join<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B>) -> (A, B) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut first, mut second) = (None, None);
    poll_fn(|context| {
        if first.is_none()
            && let Poll::Ready(value) = a.as_mut().poll(context)
        {
            first = Some(value);
        }
        if second.is_none()
            && let Poll::Ready(value) = b.as_mut().poll(context)
        {
            second = Some(value);
        }
        match (first.take(), second.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            part => {
                (first, second) = part;
                Poll::Pending
            }
        }
    })
    .await
}
