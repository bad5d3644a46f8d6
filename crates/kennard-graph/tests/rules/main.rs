//! Gradient rules against finite differences.
//!
//! A case is a small graph and the point to differentiate it at (`cases/`, one file per family of rules).
//! Each is differentiated once and, where the operator is smooth enough, twice, and compared with
//! central differences of the same graph run by rten in single precision. The graphs are also written
//! to a folder (`KENNARD_RULE_CASES`, else `rule-cases` in Cargo's folder for test files) where
//! `references/check_rules.py` checks them in double precision and in ONNX Runtime.

mod case;
mod cases;
mod check;
mod definitions;
mod half;
mod kinks;
mod quantized;
mod rten;
mod ties;
mod volume;

/// Checks every case of a family and reports all that fail.
fn family(cases: Vec<case::Case>) {
    let failures: Vec<String> = cases
        .iter()
        .filter_map(|case| check::check(case).err().map(|message| format!("{}: {message}", case.name)))
        .collect();
    assert!(failures.is_empty(), "{} of {} cases:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

macro_rules! families {
    ($($family:ident),*) => {$(
        #[test]
        fn $family() {
            family(cases::$family::cases());
        }
    )*

    fn all() -> Vec<case::Case> {
        [$(cases::$family::cases()),*].into_iter().flatten().collect()
    }};
}
families!(
    activation,
    conv,
    einsum,
    elementwise,
    grid_sample,
    index,
    layout,
    matmul,
    normalization,
    pool,
    reduce,
    resize,
    select,
    softmax,
    spectrum
);
