//! One column of a row group.

use std::fs::File;
use std::path::Path;

use half::f16;
use parquet::basic::{ConvertedType, LogicalType, Type};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArrayType, FloatType, Int32Type,
    Int64Type,
};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::ColumnDescriptor;

use crate::classes::Label;
use crate::error::{DataError, Place};
use crate::guard;
use crate::input;

/// Numbers, truth values or words.
pub enum Column {
    Truths(ColumnReaderImpl<BoolType>),
    Short(ColumnReaderImpl<Int32Type>),
    ShortUnsigned(ColumnReaderImpl<Int32Type>),
    Long(ColumnReaderImpl<Int64Type>),
    LongUnsigned(ColumnReaderImpl<Int64Type>),
    Half(ColumnReaderImpl<FixedLenByteArrayType>),
    Single(ColumnReaderImpl<FloatType>),
    Double(ColumnReaderImpl<DoubleType>),
    Words(ColumnReaderImpl<ByteArrayType>),
}

/// A place in a file: the column's name and its number.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    pub name: String,
    pub index: usize,
}

/// What columns hold that are of Parquet's decimal type.
pub const DECIMALS: &str = "decimal fractions";

/// What a column holds that no [`Column`] reads; nothing if one does.
pub fn unread(column: &ColumnDescriptor) -> Option<&'static str> {
    match column.physical_type() {
        _ if column.max_rep_level() > 0 => Some("lists"),
        _ if column.converted_type() == ConvertedType::DECIMAL => Some(DECIMALS),
        Type::INT32 | Type::INT64 if is_time(column) => Some("dates or times"),
        Type::INT96 => Some("dates or times"),
        Type::FIXED_LEN_BYTE_ARRAY if is_half(column) => None,
        Type::FIXED_LEN_BYTE_ARRAY => Some("bytes"),
        _ => None,
    }
}

/// Whether a column holds dates or times. In nanoseconds they have no converted type.
fn is_time(column: &ColumnDescriptor) -> bool {
    use ConvertedType as Is;
    let logical = column.logical_type_ref();
    let kind = column.converted_type();
    matches!(logical, Some(LogicalType::Date | LogicalType::Time(..) | LogicalType::Timestamp(..)))
        || matches!(kind, Is::DATE | Is::TIME_MILLIS | Is::TIME_MICROS)
        || matches!(kind, Is::TIMESTAMP_MILLIS | Is::TIMESTAMP_MICROS)
}

/// Whether a column holds numbers in half precision.
fn is_half(column: &ColumnDescriptor) -> bool {
    column.logical_type_ref() == Some(&LogicalType::Float16)
}

/// Whether a column holds text or bytes.
pub fn is_words(column: &ColumnDescriptor) -> bool {
    column.physical_type() == Type::BYTE_ARRAY
}

impl Column {
    pub fn open(
        file: &SerializedFileReader<File>,
        group: usize,
        column: &Named,
        path: &Path,
    ) -> Result<Column, DataError> {
        let descriptor = file.metadata().file_metadata().schema_descr().column(column.index);
        let kind = descriptor.converted_type();
        let unsigned = matches!(
            kind,
            ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 | ConvertedType::UINT_64
        );
        Ok(match reader(file, group, column.index, path)? {
            ColumnReader::BoolColumnReader(values) => Column::Truths(values),
            ColumnReader::Int32ColumnReader(values) if unsigned => Column::ShortUnsigned(values),
            ColumnReader::Int32ColumnReader(values) => Column::Short(values),
            ColumnReader::Int64ColumnReader(values) if unsigned => Column::LongUnsigned(values),
            ColumnReader::Int64ColumnReader(values) => Column::Long(values),
            ColumnReader::FixedLenByteArrayColumnReader(values) if is_half(&descriptor) => {
                Column::Half(values)
            }
            ColumnReader::FloatColumnReader(values) => Column::Single(values),
            ColumnReader::DoubleColumnReader(values) => Column::Double(values),
            ColumnReader::ByteArrayColumnReader(values) => Column::Words(values),
            _ => {
                let problem = format!("the column `{}` holds neither numbers nor text", column.name);
                return Err(DataError::unsupported(
                    path,
                    Place::Whole,
                    problem,
                    "convert it, or leave it out",
                ));
            }
        })
    }

    /// The next values, `row` being the place of the first.
    pub fn next(
        &mut self,
        name: &str,
        count: usize,
        row: usize,
        path: &Path,
    ) -> Result<Vec<Label>, DataError> {
        fn each<V>(values: Vec<V>, label: impl Fn(V) -> Label) -> Vec<Label> {
            values.into_iter().map(label).collect()
        }
        use Label::Number;
        Ok(match self {
            Column::Truths(c) => each(read(c, name, count, row, path)?, |v| Number(v.into())),
            Column::Short(c) => each(read(c, name, count, row, path)?, |v| Number(v.into())),
            Column::ShortUnsigned(c) => each(read(c, name, count, row, path)?, |v| Number((v as u32).into())),
            Column::Long(c) => each(read(c, name, count, row, path)?, |v| Number(v.into())),
            Column::LongUnsigned(c) => each(read(c, name, count, row, path)?, |v| Number((v as u64).into())),
            Column::Half(c) => each(read(c, name, count, row, path)?, |v| {
                Label::of(v.data().try_into().map_or(f64::NAN, |bytes| f16::from_le_bytes(bytes).to_f64()))
            }),
            Column::Single(c) => each(read(c, name, count, row, path)?, |v| Label::of(v.into())),
            Column::Double(c) => each(read(c, name, count, row, path)?, Label::of),
            Column::Words(c) => {
                let words = read(c, name, count, row, path)?.into_iter().zip(row..);
                words.map(|(word, row)| text(&word, name, row, path)).collect::<Result<_, _>>()?
            }
        })
    }
}

/// A cell as text. Two that are not valid UTF-8 could become the same word, so such a cell is refused.
fn text(cell: &ByteArray, name: &str, row: usize, path: &Path) -> Result<Label, DataError> {
    let word = std::str::from_utf8(cell.data()).map_err(|_| {
        let problem = format!("the column `{name}` holds bytes that are no UTF-8");
        DataError::malformed(path, Place::Row(row), problem, "write names as text")
    })?;
    Ok(Label::Word(word.to_owned()))
}

/// A column of encoded images.
pub struct Images(ColumnReaderImpl<ByteArrayType>);

impl Images {
    pub fn open(
        file: &SerializedFileReader<File>,
        group: usize,
        column: &Named,
        path: &Path,
    ) -> Result<Images, DataError> {
        match reader(file, group, column.index, path)? {
            ColumnReader::ByteArrayColumnReader(images) => Ok(Images(images)),
            _ => {
                let problem = format!("the column `{}` does not hold binary data", column.name);
                let cure = "write it as the `datasets` library does, with the features Image and ClassLabel";
                Err(DataError::unsupported(path, Place::Whole, problem, cure))
            }
        }
    }

    pub fn next(
        &mut self,
        name: &str,
        count: usize,
        row: usize,
        path: &Path,
    ) -> Result<Vec<ByteArray>, DataError> {
        read(&mut self.0, name, count, row, path)
    }
}

/// The next values of a column; nothing at its end. `row` is the place of the first.
fn read<T: DataType>(
    column: &mut ColumnReaderImpl<T>,
    name: &str,
    count: usize,
    row: usize,
    path: &Path,
) -> Result<Vec<T::T>, DataError> {
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    let (records, present, _) =
        guarded(path, Place::Row(row), || column.read_records(count, Some(&mut levels), None, &mut values))?;
    if present != records {
        let highest = levels.iter().max().copied();
        let null = levels.iter().position(|level| Some(*level) != highest).unwrap_or(0);
        return Err(DataError::malformed(
            path,
            Place::Row(row + null),
            format!("the column `{name}` is null"),
            "leave such rows out when writing the file",
        ));
    }
    Ok(values)
}

/// Refuses a file whose images are null in all rows and have paths beside them: they were not written into it.
pub fn check_embedded(path: &Path, images: &Named) -> Result<(), DataError> {
    let file = open_file(path)?;
    let beside = images.name.strip_suffix("bytes").map(|parent| format!("{parent}path"));
    let columns = file.metadata().file_metadata().schema_descr().columns();
    if !columns.iter().any(|column| Some(column.path().string()) == beside) {
        return Ok(());
    }
    let mut rows = 0;
    for group in 0..file.num_row_groups() {
        let ColumnReader::ByteArrayColumnReader(mut column) = reader(&file, group, images.index, path)?
        else {
            return Ok(());
        };
        loop {
            let (mut values, mut levels) = (Vec::new(), Vec::new());
            let (records, present, _) = guarded(path, Place::Whole, || {
                column.read_records(16, Some(&mut levels), None, &mut values)
            })?;
            match (records, present) {
                (0, _) => break,
                (_, 0) => rows += records,
                _ => return Ok(()),
            }
        }
    }
    if rows == 0 {
        return Ok(());
    }
    let problem = format!("the column `{}` is null in all rows: the file holds paths only", images.name);
    Err(DataError::unsupported(path, Place::Whole, problem, "write it with the images embedded"))
}

/// Opens a table.
pub fn open_file(path: &Path) -> Result<SerializedFileReader<File>, DataError> {
    let (file, _) = input::open_file(path)?;
    guarded(path, Place::Whole, || SerializedFileReader::new(file))
}

fn reader(
    file: &SerializedFileReader<File>,
    group: usize,
    index: usize,
    path: &Path,
) -> Result<ColumnReader, DataError> {
    guarded(path, Place::Whole, || file.get_row_group(group)?.get_column_reader(index))
}

/// Calls the `parquet` crate on a file that may be damaged. What the call worked on must not be used after an error;
/// every error ends the stream.
fn guarded<T>(
    path: &Path,
    place: Place,
    call: impl FnOnce() -> parquet::errors::Result<T>,
) -> Result<T, DataError> {
    let cure = "fetch or write the file again (packed with snappy, zstd, gzip, or not at all)";
    guard::guarded(call).map_err(|problem| DataError::malformed(path, place, problem, cure))
}
