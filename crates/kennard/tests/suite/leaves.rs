//! The attack on tree ensembles against all cells there are, one by one.

use kennard::attack::{Answer, Leaves, Trial, Verdict};
use kennard::graph::{Tree, TreeNode, Trees};
use kennard::{Norm, ThreatModel};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

const D: usize = 4;
const CLASSES: usize = 3;
const BOUNDS: [f32; 2] = [-1.0, 2.0];
const NORMS: [Norm; 4] = [Norm::Linf, Norm::L2, Norm::L1, Norm::L0];

/// Trees with a weight for each class in each node, of which those of leaves count.
struct Ensemble {
    trees: Trees,
    weights: Vec<Vec<[f32; CLASSES]>>,
}

/// Random trees of some depth at most, whose thresholds lie on a grid, so that many are shared.
fn ensemble(count: usize, depth: usize, random: &mut ChaCha8Rng) -> Ensemble {
    let trees: Vec<Tree> = (0..count)
        .map(|_| {
            let mut nodes = vec![TreeNode::Leaf];
            let mut open = vec![(0, depth)];
            while let Some((at, depth)) = open.pop() {
                if depth > 0 && (at == 0 || random.random::<f32>() < 0.8) {
                    let (below, above) = (nodes.len(), nodes.len() + 1);
                    nodes.extend([TreeNode::Leaf; 2]);
                    let last = random.random_range(0..12) as f32 / 8.0 - 0.3;
                    let element = random.random_range(0..D);
                    nodes[at] = TreeNode::Branch { element, last, below, above };
                    open.extend([(below, depth - 1), (above, depth - 1)]);
                }
            }
            Tree(nodes)
        })
        .collect();
    let mut weight = || std::array::from_fn(|_| random.random_range(0..100) as f32 / 64.0);
    let weights: Vec<Vec<[f32; CLASSES]>> =
        trees.iter().map(|tree| tree.0.iter().map(|_| weight()).collect()).collect();
    Ensemble { weights, trees: Trees { elements: D, trees } }
}

impl Ensemble {
    fn logits(&self, x: &[f32]) -> Vec<f32> {
        let mut sums = vec![0.0; CLASSES];
        for (tree, weights) in self.trees.trees.iter().zip(&self.weights) {
            sums.iter_mut().zip(weights[tree.leaf(x)]).for_each(|(sum, weight)| *sum += weight);
        }
        sums
    }

    fn class(&self, x: &[f32]) -> usize {
        Answer::new(self.logits(x)).prediction()
    }

    /// The distance of the closest point of another class, over all tuples of leaves.
    fn smallest(&self, origin: &[f32], norm: Norm) -> Option<f64> {
        let mut cells = vec![vec![BOUNDS; D]];
        for tree in &self.trees.trees {
            cells = cells.iter().flat_map(|cell| boxes(tree, 0, cell.clone())).collect();
        }
        let nearest = |cell: &Vec<[f32; 2]>| -> Vec<f32> {
            origin.iter().zip(cell).map(|(o, [lo, hi])| o.clamp(*lo, *hi)).collect()
        };
        let own = self.class(origin);
        let others = cells.iter().map(nearest).filter(|x| self.class(x) != own);
        others.map(|x| norm.distance(origin, &x)).min_by(f64::total_cmp)
    }

    fn attacked(&self, attack: &Leaves, origin: &[f32], threat: ThreatModel, seed: u64) -> Verdict {
        let trial = Trial::new(origin, self.class(origin), threat).with_seed(seed).with_trees(&self.trees);
        trial.run(attack, |asked| Answer::new(self.logits(asked.point))).unwrap()
    }
}

/// The boxes of the leaves below a node, within another box.
fn boxes(tree: &Tree, at: usize, cell: Vec<[f32; 2]>) -> Vec<Vec<[f32; 2]>> {
    let TreeNode::Branch { element, last, below, above } = tree.0[at] else { return vec![cell] };
    let mut found = Vec::new();
    for (next, ends) in [(below, [f32::MIN, last]), (above, [last.next_up(), f32::MAX])] {
        let mut part = cell.clone();
        part[element] = [part[element][0].max(ends[0]), part[element][1].min(ends[1])];
        if part[element][0] <= part[element][1] {
            found.extend(boxes(tree, next, part));
        }
    }
    found
}

fn point(random: &mut ChaCha8Rng) -> Vec<f32> {
    (0..D).map(|_| random.random_range(-100..200) as f32 / 100.0).collect()
}

fn unlimited(norm: Norm) -> ThreatModel {
    ThreatModel::unlimited(norm, BOUNDS).unwrap()
}

/// Single trees and small ensembles: what is found is the closest there is, and there is none where none is found.
#[test]
fn the_closest_point_of_all_cells_is_found() {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut found = 0;
    for (count, depth, rounds) in [(1, 4, 60), (2, 3, 40), (3, 3, 25)] {
        for _ in 0..rounds {
            let ensemble = ensemble(count, depth, &mut random);
            let origin = point(&mut random);
            for norm in NORMS {
                let verdict = ensemble.attacked(&Leaves::default(), &origin, unlimited(norm), 0);
                let own = verdict.adversarial.map(|found| norm.distance(&origin, &found.point));
                let smallest = ensemble.smallest(&origin, norm);
                found += usize::from(own.is_some());
                assert_eq!(own.is_some(), smallest.is_some(), "{norm}, {count} trees");
                let differ = own.zip(smallest).is_some_and(|(a, b)| (a - b).abs() > 1e-9);
                assert!(!differ, "{norm}, {count} trees: {own:?} and {smallest:?}");
            }
        }
    }
    assert!(found > 350, "{found} of 500 have another class");
}

/// Under a fixed epsilon a sample is broken exactly where the closest point is within.
#[test]
fn an_epsilon_is_kept_and_used_up() {
    let mut random = ChaCha8Rng::seed_from_u64(2);
    let mut broken = 0;
    for _ in 0..60 {
        let ensemble = ensemble(3, 3, &mut random);
        let origin = point(&mut random);
        for norm in [Norm::Linf, Norm::L2, Norm::L1] {
            let threat = ThreatModel::within(norm, 0.2537, BOUNDS).unwrap();
            let verdict = ensemble.attacked(&Leaves::default(), &origin, threat, 0);
            let within = ensemble.smallest(&origin, norm).is_some_and(|distance| distance <= 0.2537);
            assert_eq!(verdict.broken, within, "{norm}");
            broken += usize::from(within);
        }
    }
    assert!((30..150).contains(&broken), "{broken} of 180 are broken");
}

/// Where the nearest cells alone do not tell, swaps come near: nearly always to the closest point there is. Seeds are fixed, so
/// that nothing here fails by chance.
#[test]
fn swaps_come_near_what_is_closest() {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let short = Leaves { cells: 1, ..Leaves::default() };
    let (mut ratios, mut missed) = (Vec::new(), 0);
    for _ in 0..25 {
        let ensemble = ensemble(3, 4, &mut random);
        let origin = point(&mut random);
        for norm in NORMS {
            let Some(smallest) = ensemble.smallest(&origin, norm) else { continue };
            let verdict = ensemble.attacked(&short, &origin, unlimited(norm), 7);
            let again = ensemble.attacked(&short, &origin, unlimited(norm), 7);
            assert_eq!(verdict, again, "the same seed gives the same");
            match verdict.adversarial {
                Some(found) => {
                    assert_ne!(ensemble.class(&found.point), ensemble.class(&origin));
                    ratios.push(norm.distance(&origin, &found.point) / smallest);
                }
                None => missed += 1,
            }
        }
    }
    ratios.sort_by(f64::total_cmp);
    let (median, largest) = (ratios[ratios.len() / 2], ratios[ratios.len() - 1]);
    println!("{} found, {missed} missed; median {median}, largest {largest}", ratios.len());
    assert!(ratios[0] > 1.0 - 1e-9 && median < 1.0 + 1e-9 && largest < 1.5, "{ratios:?}");
    assert_eq!(missed, 0);
}

/// Beside a function whose trees are not known it says so.
#[test]
fn without_trees_there_is_nothing_to_go_by() {
    let trial = Trial::new(&[0.5; D], 0, unlimited(Norm::L2));
    let error = trial.run(&Leaves::default(), |_| Answer::new(vec![1.0, 0.0])).unwrap_err();
    assert!(error.to_string().contains("leaves"), "{error}");
}

/// A larger ensemble takes no more points than its parameters say.
#[test]
fn what_it_takes_is_bounded() {
    let mut random = ChaCha8Rng::seed_from_u64(4);
    let ensemble = ensemble(12, 5, &mut random);
    let origin = point(&mut random);
    let verdict = ensemble.attacked(&Leaves::default(), &origin, unlimited(Norm::L2), 0);
    println!("{} points, {:?}", verdict.forwards, verdict.found_after);
    assert!(verdict.broken && verdict.forwards < 20_000);
}
