//! Tables of numbers, as text and in Parquet files.

use super::*;

fn labelled(column: &str) -> Options {
    Options { label_column: Some(column.into()), ..Options::default() }
}

fn table(text: &str) -> TempDir {
    directory(&[("t.csv", text.as_bytes().to_vec())])
}

/// The message of what is wrong with a table, or nothing.
fn refusal(text: &str, options: &Options) -> String {
    error("csv", table(text).path().join("t.csv"), options)
}

fn opened(text: &str) -> (DataSet, Vec<Sample>) {
    let files = table(text);
    let data = open("csv", files.path().join("t.csv"), &Options::default()).unwrap();
    let samples = read(&data).unwrap();
    (data, samples)
}

/// The table that pandas wrote (fixtures/make.py), from its formulas.
fn check_pandas(data: &DataSet) {
    assert_eq!((data.len(), data.shape(), data.classes()), (6, &[5][..], 3));
    assert_eq!(data.class_names(), ["setosa", "versicolor", "virginica"]);
    assert_eq!(data.feature_names(), ["count", "big", "share", "ratio", "on"]);
    assert!(!data.eight_bit());
    let samples = read(data).unwrap();
    assert_eq!(labels(&samples), [0, 2, 0, 1, 2, 0]);
    for (i, sample) in samples.iter().enumerate() {
        let odd = (i % 2) as f32;
        let i = i as f64;
        let row = [i - 1.0, 4_294_967_295.0 - i, i / 8.0, i / 3.0].map(|value| value as f32);
        assert_eq!(sample.input, [&row[..], &[odd]].concat());
    }
}

#[test]
fn tables_of_pandas_are_read() {
    let csv = open("csv", fixture("table.csv"), &labelled("Species")).unwrap();
    check_pandas(&csv);
    assert_says(
        &csv.notes().join("\n"),
        &["5 columns: count, big, share, ratio, on; labels from the column Species"],
    );
    assert_says(&csv.notes().join("\n"), &["classes: 0 setosa, 1 versicolor, 2 virginica"]);
    // The digests are those of sha256sum; which column has the labels is a part of what the data are.
    let files = csv.fingerprint().unwrap();
    assert_eq!(files.iter().map(|f| f.file.as_str()).collect::<Vec<_>>(), ["table.csv", "column of labels"]);
    assert_eq!(files[1].sha256, "56205e12c20fb56849e82c95df6eabdd67382338c1cfc8f7ee7b8c41ae542e60");
    #[cfg(feature = "parquet")]
    check_pandas(&open("parquet", fixture("table.parquet"), &labelled("Species")).unwrap());
}

/// Usual names are found in an order, whatever their capitals; other columns of these names are inputs then.
#[test]
fn labels_are_found_by_usual_names() {
    let (data, samples) = opened("y,a,Class\n0.5,2,0\n1.5,3,2\n");
    assert_eq!((data.feature_names(), data.classes()), (&["y".into(), "a".into()][..], 3));
    assert_eq!(samples[1].input, [1.5, 3.0]);
    assert_eq!(labels(&samples), [0, 2]);
    let message = refusal("a,b,kind\n1,2,0\n", &Options::default());
    assert_says(&message, &["the column of labels not found (tried label,", "the columns are a, b, kind"]);
    let message = refusal("a,b,kind\n1,2,0\n", &labelled("kin"));
    assert_says(&message, &["tried kin", "did you mean `kind`?"]);
    let mnist = directory(&small_mnist());
    assert_says(&error("mnist", &mnist, &labelled("kind")), &["mnist data have no columns"]);
}

#[test]
fn semicolons_tabs_quotes_and_signs_are_read() {
    let (data, samples) = opened("\u{feff}\"acid, fixed\";ph;target\r\n7.4; -3e-1 ;good\r\n+1;True;bad\r\n");
    assert_eq!(data.feature_names(), ["acid, fixed", "ph"]);
    assert_eq!(samples[0].input, [7.4, -0.3]);
    assert_eq!((samples[1].input.as_slice(), labels(&samples)), (&[1.0, 1.0][..], vec![1, 0]));
    let (_, samples) = opened("x\ty\n1\t0\n2\t1\n\n");
    assert_eq!(labels(&samples), [0, 1]);
}

#[test]
fn what_is_no_number_is_named_with_row_and_column() {
    let refused = |text: &str, words: &[&str]| assert_says(&refusal(text, &Options::default()), words);
    refused("a,b,y\n1,2,0\n1,,1\n", &["t.csv, line 3: the column `b` is blank"]);
    refused(
        "a,b,y\n1,2,0\n1,red,1\n",
        &["line 3: the column `b` holds `red`, no number", "columns of 0 and 1"],
    );
    refused("a,y\n1e39,0\n", &["line 2: the column `a` holds", "no finite number"]);
    refused("a,y\nNaN,0\n", &["line 2: the column `a` holds NaN"]);
    refused("a,y\n1,\n", &["line 2: label", "blank"]);
    refused("a,y\n1,0.5\n", &["line 2: label 0.5 is no whole number"]);
    refused("a,y\n1,-1\n", &["label -1 is negative"]);
    refused("a,b,y\n1,0\n", &["line 2", "each with all columns"]);
    refused("1,2,0\n3,4,1\n", &["line 1: the first line has only numbers"]);
    refused(",a,y\n0,1,0\n", &["column 1 has no name", "index=False"]);
    refused("a,a,y\n0,1,0\n", &["two columns have the name `a`"]);
    refused("y\n0\n", &["no column beside the labels"]);
    refused("a,y\n", &["empty"]);
    refused("", &["empty"]);
}

/// Lines are counted as editors count them, whatever ends them, and blank ones too.
#[test]
fn lines_are_counted_as_editors_count_them() {
    let unix = "a,b,y\n1,2,0\n\n1,2,1\n\"3\",red,1\n1,2,0\n";
    for (from, to) in [("\n", "\n"), ("\n", "\r\n"), ("\n", "\r")] {
        let refused = |text: &str| refusal(&text.replace(from, to), &Options::default());
        assert_says(&refused(unix), &["line 5: the column `b` holds `red`"]);
        assert_says(
            &refused(&unix.replace("3\",red", "3\"")),
            &["line 5: the line has 2 cells, the first has 3"],
        );
        assert_says(&refused(&unix.replace("red,1", "4,-1")), &["line 5: label -1"]);
        assert_says(&refused(&unix.replace("red,1", "4,")), &["line 5: label `` is blank"]);
        assert_says(&refused(&format!("\u{feff}{unix}")), &["line 5: the column"]);
    }
    let images = directory(&[("labels.csv", b"file,label\r\n\r\nx.png,0\r\ny.png,\r\n".to_vec())]);
    assert_says(&error("folder", &images, &Options::default()), &["labels.csv, line 4: label"]);
}

/// What spreadsheets write is named by what helps.
#[test]
fn numbers_and_texts_of_other_kinds_are_named() {
    let refused = |text: &str, words: &[&str]| assert_says(&refusal(text, &Options::default()), words);
    let plain = "with a decimal point, and without separators of thousands";
    refused("a;y\n1,5;0\n", &["line 2: the column `a` holds `1,5`, no number", plain]);
    refused("a;y\n1.234.567;0\n", &[plain]);
    refused("a|y\n1|0\n", &["one column, `a|y`", "commas, semicolons or tabs"]);
    let bytes = |bytes: Vec<u8>| {
        error("csv", directory(&[("t.csv", bytes)]).path().join("t.csv"), &Options::default())
    };
    let wide = "a,y\n1,0\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_says(&bytes(wide), &["UTF-16", "save it as UTF-8"]);
    let marked = "\u{feff}a,y\n1,0\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_says(&bytes(marked), &["UTF-16", "save it as UTF-8"]);
    assert_says(&bytes(b"a,y\n1,0\n2,caf\xe9\n".to_vec()), &["line 3: the text is not in UTF-8", "Latin-1"]);
}

/// A second column with the name of labels is taken, and said.
#[test]
fn inputs_with_names_of_labels_are_told() {
    let notes = |text: &str| opened(text).0.notes().join("\n");
    assert_says(
        &notes("Label,a,label\n0,2,0\n1,3,1\n"),
        &["the column Label, as labels are usually called, is an input"],
    );
    assert_says(&notes("target,a,class,label\n0,2,0,0\n"), &["the columns target, class, as labels"]);
    assert!(!notes("x,y,label\n0,2,0\n").contains("usually"));
}

/// As the labels of all other formats: a list says the order of the classes.
#[test]
fn classes_of_a_table_may_be_listed() {
    let files = directory(&[("names.txt", b"virginica\nsetosa\nversicolor\n".to_vec())]);
    let options = Options { classes: Some(files.path().join("names.txt")), ..labelled("Species") };
    let data = open("csv", fixture("table.csv"), &options).unwrap();
    assert_eq!(labels(&read(&data).unwrap()), [1, 0, 1, 2, 0, 1]);
}

#[cfg(feature = "parquet")]
#[test]
fn shards_are_one_table() {
    let shards = ["table-00000-of-00002.parquet", "table-00001-of-00002.parquet"];
    let listed = shards.map(|name| fixture(name).display().to_string()).join(",");
    check_pandas(&open("parquet", listed, &labelled("Species")).unwrap());
    let named = |names: &[(&str, &str)]| {
        let files = names.iter().map(|(name, shard)| (*name, fs::read(fixture(shard)).unwrap()));
        directory(&files.collect::<Vec<_>>())
    };
    let whole = named(&[("b.parquet", shards[1]), ("a.parquet", shards[0]), ("notes.txt", "make.py")]);
    let data = open("parquet", whole.path(), &labelled("Species")).unwrap();
    check_pandas(&data);
    let files: Vec<String> = data.fingerprint().unwrap().into_iter().map(|digest| digest.file).collect();
    assert_eq!(files, ["a.parquet", "b.parquet", "column of labels"]);

    let split = named(&[
        ("data/train-00000-of-00001.parquet", shards[1]),
        ("data/test-00000-of-00001.parquet", shards[0]),
    ]);
    let sizes = [Split::Test, Split::Train].map(|split_of| {
        open("parquet", split.path(), &Options { split: split_of, ..labelled("Species") }).unwrap().len()
    });
    assert_eq!(sizes, [2, 4]);

    let validated = named(&[("validation.parquet", shards[0]), ("train.parquet", shards[1])]);
    let data = open("parquet", validated.path(), &labelled("Species")).unwrap();
    assert_eq!(data.len(), 2);
    assert_says(&data.notes()[0], &["validation is read"]);

    let other = named(&[("a.parquet", shards[0]), ("b.parquet", "hub.parquet")]);
    assert_says(&error("parquet", other.path(), &labelled("label")), &["a.parquet", "column of labels"]);
    let trained = named(&[("train.parquet", shards[0])]);
    assert_says(&error("parquet", trained.path(), &labelled("Species")), &["no file of the split test"]);
    assert_says(&error("parquet", directory(&[]).path(), &Options::default()), &["*.parquet"]);
}

#[cfg(feature = "parquet")]
#[test]
fn half_precision_is_read() {
    let data = open("parquet", fixture("table_half.parquet"), &labelled("target")).unwrap();
    let samples = read(&data).unwrap();
    assert_eq!(labels(&samples), [0, 2, 1]);
    let first: Vec<f32> = samples.iter().map(|sample| sample.input[0]).collect();
    assert_eq!(first, [0.5, -1.25, 0.099_975_586]);
}

#[cfg(feature = "parquet")]
#[test]
fn columns_that_hold_no_numbers_are_named() {
    let message = error("parquet", fixture("table.parquet"), &labelled("count"));
    assert_says(&message, &["the column `Species` holds text or bytes", "image or img"]);
}
