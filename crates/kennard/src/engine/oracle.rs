use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::evaluator::{Answer, Query};

/// A task's line to its worker: it asks, and waits for the answer.
#[derive(Clone, Default)]
pub struct Oracle {
    mail: Rc<RefCell<Mail>>,
}

#[derive(Default)]
enum Mail {
    #[default]
    Empty,
    Asked(Query),
    /// The worker has taken the query.
    Waiting,
    Answered(Answer),
}

impl Oracle {
    pub(crate) fn ask(&self, query: Query) -> impl Future<Output = Answer> + use<> {
        *self.mail.borrow_mut() = Mail::Asked(query);
        Reply { mail: self.mail.clone() }
    }

    /// Takes the query out, if there is one.
    pub(super) fn take(&self) -> Option<Query> {
        let mut mail = self.mail.borrow_mut();
        match std::mem::replace(&mut *mail, Mail::Waiting) {
            Mail::Asked(query) => Some(query),
            other => {
                *mail = other;
                None
            }
        }
    }

    pub(super) fn answer(&self, answer: Answer) {
        *self.mail.borrow_mut() = Mail::Answered(answer);
    }
}

struct Reply {
    mail: Rc<RefCell<Mail>>,
}

impl Future for Reply {
    type Output = Answer;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        let mut mail = self.mail.borrow_mut();
        match std::mem::take(&mut *mail) {
            Mail::Answered(answer) => Poll::Ready(answer),
            other => {
                *mail = other;
                Poll::Pending
            }
        }
    }
}
