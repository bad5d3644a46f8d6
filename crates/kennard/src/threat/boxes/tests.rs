use super::*;

/// Two samples.
fn samples(inputs: &[f32]) -> DataSet {
    DataSet::from_samples(inputs.to_vec(), vec![0, 1], &[inputs.len() / 2], &[]).unwrap()
}

/// It is true of every point of a box, wherever the sample lies in there.
#[test]
fn epsilon_is_how_far_boxes_reach() {
    let data = samples(&[0.25, 0.5, 0.5, 0.5]);
    let around = |down: f32, up: f32| {
        let ends = |by: f32| data.samples().unwrap().flat_map(|s| s.unwrap().input).map(|x| x + by).collect();
        Boxes::new(ends(-down), ends(up), 2).unwrap()
    };
    let said = |boxes: Boxes| {
        let eps = boxes.threat(&data).unwrap().eps;
        (eps, boxes.note(eps).ends_with("half of the widest element"))
    };
    assert_eq!(said(around(0.125, 0.125)), (0.125, true));
    assert_eq!(said(around(0.0, 0.25)), (0.25, false));
    assert_eq!(said(around(0.25, 0.125)), (0.25, false));
    // To six digits it would be more than the input has.
    let whole = Boxes::new(vec![0.0; 4], vec![0.123_456_7; 4], 2).unwrap();
    assert_eq!(whole.threat(&samples(&[0.0; 4])).unwrap().eps, f64::from(0.123_456_7f32));
}

#[test]
fn samples_outside_their_boxes_are_refused() {
    let boxes = Boxes::new(vec![0.0; 4], vec![1.0; 4], 2).unwrap();
    let message = boxes.threat(&samples(&[0.5, 0.5, 0.5, 1.5])).unwrap_err().to_string();
    let says = "sample 1 lies outside its own box: element 1 is 1.5, outside [0, 1]; repair lower and upper";
    assert!(message.contains(says), "{message}");
    let three = DataSet::from_samples(vec![0.5; 6], vec![0, 1, 0], &[2], &[]).unwrap();
    assert!(boxes.threat(&three).unwrap_err().to_string().contains("2 boxes and 3 samples"));
}

#[test]
fn a_box_is_seen_as_the_unit_cube() {
    let boxes = Boxes::new(vec![0.0, -1.0, 0.5, 0.1], vec![0.0, 3.0, 0.5, 0.2], 2).unwrap();
    let threat = boxes.threat(&samples(&[0.0, 1.0, 0.5, 0.15])).unwrap();
    assert_eq!((threat.bounds, threat.eps), ([-1.0, 3.0], 2.0));
    assert!(boxes.check(2, 2).is_ok() && boxes.check(3, 2).is_err());
    let (first, second) = (boxes.of(0, &[], None), boxes.of(1, &[], None));
    let (first, second) = (first.frame(), second.frame());
    assert_eq!(first.to_unit(&[0.0, 0.0]), [0.0, 0.25]);
    assert_eq!(first.point(&[1.0, 0.25]).collect::<Vec<_>>(), [0.0, 0.0]);
    let mut gradient = [5.0, 2.0];
    first.scale(&mut gradient);
    assert_eq!(gradient, [0.0, 8.0]);
    for t in [0.0, 0.3, 1.0] {
        let x: Vec<f32> = second.point(&[t, t]).collect();
        assert!(second.contains(&x) && !first.contains(&x), "{x:?}");
    }
}

/// Elements of radius 0 stay what they are, and none leaves the bounds.
#[test]
fn elements_have_radii_of_their_own() {
    let boxes = Boxes::around(vec![0.25, 0.0, 2.0], [0.0, 4.0]).unwrap();
    let threat = boxes.threat(&samples(&[0.5, 0.1, 3.5, 0.0, 0.0, 0.0])).unwrap();
    assert_eq!((threat.eps, threat.bounds), (2.0, [0.0, 4.0]));
    assert_eq!(boxes.note(threat.eps), "each feature has its own epsilon: 0.25 to 2; 1 of 3 may not change");
    let own = boxes.of(7, &[0.5, 0.1, 3.5], None);
    assert_eq!(own.frame().region(), [vec![0.25, 0.1, 1.5], vec![0.75, 0.1, 4.0]]);
    assert!(boxes.check(9, 3).is_ok() && boxes.check(9, 4).is_err());
    let refused = |radii, bounds| Boxes::around(radii, bounds).unwrap_err().to_string();
    assert!(refused(vec![0.1, -1.0], [0.0, 1.0]).contains("element 1 is -1"));
    assert!(refused(vec![0.1, f64::NAN], [0.0, 1.0]).contains("element 1"));
    assert!(refused(vec![0.0, 0.0], [0.0, 1.0]).contains("no element may change"));
    assert!(refused(vec![0.1], [1.0, 0.0]).contains("no range"));
}

#[test]
fn what_is_no_box_is_refused() {
    assert!(Boxes::new(vec![0.0; 4], vec![1.0; 2], 2).is_err());
    let message = Boxes::new(vec![0.0, 2.0], vec![1.0, 1.0], 1).unwrap_err().to_string();
    assert!(message.contains("sample 1") && message.contains("from 2 to 1"), "{message}");
}
