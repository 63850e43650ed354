//! Files that PyTorch wrote (scripts/fixtures/weights.py) are read with equal values.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use residual_spec::{ErrorCode, ModelConfig, Shortcut, Stem};
use residual_weights::{KeyMap, StateDict, Tensor, infer_arch, read_safetensors};

fn fixture(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures")).join(name)
}

/// Returns the tensors that Python's `safetensors` wrote, without `num_batches_tracked`.
fn expected(name: &str) -> BTreeMap<String, Tensor> {
    let mut tensors = read_safetensors(&fixture(name)).unwrap();
    tensors.retain(|name, _| !name.ends_with("num_batches_tracked"));
    tensors
}

#[test]
fn every_file_format_and_key_map_gives_the_same_weights() {
    let expected = expected("expected.safetensors");
    for (file, key_map) in [
        ("expected.safetensors", KeyMap::Torchvision),
        ("zip.pth", KeyMap::Torchvision),
        ("legacy.pth", KeyMap::Torchvision),
        ("compressed.pth", KeyMap::Torchvision),
        ("notebook.pth", KeyMap::Notebook),
    ] {
        let read = StateDict::read(&fixture(file)).unwrap();
        assert_eq!(read.key_map, key_map, "{file}");
        assert_eq!(read.tensors.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
        for (name, tensor) in &expected {
            assert_eq!(&read.tensors[name], tensor, "`{name}` of {file}");
        }
        let (target, network) = infer_arch(&read.tensors, &ModelConfig::default()).unwrap();
        assert_eq!((network.name.as_str(), target.model.stem), ("resnet8", Stem::Cifar));
        assert_eq!((target.model.shortcut, target.classes), (Shortcut::B, 4));
        assert_eq!(target.channels, 1);
    }
}

#[test]
fn reads_every_dtype() {
    let expected = expected("dtypes.safetensors");
    assert_eq!(expected.len(), 10);
    for file in ["dtypes-zip.pth", "dtypes-legacy.pth"] {
        assert_eq!(StateDict::read(&fixture(file)).unwrap().tensors, expected, "{file}");
    }
}

#[test]
fn reads_views_in_row_major_order() {
    let expected = expected("views.safetensors");
    assert_eq!(expected["transposed"].shape, [4, 2, 3]);
    for file in ["views-zip.pth", "views-legacy.pth"] {
        let read = StateDict::read(&fixture(file)).unwrap().tensors;
        for (name, tensor) in &expected {
            assert_eq!(&read[name], tensor, "`{name}` of {file}");
        }
        assert_eq!(read.len(), expected.len());
    }
}

#[test]
fn reads_the_parameters_of_a_whole_model() {
    let read = StateDict::read(&fixture("module.pth")).unwrap();
    assert_eq!(read.tensors.keys().collect::<Vec<_>>(), ["fc.bias", "fc.weight"]);
    assert_eq!(read.tensors["fc.weight"].shape, [2, 2]);
}

#[test]
fn rejects_files_with_code_with_a_hint() {
    let error = StateDict::read(&fixture("torchscript.pt")).unwrap_err();
    assert_eq!(error.code, ErrorCode::Checkpoint);
    assert!(error.message.contains("is a TorchScript archive"), "{error}");
    assert!(error.hint.unwrap().contains("torch.jit.load"));
    assert!(error.at.file.unwrap().ends_with("torchscript.pt"));
}

#[test]
fn infers_akamasters_resnet20() {
    let shared = std::env::var_os("RESIDUAL_TEST_DATA").map(PathBuf::from).unwrap_or_else(|| {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data")).to_path_buf()
    });
    let file = shared.join("resnet20-akamaster/resnet20-12fca82f.th");
    if !file.is_file() {
        return eprintln!("skipped: {} does not exist", file.display());
    }
    let read = StateDict::read(&file).unwrap();
    let (target, network) = infer_arch(&read.tensors, &ModelConfig::default()).unwrap();
    assert_eq!(read.key_map, KeyMap::Akamaster);
    assert_eq!((network.name.as_str(), target.model.stem), ("resnet20", Stem::Cifar));
    assert_eq!((target.model.shortcut, target.classes), (Shortcut::A, 10));
}

#[test]
fn exported_pytorch_weights_are_a_checkpoint() {
    use residual_spec::ExportOptions;
    use residual_weights::{Checkpoint, export_checkpoint, is_checkpoint};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    let options = ExportOptions::default();
    export_checkpoint(&fixture("notebook.pth"), &path, options).unwrap();
    assert!(is_checkpoint(&path).unwrap());
    let exported = Checkpoint::read(&path).unwrap();
    for (name, tensor) in expected("expected.safetensors") {
        assert_eq!(exported.tensors[&name], tensor, "{name}");
    }
    assert_eq!((exported.config.model.arch.as_str(), exported.data.classes.len()), ("resnet8", 4));
    export_checkpoint(&fixture("zip.pth"), &folder.path().join("x.onnx"), options).unwrap();
}
