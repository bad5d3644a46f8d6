use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::evaluator::Query;
use crate::answer::Answer;

/// What a task asks its worker through. Several questions may be open at once; the task goes on when all of them are
/// answered, so that what it does next does not depend on which was answered first.
#[derive(Clone, Default)]
pub(crate) struct Oracle {
    asked: Rc<RefCell<Vec<Rc<Question>>>>,
}

/// A query, and the answers about its points once they are there.
pub(crate) struct Question {
    pub query: Query,
    answers: RefCell<Option<Vec<Answer>>>,
}

impl Oracle {
    /// Asks about one point.
    pub fn ask(&self, query: Query) -> impl Future<Output = Answer> + use<> {
        let reply = self.ask_each(query);
        async move { reply.await.pop().unwrap_or_default() }
    }

    /// Asks about any number of points; the answers come in their order.
    pub fn ask_each(&self, query: Query) -> Reply {
        let question = Rc::new(Question { query, answers: RefCell::default() });
        self.asked.borrow_mut().push(question.clone());
        Reply { question }
    }

    /// Takes the new questions out; one whose reply nobody waits for any more is left out.
    pub fn take(&self) -> Vec<Rc<Question>> {
        self.asked.take().into_iter().filter(|question| Rc::strong_count(question) > 1).collect()
    }
}

impl Question {
    pub fn answer(&self, answers: Vec<Answer>) {
        *self.answers.borrow_mut() = Some(answers);
    }
}

/// Waits for the answers to a question.
pub(crate) struct Reply {
    question: Rc<Question>,
}

impl Reply {
    /// The points that are asked about, row-major.
    pub fn points(&self) -> &[f32] {
        &self.question.query.points
    }
}

impl Future for Reply {
    type Output = Vec<Answer>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        self.question.answers.take().map_or(Poll::Pending, Poll::Ready)
    }
}
