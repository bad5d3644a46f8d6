use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::super::{Boxes, Norm};
use super::*;

/// Two columns of whole numbers, one of any, and a group of three.
fn lattice() -> Lattice {
    Lattice::new(vec![1, 0], vec![vec![3, 4, 5]], 6).unwrap()
}

const ORIGIN: [f32; 6] = [3.0, 7.0, 0.25, 0.0, 1.0, 0.0];

/// All valid points with the third element as it is there, for numbers from 0 to 9.
fn all(free: f32) -> Vec<[f32; 6]> {
    let numbers = (0..10).flat_map(|a| (0..10).map(move |b| (a as f32, b as f32)));
    let points = numbers.flat_map(|(a, b)| {
        (3..6).map(move |one| {
            let mut x = [a, b, free, 0.0, 0.0, 0.0];
            x[one] = 1.0;
            x
        })
    });
    points.collect()
}

fn points(count: usize, spread: f32) -> Vec<[f32; 6]> {
    let mut random = ChaCha8Rng::seed_from_u64(17);
    let near = |random: &mut ChaCha8Rng| ORIGIN.map(|o| o + spread * (random.random::<f32>() * 2.0 - 1.0));
    (0..count).map(|_| near(&mut random)).collect()
}

/// In a box, the valid point is the nearest of all that there are within the threat model.
#[test]
fn points_of_boxes_go_to_the_nearest_valid_one() {
    let lattice = lattice();
    let mut random = ChaCha8Rng::seed_from_u64(0);
    for eps in [0.5, 1.0, 2.4, f64::INFINITY] {
        let threat = ThreatModel::unlimited(Norm::Linf, [0.0, 9.0]).unwrap().at(eps);
        let valid = lattice.around(&ORIGIN, &threat, None);
        for point in points(200, 3.0) {
            let mut x = point;
            threat.project(&ORIGIN, &mut x);
            valid.clip(&mut x);
            let allowed = all(x[2]).into_iter().filter(|y| threat.admits(&ORIGIN, y));
            let least = allowed.map(|y| Norm::L2.distance(&x, &y)).fold(f64::INFINITY, f64::min);
            let relaxed = x;
            valid.snap(&mut x, &mut random);
            assert!(valid.holds(&x) && threat.admits(&ORIGIN, &x), "{eps}: {relaxed:?} to {x:?}");
            assert!((Norm::L2.distance(&relaxed, &x) - least).abs() < 1e-6, "{eps}: {relaxed:?} to {x:?}");
        }
    }
    // Where no group can change and no number can move, nothing does.
    let still = ThreatModel::within(Norm::Linf, 0.5, [0.0, 9.0]).unwrap();
    let mut x = [3.4, 6.6, 0.5, 0.5, 0.5, 0.5];
    lattice.around(&ORIGIN, &still, None).snap(&mut x, &mut random);
    assert_eq!(x, [3.0, 7.0, 0.5, 0.0, 1.0, 0.0]);
}

/// In a ball the valid point is allowed where the point was, valid points stay, and the ball is filled.
#[test]
fn points_of_balls_stay_within() {
    let lattice = lattice();
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let mut moved = 0;
    for (norm, eps) in [(Norm::L2, 1.5), (Norm::L2, 2.5), (Norm::L1, 2.0), (Norm::L1, 4.0)] {
        let threat = ThreatModel::within(norm, eps, [0.0, 9.0]).unwrap();
        let valid = lattice.around(&ORIGIN, &threat, None);
        for mut x in points(500, 2.0) {
            threat.project(&ORIGIN, &mut x);
            valid.clip(&mut x);
            valid.snap(&mut x, &mut random);
            assert!(valid.holds(&x) && threat.admits(&ORIGIN, &x), "{norm} {eps}: {x:?}");
            let once = x;
            valid.snap(&mut x, &mut random);
            assert_eq!(x, once, "{norm} {eps}");
            moved += usize::from(x[3..] != ORIGIN[3..]);
        }
        for x in all(0.25).into_iter().filter(|x| threat.admits(&ORIGIN, x)) {
            let mut same = x;
            valid.snap(&mut same, &mut random);
            assert_eq!(same, x, "{norm} {eps}");
        }
    }
    assert!(moved > 200, "{moved} of 2000 changed their group");
    // A slope that is spread over columns still changes as many as there is room for.
    let threat = ThreatModel::within(Norm::L2, 1.0, [0.0, 9.0]).unwrap();
    let mut x = [3.4, 7.3, 0.25, 0.0, 1.0, 0.0];
    lattice.around(&ORIGIN, &threat, None).snap(&mut x, &mut random);
    assert_eq!(x, [4.0, 7.0, 0.25, 0.0, 1.0, 0.0]);
}

/// The region of a certificate holds all valid points that are allowed, and no more than their box.
#[test]
fn boxes_are_drawn_in_to_their_valid_points() {
    let lattice = lattice();
    for eps in [0.5, 1.0, 2.4] {
        let radii = vec![eps, eps / 2.0, eps, eps, eps, 0.5];
        let boxes = Boxes::around(radii, [0.0, 9.0]).unwrap();
        let (whole, own) = (boxes.of(0, &ORIGIN, None), boxes.of(0, &ORIGIN, Some(&lattice)));
        let mut hull = [[f32::INFINITY; 6], [f32::NEG_INFINITY; 6]];
        for x in all(0.25).into_iter().filter(|x| whole.frame().contains(x)) {
            for (i, x) in x.into_iter().enumerate().filter(|(i, _)| *i != 2) {
                (hull[0][i], hull[1][i]) = (hull[0][i].min(x), hull[1][i].max(x));
            }
        }
        let [lower, upper] = own.frame().region();
        let [all_lower, all_upper] = whole.frame().region();
        (hull[0][2], hull[1][2]) = (all_lower[2], all_upper[2]);
        assert_eq!([lower, upper].map(|end| <[f32; 6]>::try_from(end).unwrap()), hull, "{eps} {all_upper:?}");
    }
}

#[test]
fn equal_elements_of_a_group_are_chosen_alike() {
    // 300 draws of three: each fewer than 60 times, 100 being the mean, with a probability below 3 · 10⁻⁶.
    let lattice = lattice();
    let threat = ThreatModel::within(Norm::Linf, 1.0, [0.0, 9.0]).unwrap();
    let valid = lattice.around(&ORIGIN, &threat, None);
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut counts = [0; 3];
    for _ in 0..300 {
        let mut x = [3.0, 7.0, 0.0, 1.0, 1.0, 1.0];
        valid.snap(&mut x, &mut random);
        counts[x[3..].iter().position(|x| *x == 1.0).unwrap()] += 1;
    }
    assert!(counts.iter().all(|count| *count >= 60), "{counts:?}");
}

#[test]
fn what_is_no_lattice_or_no_valid_sample_is_said() {
    let refused = |integer: &[usize], one_hot: &[&[usize]]| {
        let groups = one_hot.iter().map(|group| group.to_vec()).collect();
        Lattice::new(integer.to_vec(), groups, 6).unwrap_err().to_string()
    };
    assert!(refused(&[6], &[]).contains("no element 6 among 6"));
    assert!(refused(&[1, 1], &[]).contains("element 1 is named twice"));
    assert!(refused(&[1], &[&[1, 2]]).contains("element 1 is named twice"));
    assert!(refused(&[], &[&[2]]).contains("nothing to choose"));
    let names: Vec<String> = ["age", "visits", "share", "red", "green", "blue"].map(String::from).into();
    let wrong = |x: [f32; 6], names: &[String]| lattice().check(4, &x, names).unwrap_err().to_string();
    assert!(lattice().check(0, &ORIGIN, &[]).is_ok());
    let said = wrong([3.5, 7.0, 0.25, 0.0, 1.0, 0.0], &names);
    assert!(said.contains("sample 4 has 3.5 in `age`") && said.contains("whole numbers"), "{said}");
    let said = wrong([3.0, 7.0, 0.25, 0.5, 0.5, 0.0], &[]);
    assert!(said.contains("has 0.5 in element 3 in the group element 3, element 4, element 5"), "{said}");
    assert!(
        wrong([3.0, 7.0, 0.25, 0.0, 0.0, 0.0], &names)
            .contains("has 0 ones in the group `red`, `green`, `blue`")
    );
    assert!(wrong([3.0, 7.0, 0.25, 1.0, 1.0, 0.0], &names).contains("has 2 ones"));
    assert!(wrong([f32::INFINITY, 7.0, 0.25, 1.0, 0.0, 0.0], &names).contains("inf in `age`"));
    assert_eq!(
        lattice().note(&ThreatModel::within(Norm::Linf, 1.0, [0.0, 9.0]).unwrap()),
        "attacks and certificates are about valid points: 2 columns of whole numbers, 1 group of columns with one 1"
    );
}
