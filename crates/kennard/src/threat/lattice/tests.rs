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

/// Every element of no group is at a level, as many from its own as epsilon has.
#[test]
fn levels_are_kept_within_epsilon() {
    let lattice = Lattice::of_levels(vec![vec![0, 1]], 255.0, 5).unwrap();
    let level = |level: f32| level / 255.0;
    // The third is what single precision makes of a level on another way.
    let origin = [0.0, 1.0, level(77.0).next_up(), level(255.0), level(3.0)];
    assert!(lattice.check(0, &origin, &[]).is_ok());
    let mut random = ChaCha8Rng::seed_from_u64(0);
    for (norm, eps) in [(Norm::Linf, 1.5), (Norm::L2, 1.5), (Norm::L1, 2.5)] {
        let threat = ThreatModel::new(norm, eps / 255.0).unwrap();
        let valid = lattice.around(&origin, &threat, None);
        let mut most = [0.0f32; 5];
        for _ in 0..2000 {
            let mut x = origin.map(|o| o + 4.0 / 255.0 * (random.random::<f32>() * 2.0 - 1.0));
            threat.project(&origin, &mut x);
            valid.clip(&mut x);
            valid.snap(&mut x, &mut random);
            assert!(valid.holds(&x) && threat.admits(&origin, &x), "{norm}: {x:?}");
            for ((most, x), o) in most.iter_mut().zip(x).zip(origin) {
                let levels = (x - o).abs() * 255.0;
                assert!((levels - levels.round()).abs() < 1e-3, "{norm}: {levels}");
                *most = most.max(levels.round());
            }
        }
        let each = if norm == Norm::L1 { 2.0 } else { 1.0 };
        assert_eq!(most, [0.0, 0.0, each, each, each], "{norm}");
    }
    let mut unmoved = origin;
    let threat = ThreatModel::new(Norm::Linf, 0.9 / 255.0).unwrap();
    lattice.around(&origin, &threat, None).snap(&mut unmoved, &mut random);
    assert_eq!(unmoved, origin);
    assert_eq!(
        lattice.note(&threat),
        "attacks and certificates are about valid points: multiples of 1/255 in all other elements, 1 group of columns with one \
         1, none of which can change within an epsilon below 1/255"
    );
    let text = serde_json::to_string(&lattice).unwrap();
    assert_eq!(text, r#"{"integer":[],"one_hot":[[0,1]],"levels":255.0}"#);
    assert_eq!(serde_json::from_str::<Lattice>(&text).unwrap(), lattice);
    let plain = serde_json::to_string(&self::lattice()).unwrap();
    assert_eq!(plain, r#"{"integer":[0,1],"one_hot":[[3,4,5]]}"#);
    let said = lattice.check(2, &[0.0, 1.0, 0.3, 1.0, 0.0], &[]).unwrap_err().to_string();
    assert!(said.contains("sample 2 has 0.3 in element 2, which is to hold multiples of 1/255"), "{said}");
    assert!(Lattice::of_levels(Vec::new(), 0.0, 5).is_err());
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

/// An epsilon a hair below a number of levels allows one less: a box that reached the level would have attacks go where nothing
/// counts. One that is the number in single precision allows it.
#[test]
fn levels_a_hair_beyond_epsilon_are_out_of_reach() {
    let lattice = Lattice::of_levels(Vec::new(), 255.0, 1).unwrap();
    for own in [100.0f32 / 255.0, (100.0f32 / 255.0).next_up(), 100.0 * (1.0 / 255.0)] {
        for (eps, levels) in [(7.0 / 255.0, 7.0), (f64::from(7.0f32 / 255.0), 7.0), (6.9999 / 255.0, 6.0)] {
            let threat = ThreatModel::new(Norm::Linf, eps).unwrap();
            let origin = [own];
            let valid = lattice.around(&origin, &threat, None);
            for (far, level) in [(0.0f32, 100.0 - levels), (1.0, 100.0 + levels)] {
                let mut x = [far];
                valid.clip(&mut x);
                assert!(threat.admits(&origin, &x) && valid.holds(&x), "{own} {eps}: {x:?}");
                assert!((f64::from(x[0]) * 255.0 - level).abs() < 1e-3, "{own} {eps}: {x:?}");
            }
        }
    }
}
