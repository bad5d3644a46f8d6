//! Figures as files have them.

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

use super::{Basis, Figure};

impl Serialize for Figure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Figure", 2)?;
        fields.serialize_field("value", &self.value)?;
        match &self.basis {
            Basis::Quadrature { error } => fields.serialize_field("error", error)?,
            _ => fields.serialize_field("interval", &self.known_interval())?,
        }
        fields.end()
    }
}

/// A figure as files have it: with its interval, or, in older ones, some figures without.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Written {
    Figure { value: Option<f64>, interval: Option<[Option<f64>; 2]> },
    Bare(f64),
}

impl From<Written> for Figure {
    fn from(written: Written) -> Figure {
        match written {
            Written::Figure { value, interval } => {
                let number = |number: Option<f64>| number.unwrap_or(f64::INFINITY);
                Figure::perhaps(number(value), interval.map(|ends| ends.map(number)))
            }
            Written::Bare(value) => Figure::perhaps(value, None),
        }
    }
}

/// A figure as two fields of a file, `x` and `x_interval`; for `#[serde(flatten)]`.
pub(crate) mod paired {
    /// Takes the name of the value and that of the interval, and `deserialize` where they are read too.
    macro_rules! paired {
        ($name:ident, $interval:literal $(, $read:ident)?) => {
            pub(crate) mod $name {
                use serde::Serializer;
                use serde::ser::SerializeMap;

                use crate::Figure;

                pub(crate) fn serialize<S: Serializer>(figure: &Figure, to: S) -> Result<S::Ok, S::Error> {
                    let mut fields = to.serialize_map(Some(2))?;
                    fields.serialize_entry(stringify!($name), &figure.value)?;
                    fields.serialize_entry($interval, &figure.interval)?;
                    fields.end()
                }

                $(
                    pub(crate) fn $read<'de, D>(from: D) -> Result<Figure, D::Error>
                    where
                        D: serde::Deserializer<'de>,
                    {
                        #[derive(serde::Deserialize)]
                        struct Pair {
                            $name: f64,
                            #[serde(rename = $interval)]
                            interval: [f64; 2],
                        }
                        let Pair { $name: value, interval } = serde::Deserialize::deserialize(from)?;
                        Ok(Figure::new(value, interval))
                    }
                )?
            }
        };
    }

    paired!(product, "product_interval", deserialize);
    paired!(drift, "drift_interval", deserialize);
    paired!(dispersion, "dispersion_interval", deserialize);
    paired!(stein, "stein_interval", deserialize);
    paired!(certified_accuracy, "certified_interval", deserialize);
    paired!(robust_accuracy, "robust_interval", deserialize);
    paired!(clean, "clean_interval", deserialize);
    paired!(robust, "robust_interval");
    paired!(certified, "certified_interval");
    paired!(accuracy, "accuracy_interval");
}

/// The value of a figure without its interval.
pub(crate) fn value_alone<S: Serializer>(figure: &Figure, serializer: S) -> Result<S::Ok, S::Error> {
    figure.value.serialize(serializer)
}

/// Floats that come back as they were, infinities too: by their bits.
pub(crate) mod bits {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(value: &f32, serializer: S) -> Result<S::Ok, S::Error> {
        value.to_bits().serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
        u32::deserialize(deserializer).map(f32::from_bits)
    }
}

/// Numbers in double precision as their bits.
pub(crate) mod double_bits {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        value.to_bits().serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        u64::deserialize(deserializer).map(f64::from_bits)
    }
}

/// Numbers in double precision as their bits, where there may be none.
pub(crate) mod optional_bits {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
        value.map(f64::to_bits).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
        Ok(Option::<u64>::deserialize(deserializer)?.map(f64::from_bits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is infinite is null in files, and infinite again when it is read.
    #[test]
    fn infinite_figures_come_back() {
        for (figure, text) in [
            (Figure::new(f64::INFINITY, [0.5, f64::INFINITY]), r#"{"value":null,"interval":[0.5,null]}"#),
            (Figure::new(0.25, [0.125, 0.5]), r#"{"value":0.25,"interval":[0.125,0.5]}"#),
        ] {
            assert_eq!(serde_json::to_string(&figure).unwrap(), text);
            assert_eq!(serde_json::from_str::<Figure>(text).unwrap(), figure);
        }
        let alone: Figure = serde_json::from_str(r#"{"value":null,"interval":null}"#).unwrap();
        assert!(alone.value == f64::INFINITY && alone.known_interval().is_none());
    }

    #[test]
    fn files_have_the_interval_or_the_error() {
        let text = |figure: Figure| serde_json::to_string(&figure).unwrap();
        assert_eq!(text(Figure::integrated(2.0, 0.5)), r#"{"value":2.0,"error":0.5}"#);
        let exact = Figure::exact(2.0);
        assert_eq!(text(exact), r#"{"value":2.0,"interval":[2.0,2.0]}"#);
        let read: Figure = serde_json::from_str(&text(exact)).unwrap();
        assert_eq!(read, Figure::new(2.0, [2.0; 2]));
        let old: Figure = serde_json::from_str("2.0").unwrap();
        assert!(old.value == 2.0 && old.known_interval().is_none());
        let few = Figure::perhaps(2.0, None);
        assert_eq!(text(few), r#"{"value":2.0,"interval":null}"#);
        let read: Figure = serde_json::from_str(&text(few)).unwrap();
        assert!(read.value == 2.0 && read.known_interval().is_none());
    }

    /// The two fields stand where the figure stands, and are read back; what is no number is null.
    #[test]
    fn pairs_are_two_fields() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Found {
            name: String,
            #[serde(flatten, with = "paired::clean")]
            clean: Figure,
            epoch: u64,
        }
        let found = |clean| Found { name: "a".into(), clean, epoch: 3 };
        let text = r#"{"name":"a","clean":0.5,"clean_interval":[0.25,0.75],"epoch":3}"#;
        let known = found(Figure::new(0.5, [0.25, 0.75]));
        assert_eq!(serde_json::to_string(&known).unwrap(), text);
        assert_eq!(serde_json::from_str::<Found>(text).unwrap(), known);
        let unknown = serde_json::to_string(&found(Figure::new(f64::NAN, [f64::NAN; 2]))).unwrap();
        assert_eq!(unknown, r#"{"name":"a","clean":null,"clean_interval":[null,null],"epoch":3}"#);
    }
}
