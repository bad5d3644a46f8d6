# The commands that people repeat: `just` lists them. https://just.systems, or `pip install rust-just`.

set positional-arguments

shared := env("KENNARD_SHARED", justfile_directory() / "../shared")
export KENNARD_SHARED := shared

_list:
    @just --list --unsorted

# All tests, as the README says; names at the end what was skipped
test:
    .ci/test

# Unit tests alone, in less than a minute once built
fast-test *filter:
    cargo test --workspace --lib --quiet -- "$@"

# Everything that must hold before a change lands
ci:
    .ci/run

# Formatting, lints, documentation
lint:
    cargo fmt --all --check
    cargo clippy --release --workspace --all-targets --quiet -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --release --workspace --no-deps --quiet

# What the dependencies may be, and that every feature builds by itself
deny:
    .ci/dependencies

# The Python package as a wheel, installed into an environment of its own and tested
python:
    .ci/python

# Throughput and packets; benches/README.md says how to compare
bench *filter:
    cargo bench -p kennard -- "$@"

# The book as pages under target/book (needs mdbook)
book:
    mdbook build book -d ../target/book

# The commands of the book and the README, run as they stand
book-test:
    cargo test --release -p kennard-cli --test book

# Networks and data of fixtures/ made anew, and what is closest in its tables (needs references/requirements.txt)
fixtures:
    python fixtures/train.py
    python fixtures/plane.py
    python references/tabular.py
    python references/leaves.py

# What other programs say, made anew (needs references/requirements.txt)
references:
    python references/input_gradients.py
    python references/training.py
    python references/plane.py
    python references/probes.py
    python references/operators.py
    python references/fused.py > crates/kennard-graph/tests/fused.json
    python references/recurrent.py > crates/kennard-graph/tests/recurrent.json
    python references/svm.py > crates/kennard-graph/tests/svm.json
    python references/leaves.py

# The public interface of the libraries, for a reader of the next change (needs nightly and cargo-public-api)
public-api:
    for crate in kennard-graph kennard-runtime kennard-data kennard kennard-cli; do \
        cargo public-api -p $crate --omit blanket-impls,auto-trait-impls,auto-derived-impls > crates/$crate/public-api.txt; \
    done
