//! Settings come in parts that commands have in common. A part is defined once: each of its fields is an option of the
//! command line and a key of a TOML file, and what the one leaves out comes from the other.

use serde::de::DeserializeOwned;
use toml::Table;

/// A TOML text, or a table made of one.
pub enum Source<'s> {
    Text(&'s str),
    Table(&'s Table),
}

impl Source<'_> {
    /// Reads the fields of `T`, whatever else there is.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, toml::de::Error> {
        match self {
            Source::Text(text) => toml::from_str(text),
            Source::Table(table) => (*table).clone().try_into(),
        }
    }
}

/// A part of a command's settings, or all of them.
pub trait Part: Sized {
    /// The keys of the file.
    fn keys() -> Vec<String>;

    /// These settings, what they leave out taken from a file's.
    fn or(self, file: Self) -> Self;

    /// The settings of a file, which may hold others.
    fn read(source: &Source) -> Result<Self, toml::de::Error>;

    /// The settings of a file, which holds no others.
    fn read_all(source: &Source) -> Result<Self, String> {
        let table: Table = source.read().map_err(|e| e.to_string())?;
        let keys = Self::keys();
        if let Some(key) = table.keys().find(|key| !keys.contains(key)) {
            let near = kennard::data::nearest(key, keys.iter().map(String::as_str));
            let near = near.map_or(String::new(), |near| format!("did you mean `{near}`? "));
            return Err(format!("`{key}` is unknown; {near}known are {}", keys.join(", ")));
        }
        Self::read(source).map_err(|e| in_words(&e.to_string()))
    }
}

/// Types as readers call them, who need not know ours.
const KINDS: [(&str, &str); 7] = [
    ("usize", "a whole number, 0 or more"),
    ("u64", "a whole number, 0 or more"),
    ("f64", "a number"),
    ("f32", "a number"),
    ("a boolean", "true or false"),
    ("a string", "a text"),
    ("a sequence", "a list"),
];

/// What was said of a value of the wrong type, in words.
pub fn in_words(message: &str) -> String {
    let say = |said: String, (kind, words): &(&str, &str)| {
        said.replace(&format!("expected {kind}"), &format!("expected {words}"))
    };
    KINDS.iter().fold(message.to_owned(), say)
}

/// Defines a part by its fields, all of which may be left out.
macro_rules! part {
    ($(#[$of:meta])* $name:ident { $($(#[$about:meta])* $field:ident: $kind:ty,)* }) => {
        $(#[$of])*
        #[derive(clap::Args, Clone, Debug, Default, serde::Deserialize)]
        #[serde(default, rename_all = "kebab-case")]
        pub struct $name {
            $($(#[$about])* pub $field: Option<$kind>,)*
        }

        impl $crate::settings::Part for $name {
            fn keys() -> Vec<String> {
                [$(stringify!($field)),*].map(|field| field.replace('_', "-")).into()
            }

            fn or(self, file: $name) -> $name {
                $name { $($field: self.$field.or(file.$field)),* }
            }

            fn read(source: &$crate::settings::Source) -> Result<$name, toml::de::Error> {
                source.read()
            }
        }
    };
}

/// Defines settings by their parts.
macro_rules! parts {
    ($(#[$of:meta])* $name:ident { $($field:ident: $part:ty,)* }) => {
        $(#[$of])*
        #[derive(clap::Args, Clone, Debug, Default)]
        pub struct $name {
            $(#[command(flatten)] pub $field: $part,)*
        }

        impl $crate::settings::Part for $name {
            fn keys() -> Vec<String> {
                [$(<$part>::keys()),*].concat()
            }

            fn or(self, file: $name) -> $name {
                $name { $($field: self.$field.or(file.$field)),* }
            }

            fn read(source: &$crate::settings::Source) -> Result<$name, toml::de::Error> {
                Ok($name { $($field: <$part>::read(source)?),* })
            }
        }
    };
}
