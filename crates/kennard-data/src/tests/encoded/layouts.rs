//! Columns of Parquet files of images, as files have them that the `datasets` library did not write.

use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, Int64Array, StringArray, StructArray};

use super::*;

/// The bytes of a Parquet file with these columns.
fn written(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = arrow_array::RecordBatch::try_from_iter(columns).unwrap();
    let mut bytes = Vec::new();
    let mut writer = parquet::arrow::ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

fn numbers(values: [i64; 2]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

fn images(blues: [u8; 2]) -> ArrayRef {
    Arc::new(BinaryArray::from_iter_values(blues.map(png)))
}

/// A column of images as the hub has them, that are in the file or not.
fn of_the_hub(bytes: [Option<Vec<u8>>; 2]) -> ArrayRef {
    let field = |name: &str, kind| Arc::new(arrow_schema::Field::new(name, kind, true));
    let bytes = BinaryArray::from_iter(bytes.iter().map(Option::as_deref));
    let paths = StringArray::from(vec!["0.png", "1.png"]);
    Arc::new(StructArray::from(vec![
        (field("bytes", arrow_schema::DataType::Binary), Arc::new(bytes) as ArrayRef),
        (field("path", arrow_schema::DataType::Utf8), Arc::new(paths) as ArrayRef),
    ]))
}

#[test]
fn files_may_have_their_columns_in_another_order() {
    let files = directory(&[
        ("a.parquet", written(vec![("image", images([3, 4])), ("label", numbers([0, 1]))])),
        (
            "b.parquet",
            written(vec![("label", numbers([1, 0])), ("id", numbers([7, 8])), ("image", images([5, 6]))]),
        ),
    ]);
    let samples = read(&open("parquet", &files, &Options::default()).unwrap()).unwrap();
    assert_eq!((labels(&samples), blues(&samples)), (vec![0, 1, 1, 0], vec![3, 4, 5, 6]));

    let table = |order: [usize; 3]| {
        let columns = [("x", numbers([1, 2])), ("y", numbers([3, 4])), ("label", numbers([0, 1]))];
        written(order.map(|place| columns[place].clone()).to_vec())
    };
    let files = directory(&[("a.parquet", table([1, 0, 2])), ("b.parquet", table([2, 0, 1]))]);
    let samples = read(&open("parquet", &files, &Options::default()).unwrap()).unwrap();
    let inputs: Vec<&[f32]> = samples.iter().map(|sample| sample.input.as_slice()).collect();
    assert_eq!(inputs, [[3.0, 1.0], [4.0, 2.0], [3.0, 1.0], [4.0, 2.0]]);
    let other = written(vec![("x", numbers([1, 2])), ("z", numbers([3, 4])), ("label", numbers([0, 1]))]);
    fs::write(files.path().join("b.parquet"), other).unwrap();
    let message = error("parquet", &files, &Options::default());
    assert_says(&message, &["b.parquet: its columns are others than those of"]);
}

#[test]
fn images_that_are_not_in_the_file_are_told() {
    let refused = |bytes| {
        let columns = vec![("image", of_the_hub(bytes)), ("label", numbers([0, 1]))];
        let files = directory(&[("data.parquet", written(columns))]);
        error("parquet", files.path().join("data.parquet"), &Options::default())
    };
    assert_says(&refused([None, None]), &["`image.bytes` is null in all rows: the file holds paths only"]);
    assert_says(&refused([None, None]), &["write it with the images embedded"]);
    assert_says(&refused([Some(png(1)), None]), &["row 1: the column `image.bytes` is null"]);
    assert_says(&refused([None, Some(png(1))]), &["row 0: the column `image.bytes` is null"]);
}

#[test]
fn columns_that_may_be_images_are_to_be_renamed() {
    for name in ["images", "Image", "IMG", "jpg"] {
        for column in [images([1, 2]), of_the_hub([Some(png(1)), Some(png(2))])] {
            let table = written(vec![("id", numbers([7, 8])), (name, column), ("label", numbers([0, 1]))]);
            let files = directory(&[("data.parquet", table)]);
            let message = error("parquet", files.path().join("data.parquet"), &Options::default());
            assert_says(
                &message,
                &[&format!("the column `{name}"), "called image or img; rename it to image"],
            );
        }
    }
    let table = written(vec![("img", images([1, 2])), ("label", numbers([0, 1]))]);
    let files = directory(&[("data.parquet", table)]);
    assert!(open("parquet", files.path().join("data.parquet"), &Options::default()).is_ok());
}
