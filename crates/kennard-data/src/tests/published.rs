//! The published data sets, where they are: in `$KENNARD_SHARED/data` (default `../shared/data`
//! beside the repository), and Fashion-MNIST where Debian's package puts it.

use super::*;

fn find(path: PathBuf) -> Option<PathBuf> {
    if path.is_dir() {
        return Some(path);
    }
    println!("skipped: {} is not there", path.display());
    None
}

fn shared(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("KENNARD_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    find(root.join("data").join(name))
}

/// Reads all samples and tells how many there are of each class.
fn count(data: &DataSet) -> Vec<usize> {
    let mut counts = vec![0; data.classes()];
    for (i, sample) in data.samples().unwrap().enumerate() {
        let sample = sample.unwrap();
        assert_eq!((sample.index, sample.input.len()), (i, data.shape().iter().product()));
        counts[sample.label] += 1;
    }
    assert_eq!(counts.iter().sum::<usize>(), data.len());
    counts
}

fn first_labels(data: &DataSet) -> Vec<usize> {
    data.samples().unwrap().take(5).map(|sample| sample.unwrap().label).collect()
}

/// The mean of all values, which the field uses to normalise.
fn mean(data: &DataSet) -> f64 {
    let sum: f64 =
        data.samples().unwrap().map(|s| s.unwrap().input.iter().map(|&v| f64::from(v)).sum::<f64>()).sum();
    sum / (data.len() * data.shape().iter().product::<usize>()) as f64
}

#[test]
fn mnist() {
    let Some(path) = shared("mnist") else { return };
    let test = open("mnist", &path, &options(Split::Test)).unwrap();
    assert_eq!((test.len(), test.shape()), (10_000, &[1, 28, 28][..]));
    assert_eq!(first_labels(&test), [7, 2, 1, 0, 4]);
    assert_eq!(count(&test), [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);

    let train = open("mnist", &path, &options(Split::Train)).unwrap();
    assert_eq!(train.len(), 60_000);
    assert_eq!(first_labels(&train), [5, 0, 4, 1, 9]);
    assert!((mean(&train) - 0.1307).abs() < 5e-5, "the mean PyTorch's examples normalise by");
}

#[test]
fn fashion_mnist() {
    let Some(path) = find("/usr/share/datasets/fashion-mnist".into()) else { return };
    let test = open("fashion-mnist", &path, &options(Split::Test)).unwrap();
    assert_eq!(first_labels(&test), [9, 2, 1, 1, 6]);
    assert_eq!(count(&test), [1000; 10]);
    let train = open("fashion-mnist", &path, &options(Split::Train)).unwrap();
    assert_eq!(train.len(), 60_000);
    assert!((mean(&train) - 0.2860).abs() < 5e-5, "the mean the field normalises by");
}

#[test]
fn cifar10() {
    let Some(path) = shared("cifar-10-batches-bin") else { return };
    let test = open("cifar10", &path, &options(Split::Test)).unwrap();
    assert_eq!((test.len(), test.shape()), (10_000, &[3, 32, 32][..]));
    assert_eq!(first_labels(&test), [3, 8, 8, 0, 6]);
    assert_eq!((test.class_names()[0].as_str(), test.class_names()[9].as_str()), ("airplane", "truck"));
    assert_eq!(count(&test), [1000; 10]);
    if !path.join("data_batch_1.bin").exists() {
        assert_says(&error("cifar10", &path, &options(Split::Train)), &["data_batch_1.bin"]);
    }
}
