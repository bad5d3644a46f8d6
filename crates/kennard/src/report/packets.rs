//! The packets of `kennard uncertainty`, with their pictures.

use serde::Serialize;

use super::examples::data_uri;
use super::sources::KeptSurvey;
use crate::survey::{SurveyManifest, SurveySummary};

#[derive(Serialize)]
pub(super) struct SurveyView<'a> {
    directory: String,
    manifest: Option<&'a SurveyManifest>,
    summary: &'a SurveySummary,
    maps: Vec<MapView>,
    /// How many maps there was no room for.
    left_out: usize,
}

/// A map of a spread or a mode.
#[derive(Serialize)]
struct MapView {
    /// The file's name without its ending: `sigma_x_0.1`.
    name: String,
    picture: String,
}

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
/// A map is some 10 kB; what is larger than this is something else.
const LARGEST: u64 = 256 << 10;

impl<'a> SurveyView<'a> {
    /// A survey, with maps of `most` bytes in all.
    pub fn new(survey: &'a KeptSurvey, most: usize) -> SurveyView<'a> {
        let KeptSurvey { path: directory, manifest, summary } = survey;
        let manifest = manifest.as_ref();
        let mut names: Vec<String> = std::fs::read_dir(directory)
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| name.ends_with(".png"))
            .filter(|name| name.starts_with("sigma_") || name.starts_with("mode_"))
            .collect();
        names.sort_by_key(|name| (!name.starts_with("sigma_"), name.clone()));
        let (mut maps, mut size, mut left_out) = (Vec::new(), 0, 0);
        for name in names {
            let path = directory.join(&name);
            let small = std::fs::metadata(&path).is_ok_and(|file| file.is_file() && file.len() <= LARGEST);
            let Some(bytes) = small.then(|| std::fs::read(&path).ok()).flatten() else { continue };
            if !bytes.starts_with(SIGNATURE) {
                continue;
            }
            if size + bytes.len() * 4 / 3 > most {
                left_out += 1;
                continue;
            }
            size += bytes.len() * 4 / 3;
            let name = name.trim_end_matches(".png").to_string();
            maps.push(MapView { name, picture: data_uri(&bytes) });
        }
        SurveyView { directory: directory.display().to_string(), manifest, summary, maps, left_out }
    }
}
