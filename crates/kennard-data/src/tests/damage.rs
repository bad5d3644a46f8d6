//! Damaged files of every format: an error or valid samples, never a panic.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::*;

/// What is tried: said where a test fails on it, as most of thousands of cases go well.
struct Tried(String);

impl Drop for Tried {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}", self.0);
        }
    }
}

/// Reads a data set whose files are damaged.
fn survive(kind: &str, path: &Path, what: String) {
    let _tried = Tried(what);
    let options = Options { resize: Some((6, 8)), ..Options::default() };
    let Ok(data) = open(kind, path, &options) else { return };
    let values: usize = data.shape().iter().product();
    let Ok(samples) = data.samples() else { return };
    for sample in samples {
        let Ok(sample) = sample else { return };
        assert_eq!(sample.input.len(), values);
        assert!(sample.label < data.classes() && sample.index < data.len());
        assert!(sample.input.iter().all(|v| v.is_finite()));
    }
}

/// Cuts one file of a data set short at up to 40 places and changes bytes 150 times.
fn damage(kind: &str, root: &Path, path: &Path, damaged: &str) {
    let file = root.join(damaged);
    let whole = fs::read(&file).unwrap();
    let mut rng = SmallRng::seed_from_u64(1927);
    for cut in (0..whole.len()).step_by(whole.len().div_ceil(40)) {
        fs::write(&file, &whole[..cut]).unwrap();
        survive(kind, path, format!("{kind}: {damaged} cut at {cut}"));
    }
    for round in 0..150 {
        let mut bytes = whole.clone();
        for _ in 0..rng.random_range(1..4) {
            let at = rng.random_range(0..bytes.len());
            bytes[at] = rng.random();
        }
        fs::write(&file, &bytes).unwrap();
        survive(kind, path, format!("{kind}: {damaged} changed, round {round}"));
    }
    fs::write(&file, &whole).unwrap();
}

fn bytes(name: &str) -> Vec<u8> {
    fs::read(fixture(name)).unwrap()
}

#[test]
fn idx() {
    let files = directory(&small_mnist());
    for name in ["t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"] {
        damage("mnist", files.path(), files.path(), name);
        let plain = name.trim_end_matches(".gz");
        let shape: &[u32] = if name.contains("images") { &[3, 2, 3] } else { &[3] };
        fs::remove_file(files.path().join(name)).unwrap();
        let data = Vec::from_iter(0..shape.iter().product::<u32>() as u8);
        fs::write(files.path().join(plain), super::idx(shape, &data)).unwrap();
        damage("mnist", files.path(), files.path(), plain);
    }
}

#[test]
fn cifar() {
    let files = directory(&[("test_batch.bin", vec![3; 2 * 3073])]);
    damage("cifar10", files.path(), files.path(), "test_batch.bin");
}

#[test]
fn numpy() {
    for name in ["plain.npz", "splits.npz"] {
        let files = directory(&[(name, bytes(name))]);
        damage("npz", files.path(), &files.path().join(name), name);
    }
    let files =
        directory(&[("x.npy", bytes("double_fortran.npy")), ("y.npy", bytes("labels_big_endian.npy"))]);
    let path = files.path().display().to_string();
    for name in ["x.npy", "y.npy"] {
        damage("npz", files.path(), Path::new(&format!("{path}/x.npy,{path}/y.npy")), name);
    }
}

/// A file cut short is refused, wherever it is cut: nothing is made up for the part that is missing.
#[test]
#[cfg(feature = "images")]
fn images_cut_short_are_refused_by_name() {
    for name in [
        "photo.png",
        "photo.jpg",
        "photo_grey.jpg",
        "photo_progressive.jpg",
        "photo_restarts.jpg",
        "photo.webp",
        "photo_lossy.webp",
        "photo_16x16.bmp",
    ] {
        let whole = bytes(name);
        let inside = format!("a/{name}");
        let files = directory(&[(&inside, whole.clone())]);
        assert_eq!(read(&open("folder", &files, &Options::default()).unwrap()).unwrap().len(), 1, "{name}");
        for cut in (1..whole.len()).step_by(1 + whole.len() / 300).chain([whole.len() - 1, whole.len() - 2]) {
            let _tried = Tried(format!("{name}, {cut} of {} bytes", whole.len()));
            fs::write(files.path().join(&inside), &whole[..cut]).unwrap();
            let message = error("folder", &files, &Options::default());
            assert_says(&message, &[name, "the image cannot be decoded"]);
            // A download that stopped may have its full length, zeros at the end.
            let mut zeros = whole[..cut].to_vec();
            zeros.resize(whole.len(), 0);
            // Bitmaps and WebP have nothing that tells zeros from missing data.
            if zeros != whole && !name.ends_with("bmp") && !name.ends_with("webp") {
                fs::write(files.path().join(&inside), &zeros).unwrap();
                assert_says(&error("folder", &files, &Options::default()), &[name, "cannot be decoded"]);
            }
        }
    }
}

/// Data that end too early behind a proper end marker, as some programs "repair" files.
#[test]
#[cfg(feature = "images")]
fn jpeg_data_that_end_too_early_are_refused() {
    for name in ["photo.jpg", "photo_grey.jpg", "photo_restarts.jpg", "photo_progressive.jpg"] {
        let whole = bytes(name);
        let inside = format!("a/{name}");
        let files = directory(&[(&inside, whole.clone())]);
        let scan = whole.windows(2).rposition(|pair| pair == [0xff, 0xda]).unwrap() + 12;
        // The last bytes may be padding alone.
        for cut in scan + 2..whole.len() - 4 {
            if whole[cut - 1] == 0xff {
                continue;
            }
            fs::write(files.path().join(&inside), [&whole[..cut], &[0xff, 0xd9]].concat()).unwrap();
            let message = error("folder", &files, &Options::default());
            assert_says(&message, &[name, "the image cannot be decoded"]);
        }
    }
}

/// Bytes behind a picture (for example a second, larger one) are not part of it.
#[test]
#[cfg(feature = "images")]
fn bytes_behind_a_picture_are_no_damage() {
    for name in ["photo.png", "photo.jpg", "photo_progressive.jpg"] {
        let plain = directory(&[(&format!("a/{name}"), bytes(name))]);
        let longer =
            directory(&[(&format!("a/{name}"), [bytes(name), b"\xff\xd8 and more".to_vec()].concat())]);
        let input = |files: &TempDir| {
            read(&open("folder", files, &Options::default()).unwrap()).unwrap().remove(0).input
        };
        assert_eq!(input(&plain), input(&longer), "{name}");
    }
}

#[test]
#[cfg(feature = "images")]
fn images() {
    for name in ["photo.png", "photo.jpg", "photo_progressive.jpg", "photo.webp", "photo_16x16.bmp"] {
        let inside = format!("a/{name}");
        let files = directory(&[(&inside, bytes(name))]);
        damage("folder", files.path(), files.path(), &inside);
    }
}

#[test]
#[cfg(feature = "images")]
fn table() {
    let table = "file,label\nphoto.png,3\n\"other.png\",10\n".as_bytes().to_vec();
    let photo = || bytes("photo.png");
    let files = directory(&[("labels.csv", table), ("photo.png", photo()), ("other.png", photo())]);
    damage("folder", files.path(), files.path(), "labels.csv");

    let text = "a,b,label\n0.5,2,3\n-1,1e3,0\n".as_bytes().to_vec();
    let files = directory(&[("t.csv", text)]);
    damage("csv", files.path(), &files.path().join("t.csv"), "t.csv");
}

#[test]
#[cfg(feature = "parquet")]
fn parquet() {
    for name in ["hub.parquet", "binary_zstd.parquet", "binary_gzip.parquet", "table_numbers.parquet"] {
        let files = directory(&[(name, bytes(name))]);
        damage("parquet", files.path(), &files.path().join(name), name);
    }
}

#[test]
#[cfg(feature = "images")]
fn archives() {
    for name in ["numbers.tar", "json.tar", "long_gnu.tar", "long_pax.tar"] {
        let files = directory(&[(name, bytes(name))]);
        damage("tar", files.path(), &files.path().join(name), name);
    }
}
