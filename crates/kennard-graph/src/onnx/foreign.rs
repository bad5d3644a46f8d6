//! Files that are models, or stand for one, but not in ONNX.

use std::path::Path;

/// What a file is if it is no ONNX model, and how to come by one.
pub fn diagnosis(path: &Path, bytes: &[u8]) -> Option<String> {
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    // The name of the first file in a ZIP archive, which follows 30 bytes of header.
    let first = bytes.strip_prefix(b"PK\x03\x04").map(|_| {
        let length = bytes.get(26..28).map_or(0, |n| usize::from(u16::from_le_bytes([n[0], n[1]])));
        String::from_utf8_lossy(bytes.get(30..30 + length).unwrap_or_default()).into_owned()
    });
    let pickle = matches!(bytes, [0x80, 2..=5, ..]);
    let torch = ["pt", "pth", "pt2", "ckpt", "bin"].contains(&ending.as_str());
    // safetensors: the length of a JSON text, and that text.
    let safetensors = bytes.get(..9).is_some_and(|head| {
        let length = head[..8].iter().rev().fold(0_u64, |length, byte| length << 8 | u64::from(*byte));
        head[8] == b'{' && length <= bytes.len() as u64
    });
    Some(match first {
        _ if bytes.is_empty() => "the file is empty".into(),
        Some(name) if name.ends_with(".npy") => "these are NumPy arrays, data and no model".into(),
        Some(name) if ["metadata.json", "config.json"].contains(&name.as_str()) || ending == "keras" => {
            KERAS.into()
        }
        Some(name) if torch || name.ends_with("data.pkl") => TORCH.into(),
        Some(_) => "this is a ZIP archive; unpack the model".into(),
        None if pickle && torch => TORCH.into(),
        None if pickle => PICKLE.into(),
        None if bytes.starts_with(b"\x89HDF\r\n\x1a\n") => KERAS.into(),
        None if bytes.get(4..8) == Some(b"TFL3") => TFLITE.into(),
        None if safetensors => SAFETENSORS.into(),
        None if bytes.starts_with(b"version https://git-lfs.github.com/") => {
            "Git LFS has yet to fetch this file: `git lfs pull`".into()
        }
        None => return None,
    })
}

/// What a directory is.
pub fn directory(path: &Path) -> String {
    let keras = path.join("saved_model.pb").exists();
    if keras { SAVED_MODEL.into() } else { "is a directory. Give the path of an ONNX file".into() }
}

const TORCH: &str = "this is a PyTorch file. With the network in Python, and an input of the right shape for `example`,
export it:
model.eval()
torch.onnx.export(model, (example,), \"model.onnx\", input_names=[\"input\"], dynamic_axes={\"input\": {0: \"N\"}}, dynamo=False)
(Without dynamo=False, PyTorch 2.9 and newer want `pip install onnxscript`; leave it out where PyTorch is too old to know
it. A file of weights alone goes into its network first: model.load_state_dict(torch.load(\"FILE\")).)";

const SAFETENSORS: &str = "these are weights without their network. Load them into the network in Python, and export it: of \
                           PyTorch, with torch.onnx.export(model, (example,), \"model.onnx\", dynamo=False)";

const KERAS: &str = "this is a Keras file. Export it in Python:
model = keras.models.load_model(\"FILE\")
model.export(\"model.onnx\", format=\"onnx\")
(This wants `pip install tf2onnx` with TensorFlow; Keras before 3.8 has tf2onnx.convert.from_keras(model, \
                     output_path=\"model.onnx\") instead.)";

const TFLITE: &str = "this is a TensorFlow Lite file. Convert it: pip install tf2onnx; python -m tf2onnx.convert --tflite FILE \
                      --output model.onnx";

const SAVED_MODEL: &str = "is a TensorFlow SavedModel. Convert it: pip install tf2onnx; python -m tf2onnx.convert --saved-model \
                           DIRECTORY --output model.onnx";

const PICKLE: &str = "this is a Python pickle. Of scikit-learn, convert the model: pip install skl2onnx; \
                      skl2onnx.to_onnx(model, X[:1].astype(\"float32\"), options={\"zipmap\": False}). Of PyTorch, export it: \
                      torch.onnx.export(model, (example,), \"model.onnx\", dynamo=False)";

#[cfg(test)]
mod tests {
    use super::*;

    /// A ZIP archive as far as its first name.
    fn zip(name: &str) -> Vec<u8> {
        let mut bytes = b"PK\x03\x04".to_vec();
        bytes.resize(26, 0);
        bytes.extend((name.len() as u16).to_le_bytes());
        bytes.extend([0, 0]);
        bytes.extend(name.as_bytes());
        bytes
    }

    #[test]
    fn other_formats_are_known_by_their_bytes() {
        let header = b"{\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}";
        let safetensors = [&(header.len() as u64).to_le_bytes()[..], header, &[0; 4]].concat();
        let cases: &[(&str, &[u8], &str)] = &[
            ("a.pt", &zip("archive/data.pkl"), "torch.onnx.export"),
            ("noending", &zip("net/data.pkl"), "torch.onnx.export"),
            ("a.pt2", &zip("archive_format"), "torch.onnx.export"),
            ("a.pth", b"\x80\x02\x8a\nl\xfc", "torch.onnx.export"),
            ("a.pkl", b"\x80\x04\x95", "skl2onnx"),
            ("a.h5", b"\x89HDF\r\n\x1a\n\0\0", "keras.models.load_model"),
            ("a.keras", &zip("metadata.json"), "keras.models.load_model"),
            ("a.tflite", b"\x1c\0\0\0TFL3\x14\0", "--tflite"),
            ("a.safetensors", &safetensors, "without their network"),
            ("a.npz", &zip("x.npy"), "NumPy"),
            ("a.zip", &zip("readme.txt"), "unpack"),
            ("a.onnx", b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
            ("a.onnx", b"", "empty"),
        ];
        for (name, bytes, says) in cases {
            let found = diagnosis(Path::new(name), bytes).unwrap();
            assert!(found.contains(says), "{name}: {found}");
        }
        // Neither a text nor a model is any of these.
        assert_eq!(diagnosis(Path::new("a.onnx"), b"a text"), None);
        assert_eq!(diagnosis(Path::new("a.onnx"), b"\x08\x07\x12\x07pytorch"), None);
    }
}
