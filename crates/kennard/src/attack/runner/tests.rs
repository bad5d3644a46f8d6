use std::pin::pin;
use std::task::{Context, Waker};

use super::super::subject::Criterion;
use super::super::{Search, join};
use super::*;
use crate::answer::Answer;
use crate::engine::Program;
use crate::{Norm, ThreatModel};

/// Asks about points in turn, the last two side by side, and keeps what it is told.
struct Asking<'p>(&'p [f32], std::sync::Mutex<Vec<usize>>);

impl Attack for Asking<'_> {
    fn name(&self) -> &str {
        "asking"
    }

    fn run<'a>(&'a self, subject: &'a Subject<'a>) -> Search<'a> {
        Box::pin(async move {
            let told = |answer: &Answer| self.1.lock().unwrap().push(answer.prediction());
            let (others, two) = self.0.split_last_chunk::<2>().unwrap();
            for &x in others {
                told(&subject.logits(&[x]).await);
            }
            let (one, other) = join(subject.logits(&[two[0]]), subject.logits(&[two[1]])).await;
            told(&one);
            told(&other);
            Ok(())
        })
    }
}

/// Class 0 below 0.6, in single precision; a rough answer has that boundary elsewhere.
fn found(points: &[f32], criterion: Criterion, rough_boundary: f32) -> (Verdict, Vec<usize>) {
    let boundary = |program| if program == Program::SearchLogits { rough_boundary } else { 0.6 };
    found_between(points, criterion, boundary)
}

/// Class 0 below a boundary, which a program may have elsewhere.
fn found_between(
    points: &[f32],
    criterion: Criterion,
    boundary: impl Fn(Program) -> f32,
) -> (Verdict, Vec<usize>) {
    asked(points, Asked { criterion, budget: None, rough: true }, boundary)
}

struct Asked {
    criterion: Criterion,
    budget: Option<u64>,
    rough: bool,
}

fn asked(points: &[f32], of: Asked, boundary: impl Fn(Program) -> f32) -> (Verdict, Vec<usize>) {
    let Asked { criterion, budget, rough } = of;
    let attack = Asking(points, std::sync::Mutex::default());
    let threat = ThreatModel::new(Norm::Linf, 0.3).unwrap();
    let clean = [0.1, -0.1];
    let attacked = AttackedSample::new(&[0.5], &[1], 0, 0, &clean);
    let conditions = AttackConditions { threat, criterion, seed: 0, budget, rough };
    let oracle = Oracle::default();
    let mut run = pin!(run_attack(&attack, attacked, conditions, 0, oracle.clone()));
    let verdict = loop {
        if let Poll::Ready(verdict) = run.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            break verdict.unwrap();
        }
        for question in oracle.take() {
            let z = boundary(question.query.program) - question.query.points[0];
            question.answer(vec![Answer::new(vec![z, -z])]);
        }
    };
    let told = attack.1.lock().unwrap().clone();
    (verdict, told)
}

/// A point that is adversarial in a rough answer alone ends nothing, and is told apart from one that is.
#[test]
fn rough_breaks_do_not_count() {
    let (verdict, told) = found(&[0.57, 0.55, 0.58, 0.7, 0.75], Criterion::First, 0.5);
    assert_eq!(told, [0, 0, 0]);
    assert_eq!(verdict.adversarial.unwrap().point, [0.7]);
    assert_eq!((verdict.found_after, verdict.disputed), (4, false));
    // Five points, each asked about again, and the last word.
    assert_eq!(verdict.forwards, 11);

    let (verdict, told) = found(&[0.57, 0.55, 0.58, 0.52], Criterion::First, 0.5);
    assert_eq!(told, [0; 4]);
    assert!(!verdict.broken && verdict.adversarial.is_none());
    assert!((verdict.margin - 2.0 * (0.6 - 0.58)).abs() < 1e-6, "{}", verdict.margin);
}

/// The best point of all is judged in single precision in the end, and its margin is that.
#[test]
fn rough_answers_that_see_no_break_are_settled() {
    let (verdict, told) = found(&[0.55, 0.62, 0.61, 0.55], Criterion::First, 0.65);
    assert_eq!(told, [0; 4]);
    assert_eq!(verdict.adversarial.unwrap().point, [0.62]);
    assert!((verdict.margin - 2.0 * (0.6 - 0.62)).abs() < 1e-6);
    let (verdict, _) = found(&[0.55, 0.58, 0.57, 0.55], Criterion::Worst, 0.65);
    assert!(!verdict.broken && (verdict.margin - 2.0 * (0.6 - 0.58)).abs() < 1e-6);
}

/// The closest point is closest of those that single precision takes for adversarial.
#[test]
fn rough_distances_do_not_count() {
    let (verdict, told) = found(&[0.7, 0.55, 0.65, 0.58, 0.62, 0.68], Criterion::Closest, 0.5);
    assert_eq!(verdict.adversarial.unwrap().point, [0.62]);
    // What is farther than the closest so far is not worth a check.
    assert_eq!(told, [1, 0, 1, 0, 1, 1]);
    let (verdict, _) = found(&[0.59, 0.55], Criterion::Closest, 0.5);
    assert!(!verdict.broken);
}

/// Where an attack closes in on a boundary that the untouched model has elsewhere, a point from before counts.
#[test]
fn points_within_rounding_of_the_boundary_displace_no_others() {
    let points: Vec<f32> = [0.75, 0.65].into_iter().chain((0..30).map(|i| 0.59 - 0.003 * i as f32)).collect();
    let boundary = |program| if program == Program::Untouched { 0.6 } else { 0.5 };
    let (verdict, _) = found_between(&points, Criterion::Closest, boundary);
    assert!(verdict.broken && verdict.disputed);
    assert_eq!(verdict.adversarial.unwrap().point, [0.65]);
}

/// An attack that begins on the boundary, a hair before that of the untouched model, and comes closer still: steps outward from its
/// closest point find one that counts. A farther one that it met later is not lost, and not taken where one is closer.
#[test]
fn a_point_on_the_boundary_leads_to_one_beyond() {
    let boundary = |program| if program == Program::Untouched { 0.600_005 } else { 0.6 };
    for (points, rough) in [
        (&[0.600_003, 0.600_002][..], false),
        (&[0.600_003, 0.600_002, 0.61][..], false),
        (&[0.7, 0.600_003, 0.600_002][..], false),
        (&[0.600_003, 0.600_002][..], true),
    ] {
        let of = Asked { criterion: Criterion::Closest, budget: None, rough };
        let (verdict, _) = asked(points, of, boundary);
        assert!(verdict.broken && verdict.disputed && verdict.margin < 0.0, "{points:?}: {verdict:?}");
        let found = verdict.adversarial.unwrap().point[0];
        assert!((0.600_005..0.600_03).contains(&found), "{points:?}: {found}");
    }
    // Where that leads nowhere, the farther point counts.
    let apart = |program| if program == Program::Untouched { 0.75 } else { 0.6 };
    let of = || Asked { criterion: Criterion::Closest, budget: None, rough: false };
    let (verdict, _) = asked(&[0.605, 0.601, 0.77, 0.76, 0.765], of(), apart);
    assert_eq!(verdict.adversarial.unwrap().point, [0.76]);
    // No step leads out of the ball.
    let (verdict, _) =
        asked(&[0.75, 0.76], of(), |program| if program == Program::Untouched { 0.81 } else { 0.6 });
    assert!(!verdict.broken);
}

/// Points judged, in the search and by the untouched model, are never more than the budget, whatever is rejected.
#[test]
fn the_last_word_is_within_the_budget() {
    let points = [0.55, 0.7, 0.68, 0.66, 0.55, 0.64, 0.62, 0.61];
    for (rough, criterion) in [false, true]
        .into_iter()
        .flat_map(|rough| [Criterion::First, Criterion::Worst, Criterion::Closest].map(|c| (rough, c)))
    {
        for untouched in [0.6, 0.65, 0.75] {
            let boundary = |program| match program {
                Program::Untouched => untouched,
                Program::SearchLogits => 0.58,
                _ => 0.6,
            };
            for budget in 1 + AttackConditions::judging(rough)..24 {
                let of = Asked { criterion, budget: Some(budget), rough };
                let (verdict, _) = asked(&points, of, boundary);
                let spent = verdict.forwards + verdict.backwards;
                assert!(spent <= budget, "{rough} {criterion:?} {untouched}: {spent} of {budget}");
            }
        }
    }
}

/// One pass is kept for the last word, and one more for the farthest point, where others may be adversarial by rounding alone.
#[test]
fn a_budget_leaves_room_for_the_last_word() {
    let of = |criterion, budget| Asked { criterion, budget: Some(budget), rough: false };
    let points = [0.55, 0.7, 0.65, 0.62, 0.61, 0.61];
    let (verdict, told) = asked(&points, of(Criterion::First, 2), |_| 0.6);
    assert_eq!((verdict.broken, verdict.forwards, told.len()), (false, 1, 0));
    let (verdict, _) = asked(&points, of(Criterion::First, 3), |_| 0.6);
    assert_eq!((verdict.broken, verdict.forwards, verdict.found_after), (true, 3, 2));
    let (verdict, _) = asked(&points, of(Criterion::Closest, 5), |_| 0.6);
    assert_eq!((verdict.adversarial.unwrap().point, verdict.forwards), (vec![0.65], 4));
    let boundary = |program| if program == Program::Untouched { 0.68 } else { 0.6 };
    let (verdict, _) = asked(&points, of(Criterion::Closest, 6), boundary);
    assert_eq!((verdict.adversarial.unwrap().point, verdict.forwards), (vec![0.7], 6));
}

/// Where single precision has no answer, there is none.
#[test]
fn no_answer_in_single_precision_is_none() {
    let (verdict, told) = found(&[0.59, f32::NAN], Criterion::First, 0.5);
    assert!(!verdict.broken && told == [0, 0], "{told:?}");
}
