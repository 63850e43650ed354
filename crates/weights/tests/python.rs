//! What PyTorch saved (scripts/fixtures/weights.py), value by value.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use residual_spec::{ErrorCode, ModelConfig, Shortcut, Stem};
use residual_weights::{KeyMap, StateDict, Tensor, infer_arch, read_safetensors};

fn fixture(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures")).join(name)
}

/// What Python's `safetensors` wrote of the same tensors, but what nothing reads.
fn expected(name: &str) -> BTreeMap<String, Tensor> {
    let mut tensors = read_safetensors(&fixture(name)).unwrap();
    tensors.retain(|name, _| !name.ends_with("num_batches_tracked"));
    tensors
}

#[test]
fn every_way_of_saving_gives_the_same_weights() {
    let expected = expected("expected.safetensors");
    for (file, key_map) in [
        ("expected.safetensors", KeyMap::Torchvision),
        ("zip.pth", KeyMap::Torchvision),
        ("legacy.pth", KeyMap::Torchvision),
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
fn every_type_of_number_is_read() {
    let expected = expected("dtypes.safetensors");
    assert_eq!(expected.len(), 10);
    for file in ["dtypes-zip.pth", "dtypes-legacy.pth"] {
        assert_eq!(StateDict::read(&fixture(file)).unwrap().tensors, expected, "{file}");
    }
}

#[test]
fn views_are_read_row_by_row() {
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
fn a_program_beside_the_weights_is_refused_with_a_way_out() {
    for (file, says, hint) in [
        ("torchscript.pt", "is a TorchScript archive", "torch.jit.load"),
        ("module.pth", "asks Python to call __main__.Net: refused", "state_dict()"),
        ("compressed.pth", "compressed", "state_dict()"),
    ] {
        let error = StateDict::read(&fixture(file)).unwrap_err();
        assert_eq!(error.code, ErrorCode::Checkpoint);
        assert!(error.message.contains(says), "{error}");
        assert!(error.hint.unwrap().contains(hint));
        assert!(error.at.file.unwrap().ends_with(file));
    }
}

#[test]
fn a_resnet_20_of_somebody_elses_is_known() {
    let shared = std::env::var_os("RESIDUAL_TEST_DATA").map(PathBuf::from).unwrap_or_else(|| {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data")).to_path_buf()
    });
    let file = shared.join("resnet20-akamaster/resnet20-12fca82f.th");
    if !file.is_file() {
        return eprintln!("skipped: {} is not there", file.display());
    }
    let read = StateDict::read(&file).unwrap();
    let (target, network) = infer_arch(&read.tensors, &ModelConfig::default()).unwrap();
    assert_eq!(read.key_map, KeyMap::Akamaster);
    assert_eq!((network.name.as_str(), target.model.stem), ("resnet20", Stem::Cifar));
    assert_eq!((target.model.shortcut, target.classes), (Shortcut::A, 10));
}

#[test]
fn what_pytorch_saved_is_exported_and_is_then_a_checkpoint() {
    use residual_weights::{Checkpoint, ExportOptions, export_checkpoint, is_checkpoint};
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
