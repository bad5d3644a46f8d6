//! What was measured of a network, kept in a file, so that it is not measured again.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::run::files::{read_if_there, to_json, write_whole};

/// The figures of a network's images.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct ImageFigures {
    /// What they depend on.
    pub settings: String,
    /// Every image's smallest norm: 0 where it is misclassified as it is, none where no attack succeeds.
    pub norms: Vec<Option<f64>>,
    /// The smallest norm and the figures of each image that an attack broke; none where one could not be measured.
    pub rows: Vec<(f64, Vec<Option<f64>>)>,
}

impl ImageFigures {
    /// What a file holds, if it is about these settings. A file that cannot be understood holds nothing.
    ///
    /// # Errors
    /// When there is a file that cannot be read.
    pub fn read(path: &Path, settings: &str) -> Result<Option<ImageFigures>> {
        let found = read_if_there(path)?.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Ok(found.filter(|found: &ImageFigures| found.settings == settings))
    }

    /// Keeps it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        write_whole(path, &to_json(self)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("net.json");
        let rows = vec![(0.1, vec![Some(0.2), None]), (1.0 / 3.0, vec![Some(f64::MAX), Some(-1e-300)])];
        let kept = ImageFigures { settings: "a".into(), norms: vec![None, Some(0.0), Some(0.1)], rows };
        assert_eq!(ImageFigures::read(&path, "a").unwrap(), None);
        kept.write(&path).unwrap();
        assert_eq!(ImageFigures::read(&path, "a").unwrap(), Some(kept));
        assert_eq!(ImageFigures::read(&path, "b").unwrap(), None, "other settings");
        std::fs::write(&path, "{").unwrap();
        assert_eq!(ImageFigures::read(&path, "a").unwrap(), None);
    }
}
