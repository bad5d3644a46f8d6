//! Packets of real networks: the inequality, the checks, and hidden tensors.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::common::{engine, fashion, fixture, open, rten, shared};
use kennard::audit::{Audit, PacketPlan};
use kennard::data::{DataSet, Selection};
use kennard::engine::{Engine, EngineOptions};
use kennard::packet::{Effort, Hidden};
use kennard::run::ModelSummary;
use kennard::survey::{Figures, PacketKind, Survey, SurveyOutcome};
use kennard::{Classifier, Graph, Norm, Preprocessing, Runtime, RuntimeChoice, ThreatModel};
use kennard_graph::Node;

fn survey<'a>(engine: &'a Engine, data: &'a DataSet, kind: PacketKind, scales: &[f64]) -> Survey<'a> {
    Survey {
        scales: scales.to_vec(),
        centres: Selection::First(2),
        effort: Effort::exactly(2000),
        ..Survey::new(engine, data, kind)
    }
}

fn run(survey: &Survey) -> SurveyOutcome {
    survey.run(&AtomicBool::new(false), |_, _| ()).unwrap()
}

/// Of the samples that an audit examines, those are centres that no temperature was fitted to, and no others.
#[test]
fn centres_are_among_what_is_examined() {
    let data = fashion();
    let engine =
        engine(&Graph::load(fixture("fashion_mlp.onnx")).unwrap(), &data, rten(), &EngineOptions::default());
    let examined = Selection::Random { count: 12, seed: 3 };
    let mut left: Vec<usize> = examined.indices(data.len()).collect();
    let mut without: Vec<usize> = (0..data.len()).step_by(7).chain([left[0], left[5]]).collect();
    without.sort_unstable();
    without.dedup();
    left.retain(|place| !without.contains(place));
    let survey = Survey {
        among: examined,
        without,
        centres: Selection::All,
        effort: Effort::exactly(64),
        ..survey(&engine, &data, PacketKind::Gaussian, &[0.05])
    };
    let mut centres: Vec<usize> =
        run(&survey).packets.iter().map(|figures| figures.centre.unwrap() as usize).collect();
    centres.sort_unstable();
    assert_eq!(centres, left);
}

/// At the width of an l2 attack, few samples have a smoothed radius: what predicts distances is what all of them have.
#[test]
fn predicted_distances_in_l2_are_of_all_samples() {
    const SAMPLES: usize = 16;
    let path = fixture("fashion_cnn_robust.onnx");
    let data = fashion();
    let engine = engine(&Graph::load(&path).unwrap(), &data, rten(), &EngineOptions::default());
    let threat = ThreatModel::new(Norm::L2, 0.5).unwrap();
    let plan = PacketPlan::at_attack_size(&threat, 784).unwrap();
    let audit = Audit {
        packets: vec![PacketPlan {
            samples: 128,
            max_samples: 128,
            centres: SAMPLES,
            bounded: false,
            ..plan
        }],
        samples: Selection::First(SAMPLES),
        ..Audit::new(ModelSummary::of_file(&path, engine.classifier()).unwrap(), &engine, &data, threat)
    };
    let outcome = audit.run(&AtomicBool::new(false), |_| ()).unwrap();
    let correct: Vec<_> = outcome.records.iter().filter(|record| record.is_correct()).collect();
    let with_radius = correct.iter().filter(|record| record.predictions.radius.is_some()).count();
    let distances = outcome.summary.distances.unwrap();
    println!("{with_radius} of {} have a radius: {distances:?}", correct.len());
    assert!(10 * with_radius < 9 * correct.len() && distances.predicted_by == "packet distance");
    assert_eq!(distances.samples, correct.len() as u64);
    let mut packets: Vec<f64> = correct.iter().map(|record| record.predictions.packet.unwrap()).collect();
    packets.sort_by(f64::total_cmp);
    let middle = packets.len() / 2;
    let [low, high] = [packets[(packets.len() - 1) / 2], packets[middle]];
    assert!(low <= distances.predicted.value && distances.predicted.value <= high, "{packets:?}");
}

/// What is stopped says so, how many packets were measured, and which scales are missing.
#[test]
fn what_is_stopped_is_not_complete() {
    let data = fashion();
    let path = fixture("fashion_mlp.onnx");
    let options = EngineOptions { threads: Some(1), micro_batch: Some(8) };
    let engine = engine(&Graph::load(&path).unwrap(), &data, rten(), &options);
    let survey = Survey {
        centres: Selection::First(4),
        effort: Effort::exactly(64),
        ..survey(&engine, &data, PacketKind::Gaussian, &[0.05, 0.1, 0.2])
    };
    let model = ModelSummary::of_file(&path, engine.classifier()).unwrap();
    let summary =
        |outcome: &SurveyOutcome| survey.summary(model.clone(), outcome, Duration::from_secs(1)).unwrap();
    let whole = run(&survey);
    assert_eq!((whole.planned, whole.packets.len(), whole.complete), (12, 12, true));
    assert!(summary(&whole).warnings.iter().all(|warning| warning.code != "interrupted"));
    let stop = AtomicBool::new(false);
    let part = survey.run(&stop, |done, _| stop.store(done >= 2, Ordering::Relaxed)).unwrap();
    let done = part.packets.len();
    assert!((2..12).contains(&done) && !part.complete && part.planned == 12, "{done}");
    let summary = summary(&part);
    assert!(!summary.complete);
    let warning = summary.warnings.iter().find(|warning| warning.code == "interrupted").unwrap();
    assert!(warning.message.contains(&format!("{done} of 12 packets were measured")), "{warning:?}");
    let missing = ["0.05", "0.1", "0.2"]
        .into_iter()
        .filter(|scale| !part.packets.iter().any(|p| p.scale.unwrap().to_string() == *scale));
    for scale in missing {
        assert!(warning.message.contains(scale), "{scale}: {warning:?}");
    }
}

/// Logits beyond what losses take have no gradient there: such packets are not measured, rather than measured as flat.
#[test]
fn logits_out_of_range_are_no_flat_packets() {
    let data = fashion();
    let engine =
        engine(&Graph::load(fixture("fashion_mlp.onnx")).unwrap(), &data, rten(), &EngineOptions::default());
    let at = |temperature: f64| {
        let survey = survey(&engine, &data, PacketKind::Gaussian, &[0.05]);
        run(&Survey { temperatures: vec![temperature], effort: Effort::exactly(256), ..survey })
    };
    let near = at(0.1);
    assert!(near.failed.is_empty() && near.packets.len() == 2);
    let beyond = at(1e-33);
    assert!(beyond.packets.is_empty() && beyond.failed.len() == 2, "{beyond:?}");
    assert!(beyond.failed[0].reason.contains("range of finite numbers"), "{}", beyond.failed[0].reason);
}

/// The smallest product of a coordinate, less what sampling noise can take from ½: `v_i √(2/ESS)`
/// times five (one coordinate in a million), with `v_i` from the maps.
fn assert_inequality(case: &str, figures: &Figures) {
    let (scale, ess) = (figures.scale.unwrap(), figures.ess);
    for (i, (x, p)) in figures.sigma_x_map.iter().zip(&figures.sigma_p_map).enumerate() {
        let c = ((x / scale).powi(2) - 1.0) / 2.0;
        let v = (p * scale).powi(2) - (1.0 - 2.0 * c) / 4.0;
        let noise = 1e-9 + 5.0 * v.abs() * (2.0 / ess).sqrt();
        assert!(x * p >= 0.5 - noise, "{case}, coordinate {i}: {} with noise {noise}", x * p);
    }
    assert!(figures.product.interval[1] >= 0.5, "{case}: {:?}", figures.product);
}

/// For every published network, at two scales, every coordinate of `gaussian`; and for `box` that
/// the product is above its own bound and not above ½.
#[test]
fn the_inequality_holds_for_published_networks() {
    let Some(shared) = shared() else { return };
    let runtime = Runtime::open(RuntimeChoice::Auto).unwrap();
    let mut models: Vec<_> = std::fs::read_dir(shared.join("models")).unwrap().flatten().collect();
    models.sort_by_key(|entry| entry.path());
    // What is not sampled cannot be tested: the sharpest networks, of 56 packets in all.
    let mut missed = Vec::new();
    for path in models.iter().map(|entry| entry.path()).filter(|p| p.extension().is_some_and(|e| e == "onnx"))
    {
        let name = path.file_stem().unwrap().to_string_lossy().to_string();
        let graph = Graph::load(&path).unwrap();
        let pixels: usize =
            graph.single_input().unwrap().ty.shape.0.iter().skip(1).filter_map(|d| d.known()).product();
        let spec = match (pixels, name.contains("fashion")) {
            (3072, _) => format!("cifar10:{}", shared.join("data/cifar-10-batches-bin").display()),
            (_, true) => format!("fashion-mnist:{}", fixture("fashion-mnist").display()),
            _ => format!("mnist:{}", shared.join("data/mnist").display()),
        };
        let data = open(&spec);
        let preprocessing =
            Preprocessing { scale: (name == "cntk_mnist").then_some(255.0), ..Default::default() };
        let classifier = Classifier::new(&graph, data.shape(), &preprocessing).unwrap();
        let engine = Engine::new(classifier, runtime.clone(), &EngineOptions::default()).unwrap();

        let mut windows = survey(&engine, &data, PacketKind::Gaussian, &[4.0 / 255.0, 0.1]);
        windows.effort = Effort::exactly(2000);
        for figures in run(&windows).packets {
            let case = format!("{name}, scale {:?}, centre {:?}", figures.scale, figures.centre);
            match figures.ess >= 200.0 {
                true => assert_inequality(&case, &figures),
                false => missed.push(format!("{case}: {:.0} effective samples", figures.ess)),
            }
        }
        let mut on_box = survey(&engine, &data, PacketKind::Box([0.0, 1.0]), &[]);
        on_box.label = Some(3);
        let figures = &run(&on_box).packets[0];
        println!("{name}: box product {:.4}, bound {:.6?}", figures.product.value, figures.bound);
        assert!(
            figures.product.value < 0.5 && Some(figures.product.value) >= figures.bound,
            "{name}: {figures:?}"
        );
    }
    println!("{missed:#?}");
    assert!(missed.len() <= 6, "{missed:?}");
}

/// Where weighted samples are worth a thousandth, chains pass every check. A packet may be flagged all the same: chains that
/// start in lobes apart from each other may not meet, and a lobe that one start alone found makes it doubtful that there are
/// no others.
#[test]
fn chains_pass_at_a_large_scale() {
    let Some(shared) = shared() else { return };
    let data = open(&format!("mnist:{}", shared.join("data/mnist").display()));
    let graph = Graph::load(shared.join("models/cntk_mnist.onnx")).unwrap();
    let engine =
        engine(&graph, &data, Runtime::open(RuntimeChoice::Auto).unwrap(), &EngineOptions::default());
    let mut survey = survey(&engine, &data, PacketKind::Gaussian, &[0.3]);
    survey.effort = Effort { max_samples: 64_000, modes: true, ..Effort::default() };
    survey.centres = Selection::First(8);
    let outcome = run(&survey);
    let by_chains = outcome.packets.iter().filter(|packet| packet.r_hat.is_some()).count();
    println!("{by_chains} of 8 by chains");
    assert!(by_chains > 0);
    let of = |figures: &Figures| (figures.valid, figures.reached, figures.enough_samples, figures.r_hat);
    println!("valid, reached, enough, split R: {:?}", outcome.packets.iter().map(of).collect::<Vec<_>>());
    let valid: Vec<&Figures> = outcome.packets.iter().filter(|figures| figures.valid).collect();
    assert!(valid.len() >= 4, "{} of 8", valid.len());
    for figures in valid {
        assert_inequality("chains", figures);
    }
    // What is flagged has its reason: neither the identities nor the gradient are in doubt.
    assert!(outcome.packets.iter().all(|f| f.valid || !f.reached || !f.enough_samples));
}

/// A rule of the graph negated: `2 round(4096 x)/4096 − x` has the value of `x`, nearly, and the
/// gradient −1. Put behind the first ReLU, it makes every check fail.
#[test]
fn a_negated_rule_is_seen() {
    let data = fashion();
    let mut graph = Graph::load(fixture("fashion_mlp.onnx")).unwrap();
    let outcome = |graph: &Graph| {
        let engine = engine(graph, &data, rten(), &EngineOptions::default());
        let mut survey = survey(&engine, &data, PacketKind::Gaussian, &[0.1]);
        survey.samples = 8000;
        survey.effort = Effort::exactly(8000);
        run(&survey)
    };
    assert!(outcome(&graph).packets.iter().all(|packet| packet.valid));

    let relu = graph.nodes.iter().position(|node| node.op == "Relu").unwrap();
    let after = graph.nodes[relu].outputs[0].clone();
    graph.nodes[relu].outputs[0] = "before".into();
    let number = |value: f64| kennard_graph::Tensor::scalar(value, kennard_graph::DType::F32);
    graph.constants.insert("fine".into(), number(4096.0));
    graph.constants.insert("half".into(), number(2048.0));
    let node = |op: &str, inputs: [&str; 2], output: &str| Node {
        op: op.into(),
        inputs: inputs.iter().filter(|name| !name.is_empty()).map(|name| name.to_string()).collect(),
        outputs: vec![output.into()],
        ..Node::default()
    };
    let planted = [
        node("Mul", ["before", "fine"], "scaled"),
        node("Round", ["scaled", ""], "rounded"),
        node("Div", ["rounded", "half"], "twice"),
        node("Sub", ["twice", "before"], &after),
    ];
    graph.nodes.splice(relu + 1..relu + 1, planted);
    let outcome = outcome(&graph);
    for figures in &outcome.packets {
        assert!(!figures.valid, "{figures:.3?}");
    }
}

/// At the input itself, cutting changes nothing; at a hidden tensor, the packet is that of the rest
/// of the network.
#[test]
fn hidden_tensors_have_packets() {
    let data = fashion();
    let graph = Graph::load(fixture("fashion_cnn.onnx")).unwrap();
    let options = EngineOptions::default();
    let engine = engine(&graph, &data, rten(), &options);
    let input = engine.classifier().graph().unwrap().single_input().unwrap().name.clone();
    let whole = survey(&engine, &data, PacketKind::Gaussian, &[0.05]);
    let cut = Hidden::new(&engine, &input, &options).unwrap();
    let (a, b) = (run(&whole), run(&Survey { hidden: Some(&cut), ..whole }));
    for (a, b) in a.packets.iter().zip(&b.packets) {
        assert!((a.drift.unwrap().value / b.drift.unwrap().value - 1.0).abs() < 1e-4, "{a:.4?} {b:.4?}");
        assert!((a.product.value - b.product.value).abs() < 1e-6);
    }

    let relu = engine.classifier().graph().unwrap().nodes.iter().find(|node| node.op == "Relu").unwrap();
    let hidden = Hidden::new(&engine, &relu.outputs[0], &options).unwrap();
    assert_eq!(hidden.rest(), 0);
    let whole = survey(&engine, &data, PacketKind::Gaussian, &[0.02]);
    for figures in run(&Survey { hidden: Some(&hidden), ..whole }).packets {
        assert_eq!(figures.sigma_x_map.len(), hidden.shape().iter().product::<usize>());
        assert!(figures.valid, "{figures:.3?}");
        assert_inequality("hidden", &figures);
    }
}

#[test]
fn a_tensor_that_is_not_there_is_refused() {
    let data = fashion();
    let graph = Graph::load(fixture("fashion_cnn.onnx")).unwrap();
    let engine = engine(&graph, &data, rten(), &EngineOptions::default());
    let name = engine.classifier().graph().unwrap().nodes[1].outputs[0].clone();
    let Err(error) = Hidden::new(&engine, &format!("{name}x"), &EngineOptions::default()) else {
        panic!("there is no such tensor")
    };
    assert!(error.to_string().contains(&format!("`{name}`")), "{error}");
}

/// A skip connection around the tensor: what goes past it is held, and both parts together give the
/// logits of the whole.
#[test]
fn skip_connections_are_held() {
    let Some(shared) = shared() else { return };
    let data = open(&format!("cifar10:{}", shared.join("data/cifar-10-batches-bin").display()));
    let graph = Graph::load(shared.join("models/akamaster_resnet20.onnx")).unwrap();
    let options = EngineOptions::default();
    let engine = engine(&graph, &data, Runtime::open(RuntimeChoice::Auto).unwrap(), &options);
    let relus: Vec<String> = engine
        .classifier()
        .graph()
        .unwrap()
        .nodes
        .iter()
        .filter(|node| node.op == "Relu")
        .map(|node| node.outputs[0].clone())
        .collect();
    // The second ReLU stands inside the first block.
    let hidden = Hidden::new(&engine, &relus[1], &options).unwrap();
    assert!(hidden.rest() > 0);
    let mut survey = survey(&engine, &data, PacketKind::Gaussian, &[0.02]);
    survey.hidden = Some(&hidden);
    survey.centres = Selection::First(1);
    let figures = &run(&survey).packets[0];
    assert!(figures.valid, "{figures:.3?}");
    survey.kind = PacketKind::Data;
    let refused = survey.run(&AtomicBool::new(false), |_, _| ()).unwrap_err().to_string();
    assert!(refused.contains("skip connections"), "{refused}");
}
