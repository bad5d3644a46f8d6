//! Parquet files of images, as the Hugging Face hub has them.

use super::*;

#[test]
fn parquet_files_of_the_hub_are_read() {
    let data = open("parquet", fixture("hub.parquet"), &resize(6, 8)).unwrap();
    assert_eq!((data.len(), data.shape(), data.classes()), (5, &[3, 6, 8][..], 4));
    assert_eq!(data.class_names(), ["cat", "dog", "fish", "bird"]);
    let samples = read(&data).unwrap();
    assert_eq!(labels(&samples), [2, 1, 0, 2, 1]);
    let notes = data.notes();
    assert_eq!(notes.len(), 3, "{notes:?}");
    assert_eq!(notes[0], "classes: 0 cat, 1 dog, 2 fish, 3 bird");
    assert_says(&notes[1], &["images of another size are resized to 6×8", "1 of the 5 images"]);
    assert_says(&notes[2], &["1 of the 5 images", "from grey to RGB"]);

    let other = error("parquet", fixture("hub.parquet"), &Options::default());
    assert_says(&other, &["hub.parquet, row 3", "6×9", "6×8"]);

    // The same two images in a column of plain binary.
    let plain = open("parquet", fixture("binary_zstd.parquet"), &options(Split::Train)).unwrap();
    assert_eq!((plain.len(), plain.classes(), plain.class_names().len()), (2, 2, 0));
    assert_says(&plain.notes()[0], &["one split"]);
    let two = read(&plain).unwrap();
    assert_eq!(labels(&two), [1, 0]);
    for (a, b) in two.iter().zip(&samples) {
        assert_eq!(a.input, b.input);
    }
}

/// The bytes of a Parquet file with an input, in a column of this name, and a label in each row.
fn parquet_bytes(name: &str, inputs: arrow_array::ArrayRef, labels: arrow_array::ArrayRef) -> Vec<u8> {
    let batch = arrow_array::RecordBatch::try_from_iter([(name, inputs), ("label", labels)]).unwrap();
    let mut bytes = Vec::new();
    let mut writer = parquet::arrow::ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

/// The bytes of one with a column of images.
fn parquet_of_images(labels: arrow_array::ArrayRef, images: &[Vec<u8>]) -> Vec<u8> {
    let images = arrow_array::BinaryArray::from_iter_values(images);
    parquet_bytes("image", std::sync::Arc::new(images), labels)
}

/// A Parquet file with a column of images and one of labels.
pub(super) fn parquet_of(labels: arrow_array::ArrayRef, images: &[Vec<u8>]) -> TempDir {
    directory(&[("data.parquet", parquet_of_images(labels, images))])
}

/// Dates and times are no numbers, whatever their unit, and bytes that are no text no names.
#[test]
fn parquet_columns_of_times_and_bytes_are_refused() {
    use std::sync::Arc;

    use arrow_array::{
        ArrayRef, BinaryArray, Decimal128Array, DurationSecondArray, Float32Array, Int64Array,
    };
    use arrow_array::{Time64NanosecondArray, TimestampMicrosecondArray, TimestampNanosecondArray};
    let images: Vec<Vec<u8>> = (0..2).map(png).collect();
    let times: [ArrayRef; 3] = [
        Arc::new(TimestampNanosecondArray::from(vec![0, 1])),
        Arc::new(Time64NanosecondArray::from(vec![0, 1])),
        Arc::new(TimestampMicrosecondArray::from(vec![0, 1])),
    ];
    for time in times {
        let labelled = parquet_of(time.clone(), &images);
        let message = error("parquet", labelled.path().join("data.parquet"), &Options::default());
        assert_says(&message, &["the column `label` holds dates or times"]);
        let bytes = parquet_bytes("when", time, Arc::new(Int64Array::from(vec![0, 1])));
        let table = directory(&[("data.parquet", bytes)]);
        let message = error("parquet", table.path().join("data.parquet"), &Options::default());
        assert_says(&message, &["the column `when` holds dates or times"]);
    }
    let lasting: ArrayRef = Arc::new(DurationSecondArray::from(vec![5, 7]));
    let bytes = parquet_bytes("lasts", lasting, Arc::new(Int64Array::from(vec![0, 1])));
    let table = directory(&[("data.parquet", bytes)]);
    let message = error("parquet", table.path().join("data.parquet"), &Options::default());
    assert_says(&message, &["the column `lasts` holds durations"]);
    let prices: ArrayRef =
        Arc::new(Decimal128Array::from(vec![125, 250]).with_precision_and_scale(5, 2).unwrap());
    let bytes = parquet_bytes("price", prices, Arc::new(Int64Array::from(vec![0, 1])));
    let table = directory(&[("data.parquet", bytes)]);
    let message = error("parquet", table.path().join("data.parquet"), &Options::default());
    assert_says(&message, &["the column `price` holds decimal fractions", "cast it to float64"]);
    let names = BinaryArray::from_iter_values([&b"caf\xe8"[..], b"caf\xe9"]);
    let bytes = parquet_bytes("a", Arc::new(Float32Array::from(vec![0.5, 1.5])), Arc::new(names));
    let table = directory(&[("data.parquet", bytes)]);
    let message = error("parquet", table.path().join("data.parquet"), &Options::default());
    assert_says(&message, &["row 0: the column `label` holds bytes that are no UTF-8", "as text"]);
}

/// Files of one split are alike, in what their labels are too.
#[test]
fn parquet_files_with_labels_of_two_kinds_are_named() {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Int64Array, StringArray};
    let images: Vec<Vec<u8>> = (0..2).map(png).collect();
    let (numbers, names): (ArrayRef, ArrayRef) =
        (Arc::new(Int64Array::from(vec![0, 1])), Arc::new(StringArray::from(vec!["ant", "bee"])));
    for (first, second, held) in [
        (&numbers, &names, ["holds text, that of", "a.parquet numbers"]),
        (&names, &numbers, ["holds numbers, that of", "a.parquet text"]),
    ] {
        let files = directory(&[
            ("a.parquet", parquet_of_images(first.clone(), &images)),
            ("b.parquet", parquet_of_images(second.clone(), &images)),
        ]);
        let message = error("parquet", &files, &Options::default());
        assert_says(&message, &["b.parquet: its column `label`", held[0], held[1], "alike"]);
    }
}

/// As those of folders and archives, names are counted over both splits.
#[test]
fn parquet_files_of_both_splits_have_the_same_classes() {
    use std::sync::Arc;

    use arrow_array::StringArray;
    let images: Vec<Vec<u8>> = (0..2).map(png).collect();
    let of = |names: [&str; 2]| parquet_of_images(Arc::new(StringArray::from(names.to_vec())), &images);
    let files = directory(&[("test.parquet", of(["ant", "cat"])), ("train.parquet", of(["bee", "ant"]))]);
    let test = open("parquet", &files, &Options::default()).unwrap();
    assert_eq!((test.classes(), labels(&read(&test).unwrap())), (3, vec![0, 2]));
    assert_says(&test.notes()[0], &["the other split alone has the classes `bee`"]);
    let digests = test.fingerprint().unwrap();
    assert_eq!((digests.len(), digests[1].file.as_str()), (2, "order of classes"));
    // What has no labels tells no classes.
    let unlabelled = parquet_bytes(
        "image",
        Arc::new(arrow_array::BinaryArray::from_iter_values(&images)),
        Arc::new(StringArray::from(vec![None::<&str>, None])),
    );
    fs::write(files.path().join("train.parquet"), unlabelled).unwrap();
    let test = open("parquet", &files, &Options::default()).unwrap();
    assert_eq!((test.classes(), test.fingerprint().unwrap().len()), (2, 1));
    assert_says(&test.notes()[0], &["the classes of the other split are unknown", "train.parquet"]);
}

#[test]
fn parquet_labels_are_numbers_or_names() {
    use std::sync::Arc;

    use arrow_array::{Float64Array, Int8Array, StringArray};
    let images: Vec<Vec<u8>> = (0..3).map(png).collect();
    let opened = |labels: arrow_array::ArrayRef, options: &Options| {
        let files = parquet_of(labels, &images);
        let data = open("parquet", files.path().join("data.parquet"), options)?;
        let found = read(&data)?;
        Ok::<_, DataError>((data.classes(), data.class_names().to_vec(), super::labels(&found)))
    };
    let plain = Options::default();
    let whole = Arc::new(Float64Array::from(vec![2.0, 0.0, 4.0]));
    assert_eq!(opened(whole, &plain).unwrap(), (5, vec![], vec![2, 0, 4]));
    let digits = Arc::new(StringArray::from(vec!["2", "00", "4.0"]));
    assert_eq!(opened(digits, &plain).unwrap(), (5, vec![], vec![2, 0, 4]));
    let names = || Arc::new(StringArray::from(vec!["owl", "ape", "owl"]));
    assert_eq!(opened(names(), &plain).unwrap(), (2, vec!["ape".into(), "owl".into()], vec![1, 0, 1]));

    let refuse = |labels: arrow_array::ArrayRef, options: &Options, words: &[&str]| {
        assert_says(&opened(labels, options).unwrap_err().to_string(), words);
    };
    refuse(Arc::new(Float64Array::from(vec![1.0, 0.5, 0.0])), &plain, &["data.parquet, row 1: label 0.5"]);
    refuse(Arc::new(Float64Array::from(vec![1.0, 0.0, f64::NAN])), &plain, &["row 2: label NaN"]);
    refuse(Arc::new(StringArray::from(vec!["a", "b", " "])), &plain, &["row 2", "is blank"]);
    refuse(Arc::new(StringArray::from(vec!["a", "7", "b"])), &plain, &["label `a`", "`7` is a number"]);
    refuse(Arc::new(StringArray::from(vec![Some("a"), None, Some("b")])), &plain, &["row 1", "null"]);
    refuse(Arc::new(Int8Array::from(vec![Some(0), Some(1), None])), &plain, &["row 2", "null"]);

    let lists = directory(&[("list", b"owl\nbee\nape\n".to_vec()), ("short", b"owl\n".to_vec())]);
    let listed = Options { classes: Some(lists.path().join("list")), ..Options::default() };
    let (classes, known, found) = opened(names(), &listed).unwrap();
    assert_eq!((classes, known[1].as_str(), found), (3, "bee", vec![0, 2, 0]));
    let numbers = || Arc::new(Int8Array::from(vec![0, 2, 1]));
    assert_eq!(opened(numbers(), &listed).unwrap().2, [0, 2, 1]);
    let short = Options { classes: Some(lists.path().join("short")), ..Options::default() };
    refuse(names(), &short, &["row 1: label `ape` is not in the list of classes"]);
    refuse(numbers(), &short, &["row 1: label 2 is out of range"]);
    fs::write(lists.path().join("short"), "2\n1\n0\n").unwrap();
    assert_eq!(opened(numbers(), &short).unwrap().2, [2, 0, 1]);

    // Names that the file has of its own: [cat, dog, fish, bird], labels [2, 1, 0, 2, 1].
    fs::write(lists.path().join("list"), "fish\ndog\ncat\nwhale\n").unwrap();
    let options = Options { resize: Some((6, 8)), ..listed };
    let hub = open("parquet", fixture("hub.parquet"), &options).unwrap();
    assert_eq!((hub.classes(), super::labels(&read(&hub).unwrap())), (4, vec![0, 1, 2, 0, 1]));
    fs::write(lists.path().join("list"), "fish\ndog\n").unwrap();
    let message = error("parquet", fixture("hub.parquet"), &options);
    assert_says(&message, &["hub.parquet, row 2: label `cat` is not in the list"]);
}

#[test]
fn parquet_files_without_rows_are_refused() {
    let labels = std::sync::Arc::new(arrow_array::Int64Array::from(Vec::<i64>::new()));
    let files = parquet_of(labels, &[]);
    let message = error("parquet", files.path().join("data.parquet"), &Options::default());
    assert_says(&message, &["data.parquet", "the data set is empty", "with rows"]);
}

/// The row is named whose image is cut short.
#[test]
fn images_cut_short_in_parquet_are_refused_by_row() {
    let jpeg = fs::read(fixture("photo.jpg")).unwrap();
    let cut = jpeg[..jpeg.len() - 200].to_vec();
    let labels = std::sync::Arc::new(arrow_array::Int64Array::from(vec![0, 1, 0]));
    let files = parquet_of(labels, &[jpeg.clone(), jpeg, cut]);
    let message = error("parquet", files.path().join("data.parquet"), &Options::default());
    assert_says(&message, &["data.parquet, row 2", "cannot be decoded", "before the picture does"]);
}

#[test]
fn parquet_files_out_of_order_are_refused() {
    let refuse = |path: PathBuf, words: &[&str]| {
        assert_says(&error("parquet", path, &Options::default()), words);
    };
    refuse(fixture("binary_gzip.parquet"), &["row 1: label -1 is negative", "take another split"]);
    refuse(fixture("binary_none.parquet"), &["row 1", "null", "leave such rows out"]);
    refuse("no-such.parquet".into(), &["no-such.parquet"]);
    let files = directory(&[
        ("text", b"no parquet file".to_vec()),
        ("cut", fs::read(fixture("hub.parquet")).unwrap()[..900].to_vec()),
    ]);
    refuse(files.path().join("text"), &["text", "fetch or write the file again"]);
    refuse(files.path().join("cut"), &["cut", "fetch or write the file again"]);
    refuse(files.path().to_owned(), &["no files *.parquet"]);
}

/// One byte changed, and version 60.1 of the `parquet` crate panics.
#[test]
fn panics_of_the_parquet_crate_become_errors() {
    for (name, at, byte) in [("binary_zstd.parquet", 725, 0), ("binary_gzip.parquet", 2735, 255)] {
        let mut bytes = fs::read(fixture(name)).unwrap();
        bytes[at] = byte;
        let files = directory(&[(name, bytes)]);
        let message = error("parquet", files.path().join(name), &Options::default());
        assert_says(&message, &[name, "fetch or write the file again"]);
    }
}
