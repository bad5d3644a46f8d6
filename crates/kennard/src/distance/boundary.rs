//! Points of the decision boundary, by a cheap search.

use super::margins::{CountedOracle, Leads, Slope};
use super::sampling::places;
use super::{DistanceError, Margins};
use crate::Norm;
use crate::packet::vector::dot;

/// Classes that a search goes towards, at most.
pub(super) const CLASSES: usize = 9;
/// Of more classes than this, only the likeliest at the centre are looked at.
const LOOKED_AT: usize = 32;
/// Steps of a search; the later ones are halved, as searches may swing between two points.
const STEPS: usize = 8;
const WHOLE_STEPS: usize = 4;
/// Points on a line whose crossing is sought, how far it reaches (in shares of the way that the search went), and how
/// often the part with the crossing is divided anew: to 2/8⁵ of the way, 6e-5.
const ON_LINE: usize = 8;
const REACH: f64 = 2.0;
const DIVISIONS: usize = 5;
/// Divisions of a single line, of which more is asked; and how far it reaches, which is just across the boundary.
const FINE_DIVISIONS: usize = 8;
const BEYOND: f64 = 1.001;

/// Where the boundary between the label and another class was crossed.
#[derive(Clone, Debug, PartialEq)]
pub struct Crossing {
    /// The class that a search went towards. Just across, another one may be predicted.
    pub class: usize,
    /// How far the farther of the two points is from the centre, in the norm of the search.
    pub distance: f64,
    /// A point on the label's side (d).
    pub near: Vec<f32>,
    /// A point on the other side (d).
    pub across: Vec<f32>,
}

/// Where the decision boundary is crossed on straight lines from `centre` (d) towards up to nine classes, the nearest
/// crossing first; those whose boundary is nearest by first order are searched for, of the 32 likeliest.
///
/// A search projects the centre, again and again, onto the hyperplane that `m_j = z_y − z_j = 0` looks like from the
/// last point (Hasofer and Lind 1974, Rackwitz and Fiessler 1978; DeepFool, arXiv 1511.04599, walks on from the last
/// point instead). The first change of sides on the line through its end is then found by division. From a point
/// of the label's own, that is where it is first misclassified, as whatever class; from a misclassified one, where
/// the label overtakes the class or falls behind it.
///
/// Nothing is random. It takes up to 9 gradients for the choice of classes (32 of many), 72 for the searches, and 405
/// logits. A class whose slope is zero at the centre is not found.
///
/// # Errors
/// When there is no other class, the label or the centre is invalid, the oracle fails, or a logit is not a number.
pub fn crossings<O: Margins>(
    centre: &[f32],
    label: usize,
    oracle: &mut O,
) -> Result<Vec<Crossing>, DistanceError<O::Error>> {
    crossings_in(Norm::L2, centre, label, oracle)
}

/// The [`crossings`] with distances, and projections, in another norm; in l0 as in l1.
///
/// # Errors
/// As [`crossings`].
pub fn crossings_in<O: Margins>(
    norm: Norm,
    centre: &[f32],
    label: usize,
    oracle: &mut O,
) -> Result<Vec<Crossing>, DistanceError<O::Error>> {
    let mut asked = CountedOracle::new(oracle, centre, label)?;
    let starts = nearest_classes(&mut asked, CLASSES)?;
    cross(&mut asked, &starts, norm)
}

/// Where the straight line from `centre` (d) to a point (d) first crosses the decision boundary: a point just across (d). None
/// where the centre is misclassified, or no crossing is found on the way.
pub(crate) fn crossing_towards<O: Margins>(
    centre: &[f32],
    label: usize,
    point: &[f32],
    oracle: &mut O,
) -> Result<Option<Vec<f32>>, DistanceError<O::Error>> {
    let mut asked = CountedOracle::new(oracle, centre, label)?;
    let way = places(centre, point, 1.0);
    let length = dot(&way, &way).sqrt();
    if !(length > 0.0 && length.is_finite()) {
        return Ok(None);
    }
    let axis: Vec<f64> = way.iter().map(|x| x / length).collect();
    let Some(reached) = first_crossing(&mut asked, &axis, length)? else { return Ok(None) };
    let mut across = Vec::with_capacity(axis.len());
    asked.displace(&axis, reached, &mut across);
    Ok(Some(across))
}

/// A class, with how things are at the centre.
pub(super) struct StartingClass {
    pub class: usize,
    pub slope: Slope,
}

impl StartingClass {
    /// `|m_j| / ‖∂m_j‖`; infinite where there is no slope.
    pub fn distance(&self) -> f64 {
        self.slope.lead.abs() / self.slope.steepness()
    }
}

/// At most `most` classes, whose boundary is nearest to the centre by first order in l2, the nearest first.
pub(super) fn nearest_classes<O: Margins>(
    asked: &mut CountedOracle<O>,
    most: usize,
) -> Result<Vec<StartingClass>, DistanceError<O::Error>> {
    let centre = asked.centre.to_vec();
    let leads = asked.leads(&centre)?.remove(0).of;
    let mut classes: Vec<usize> = (0..leads.len()).filter(|class| *class != asked.label).collect();
    classes.sort_by(|a, b| leads[*b].total_cmp(&leads[*a]));
    classes.truncate(LOOKED_AT);
    let points: Vec<f32> = classes.iter().flat_map(|_| &centre).copied().collect();
    let slopes = asked.slopes(&points, &classes)?;
    let mut starts: Vec<StartingClass> =
        classes.into_iter().zip(slopes).map(|(class, slope)| StartingClass { class, slope }).collect();
    starts.sort_by(|a, b| a.distance().total_cmp(&b.distance()));
    starts.truncate(most);
    Ok(starts)
}

/// Searches towards the classes, and the crossings on the lines that they end on.
pub(super) fn cross<O: Margins>(
    asked: &mut CountedOracle<O>,
    starts: &[StartingClass],
    norm: Norm,
) -> Result<Vec<Crossing>, DistanceError<O::Error>> {
    let starts: Vec<&StartingClass> = starts.iter().filter(|start| start.distance().is_finite()).collect();
    let Some(first) = starts.first() else { return Ok(Vec::new()) };
    let wrong = first.slope.leads.wrong();
    let classes: Vec<usize> = starts.iter().map(|start| start.class).collect();
    let slopes: Vec<&Slope> = starts.iter().map(|start| &start.slope).collect();
    let ways = search(asked, &classes, &slopes, norm)?;
    let lines = classes.iter().zip(ways).map(|(&class, way)| Line { class, way, part: [0.0, REACH] });
    // How far a line's point is beyond the boundary.
    let beyond = |leads: &Leads, class: usize| if wrong { leads.of[class] } else { leads.largest().1 };
    let mut lines: Vec<Line> = lines.collect();
    for _ in 0..DIVISIONS {
        divide(asked, &mut lines, beyond)?;
    }
    let mut found: Vec<Crossing> = lines
        .iter()
        .map(|line| line.crossing(asked, beyond(&first.slope.leads, line.class) > 0.0, norm))
        .collect();
    found.sort_by(|a, b| a.distance.total_cmp(&b.distance));
    Ok(found)
}

/// Where a straight line along a unit vector (d) first crosses the decision boundary, to 1e-7 of `farthest`; none where the
/// centre is misclassified, or that is not found before `farthest` and a little beyond.
pub(super) fn first_crossing<O: Margins>(
    asked: &mut CountedOracle<O>,
    axis: &[f64],
    farthest: f64,
) -> Result<Option<f64>, DistanceError<O::Error>> {
    let mut lines = vec![Line { class: asked.label, way: axis.to_vec(), part: [0.0, BEYOND * farthest] }];
    let centre = asked.centre.to_vec();
    if asked.leads(&centre)?[0].wrong() {
        return Ok(None);
    }
    for _ in 0..FINE_DIVISIONS {
        divide(asked, &mut lines, |leads, _| leads.largest().1)?;
    }
    Ok(lines.first().map(|line| line.part[1]))
}

/// Where searches towards classes end, from the centre (d each).
fn search<O: Margins>(
    asked: &mut CountedOracle<O>,
    classes: &[usize],
    starts: &[&Slope],
    norm: Norm,
) -> Result<Vec<Vec<f64>>, DistanceError<O::Error>> {
    let mut ways = vec![vec![0.0; asked.centre.len()]; classes.len()];
    for (way, slope) in ways.iter_mut().zip(starts) {
        project(way, slope, 1.0, norm);
    }
    for step in 0..STEPS {
        let mut points = Vec::new();
        ways.iter().for_each(|way| asked.displace(way, 1.0, &mut points));
        let slopes = asked.slopes(&points, classes)?;
        let share = if step < WHOLE_STEPS { 1.0 } else { 0.5 };
        ways.iter_mut().zip(&slopes).for_each(|(way, slope)| project(way, slope, share, norm));
    }
    Ok(ways)
}

/// Moves a point (`way` from the centre) towards the centre's projection, in a norm, onto the hyperplane on which the
/// lead seems to vanish, by a share of the way there. Without a slope it stays.
pub(super) fn project(way: &mut [f64], slope: &Slope, share: f64, norm: Norm) {
    let steep = &slope.gradient;
    let needed = dot(steep, way) - slope.lead;
    let stay = 1.0 - share;
    match norm {
        Norm::L2 => {
            let reach = share * needed / slope.steepness().powi(2);
            if reach.is_finite() {
                way.iter_mut().zip(steep).for_each(|(x, g)| *x = stay * *x + reach * g);
            }
        }
        Norm::Linf => {
            let reach = share * needed / Norm::L1.of(steep.iter().copied());
            if reach.is_finite() {
                way.iter_mut().zip(steep).for_each(|(x, g)| *x = stay * *x + reach * g.signum());
            }
        }
        Norm::L1 | Norm::L0 => {
            let steepest = steep.iter().enumerate().max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()));
            let Some((place, g)) = steepest.filter(|(_, g)| g.is_finite() && **g != 0.0) else { return };
            way.iter_mut().for_each(|x| *x *= stay);
            way[place] += share * needed / g;
        }
    }
}

/// A straight line from the centre, and the part of it that has the crossing, in shares of `way`.
struct Line {
    class: usize,
    way: Vec<f64>,
    part: [f64; 2],
}

impl Line {
    fn point<O: Margins>(&self, asked: &CountedOracle<O>, share: f64) -> Vec<f32> {
        let mut point = Vec::with_capacity(self.way.len());
        asked.displace(&self.way, share, &mut point);
        point
    }

    /// The two ends of the part, `backwards` where the centre is beyond the boundary.
    fn crossing<O: Margins>(&self, asked: &CountedOracle<O>, backwards: bool, norm: Norm) -> Crossing {
        let [first, second] = self.part.map(|share| self.point(asked, share));
        let distance = norm.distance(asked.centre, &second);
        let (near, across) = if backwards { (second, first) } else { (first, second) };
        Crossing { class: self.class, distance, near, across }
    }
}

/// Keeps of each line the first of equal parts over which the sides change, and lines that have one.
fn divide<O: Margins>(
    asked: &mut CountedOracle<O>,
    lines: &mut Vec<Line>,
    beyond: impl Fn(&Leads, usize) -> f64,
) -> Result<(), DistanceError<O::Error>> {
    let mut points = Vec::new();
    let share = |[low, high]: [f64; 2], k: usize| low + (high - low) * k as f64 / ON_LINE as f64;
    for line in lines.iter() {
        (0..=ON_LINE).for_each(|k| asked.displace(&line.way, share(line.part, k), &mut points));
    }
    let leads = asked.leads(&points)?;
    let mut rows = leads.chunks_exact(ON_LINE + 1);
    lines.retain_mut(|line| {
        let sides: Vec<bool> =
            rows.next().unwrap_or(&[]).iter().map(|leads| beyond(leads, line.class) > 0.0).collect();
        let Some(k) = sides.windows(2).position(|pair| pair[0] != pair[1]) else { return false };
        line.part = [share(line.part, k), share(line.part, k + 1)];
        true
    });
    Ok(())
}
