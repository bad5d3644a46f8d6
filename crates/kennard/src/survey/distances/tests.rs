use super::*;
use crate::distance::{ErrorFigures, Predicted, Radius};

/// One centre has the interval of its samples, which is what `packets.parquet` has of it; a few centres have none.
#[test]
fn a_few_centres_have_no_interval_over_centres() {
    let sampled = |value: f64| Figure::student(value, 0.01, 63);
    let alone = over_centres(&[sampled(0.2)], 1).unwrap();
    assert_eq!(alone, sampled(0.2));
    assert_eq!(over_centres(&[Figure::exact(0.2)], 1).unwrap().known_interval(), None);
    assert_eq!(over_centres(&[sampled(0.2)], 4).unwrap().known_interval(), None);
    let five = [0.1, 0.2, 0.3, 0.4, 0.5].map(sampled);
    let found = over_centres(&five, 5).unwrap();
    assert_eq!((found.value, found.known_interval()), (0.3, None));
    let six = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6].map(sampled);
    assert_eq!(over_centres(&six, 6).unwrap().known_interval(), Some([0.1, 0.6]));
    assert!(over_centres(&[], 0).is_none());
}

/// A radius, a crossing or a distance that most centres lack is infinite in the median, and not that of the others; an error
/// packet is of those that have one.
#[test]
fn what_most_centres_lack_is_infinite() {
    let centre = |radius: Option<f64>, searched: Option<f64>, errors: Option<f64>| CentreDistances {
        predicted: Predicted {
            margin: 1.0,
            gradient_norm: 2.0,
            classes: 1,
            all_classes: true,
            first_order: [0.5, searched.unwrap_or(f64::INFINITY), 0.5],
            packet: [Figure::exact(0.5); 3],
        },
        radius: Radius {
            radius: radius.map(|radius| Figure::new(radius, [radius; 2])),
            log_share: -1.0,
            relative_error: 0.1,
            beyond: radius.is_none().then_some(0.3),
            ess: 200.0,
            enough: radius.is_some(),
            passes: 1,
        },
        searched,
        errors: Some(errors.ok_or_else(String::new).map(|mean| ErrorFigures {
            attack: mean,
            class: 1,
            mean: Figure::exact(mean),
            sigma_x: Figure::exact(0.1),
            sigma_p: None,
            product: None,
            lobes: vec![(1, 1.0)],
            facets: Vec::new(),
            line: None,
            sampled: Sampled::Weighted,
            ess: 200.0,
            enough: true,
            passes: 1,
        })),
    };
    let near = centre(Some(0.2), Some(0.25), Some(0.3));
    let far = centre(None, None, None);
    let (figures, notes) = medians(&[&near, &far, &far], 1);
    for name in ["radius", "searched", "first_order"] {
        assert_eq!(figures[name].value, f64::INFINITY, "{name}");
    }
    assert_eq!((figures["first_order.linf"].value, figures["packet"].value), (0.5, 0.5));
    assert_eq!((figures["margin"].value, figures["error.mean"].value), (1.0, 0.3));
    let noted = |what: &str| notes.iter().any(|note| note == what);
    assert!(noted("the search finds no crossing of the boundary at 2 of 3 centres"), "{notes:?}");
    assert!(noted("figures of the error packet are medians of those at 1 of 3 centres"), "{notes:?}");
    assert!(noted("no error packet: no margin below zero near the centre at 1 of 3 centres"), "{notes:?}");
    let beyond = "though the packet has points beyond it, at 1 of 3 centres";
    assert!(notes.iter().any(|note| note.ends_with(beyond)), "{notes:?}");
    // As many near as far: the lower of the two in the middle.
    let (figures, _) = medians(&[&near, &near, &far, &far], 0);
    assert_eq!((figures["radius"].value, figures["searched"].value), (0.2, 0.25));
    // A centre that is misclassified is at a distance below zero, by its margin, and above, by a search: it has no part.
    let wrong = CentreDistances {
        predicted: Predicted { margin: -1.0, first_order: [-0.1; 3], ..near.predicted.clone() },
        ..near.clone()
    };
    let (figures, notes) = medians(&[&wrong, &near, &wrong, &wrong], 0);
    assert_eq!((figures["first_order"].value, figures["searched"].value), (0.25, 0.25));
    assert_eq!(notes[0], "medians of distances are of 1 of 4 centres, those classified correctly");
    let (figures, notes) = medians(&[&wrong], 0);
    assert!(figures.is_empty(), "{figures:?}");
    assert_eq!(notes[0], "no medians of distances: none of 1 centres is classified correctly");
}
