//! Runs with initial weights: from another run, from PyTorch.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use residual_runtime::{Control, Entry, Session};
use residual_spec::{ErrorCode, ExportOptions, LoadConfig, Result, RunEvent, TrainResult};
use residual_weights::{Checkpoint, DType, StateDict, Tensor};
use serde_json::{Value, json};

/// Writes gray 8 x 8 images with a different brightness for each class.
fn data_set(folder: &Path, classes: u32) {
    std::fs::create_dir_all(folder).unwrap();
    for (part, count) in [("train", 48_u32), ("t10k", 12)] {
        let header = |kind: u8, sizes: &[u32]| {
            let mut bytes = vec![0, 0, 8, kind];
            bytes.extend(sizes.iter().flat_map(|size| size.to_be_bytes()));
            bytes
        };
        let mut images = header(3, &[count, 8, 8]);
        let mut labels = header(1, &[count]);
        for image in 0..count {
            let class = image % classes;
            labels.push(class as u8);
            images.extend((0..64).map(|pixel| (class * 60 + (image * 7 + pixel) % 13) as u8));
        }
        for (name, bytes) in [("images-idx3", images), ("labels-idx1", labels)] {
            let path = folder.join(format!("{part}-{name}-ubyte"));
            std::fs::File::create(path).unwrap().write_all(&bytes).unwrap();
        }
    }
}

fn run(config: &Value) -> (Result<TrainResult>, Vec<RunEvent>) {
    let control = Arc::new(Control::new(|| {}));
    let mut events = Vec::new();
    let mut read = |control: &Control| {
        for entry in control.drain() {
            if let Entry::Event { seq, event } = entry {
                control.acknowledge(seq);
                events.push(*event);
            }
        }
    };
    let result = residual_train::train(config, None, &control, &mut || read(&control));
    read(&control);
    (result, events)
}

struct TestFolder(tempfile::TempDir);

impl TestFolder {
    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    /// One step with a learning rate that changes nothing.
    fn config(&self, out: &str, classes: u32, model: Value) -> Value {
        let data = self.path(&format!("data{classes}"));
        data_set(Path::new(&data), classes);
        json!({
            "data": data, "model": model, "budget": { "steps": 1 }, "batchSize": 16,
            "optimizer": { "lr": 1e-30 }, "precision": "fp32", "threads": 1, "workers": 1,
            "out": self.path(out),
        })
    }
}

fn test_folder() -> TestFolder {
    TestFolder(tempfile::tempdir().unwrap())
}

fn fixture(name: &str) -> String {
    format!("{}/../weights/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn a_run_starts_from_the_weights_of_another_run_with_a_new_head() {
    let folder = test_folder();
    let first = run(&folder.config("first", 3, json!({ "arch": "resnet14", "shortcut": "B" }))).0;
    let first = first.unwrap();
    let (second, events) = run(&folder.config("second", 2, json!({ "weights": first.dir })));
    let second = second.unwrap();

    let warnings = events.iter().filter_map(|event| match event {
        RunEvent::Warning(warning) => Some(warning.message.as_str()),
        _ => None,
    });
    assert_eq!(
        warnings.collect::<Vec<_>>(),
        ["the classifier head is initialized at random: 3 -> 2 classes"]
    );
    let [old, new] = [&first, &second].map(|run| Checkpoint::read(Path::new(&run.last)).unwrap());
    // The network and the normalization follow from the weights.
    assert_eq!(new.config.model.arch, "resnet14");
    assert_eq!(new.config.model.shortcut, old.config.model.shortcut);
    assert_eq!(new.config.transform.mean, old.config.transform.mean);
    assert!(new.config.reasons["model.arch"].contains("as in"));
    assert_eq!(new.config.model.weights_sha256.as_ref().unwrap().len(), 64);
    for name in ["conv1.weight", "layer3.1.conv2.weight", "layer2.0.downsample.0.weight"] {
        assert_eq!(new.tensors[name], old.tensors[name], "{name}");
    }
    assert_eq!(new.tensors["fc.weight"].shape, [2, 64]);

    // A run from its config.json has the same weights, and refuses another file.
    let text = std::fs::read_to_string(Path::new(&second.dir).join("config.json")).unwrap();
    let mut again: Value = serde_json::from_str(&text).unwrap();
    again["out"] = json!(folder.path("again"));
    let third = run(&again).0.unwrap();
    let third = Checkpoint::read(Path::new(&third.last)).unwrap();
    assert_eq!(third.tensors, new.tensors);
    again["model"]["weightsSha256"] = json!("00");
    again["out"] = json!(folder.path("never"));
    let error = run(&again).0.unwrap_err();
    assert_eq!(error.code, ErrorCode::Mismatch);
    assert_eq!(error.at.key.as_deref(), Some("model.weightsSha256"));
}

/// Writes a file that contains weights only, as timm publishes them.
fn write_safetensors(path: &str, tensors: &BTreeMap<String, Tensor>) {
    let (mut header, mut bytes) = (serde_json::Map::new(), Vec::new());
    for (name, tensor) in tensors {
        let offsets = [bytes.len(), bytes.len() + tensor.bytes.len()];
        let entry = json!({ "dtype": "F32", "shape": tensor.shape, "data_offsets": offsets });
        header.insert(name.clone(), entry);
        bytes.extend(&tensor.bytes);
    }
    let header = serde_json::to_vec(&header).unwrap();
    let file = [&(header.len() as u64).to_le_bytes()[..], &header, &bytes].concat();
    std::fs::write(path, file).unwrap();
}

#[test]
fn weights_without_a_head_get_one_for_the_classes_of_the_data() {
    let folder = test_folder();
    let first = run(&folder.config("first", 3, json!("resnet8"))).0.unwrap();
    let mut backbone = Checkpoint::read(Path::new(&first.last)).unwrap().tensors;
    backbone.retain(|name, tensor| {
        tensor.dtype == DType::F32 && !name.starts_with("fc.") && !name.starts_with("optimizer.")
    });
    let file = folder.path("backbone.safetensors");
    write_safetensors(&file, &backbone);

    for (out, model) in [
        ("found", json!({ "weights": file })),
        ("named", json!({ "weights": file, "arch": "resnet8" })),
    ] {
        let (result, events) = run(&folder.config(out, 2, model));
        let started = Checkpoint::read(Path::new(&result.unwrap().last)).unwrap();
        let has_warning = events.iter().any(|event| match event {
            RunEvent::Warning(warning) => warning.message.ends_with("the weights have no head"),
            _ => false,
        });
        assert!(has_warning, "{out}");
        assert_eq!(started.config.model.arch, "resnet8");
        assert_eq!(started.tensors["fc.weight"].shape, [2, 64]);
        let name = "layer3.0.conv2.weight";
        assert_eq!(started.tensors[name], backbone[name]);
    }

    // Without a head, the file cannot be used for predictions.
    let error = Session::open(Path::new(&file), &LoadConfig::default()).err().unwrap();
    assert_eq!(error.code, ErrorCode::Mismatch);
    assert!(error.message.ends_with("head (`fc.weight`, `fc.bias`) is missing"), "{error}");
}

#[test]
fn weights_that_are_not_finite_are_refused_with_the_name_of_the_tensor() {
    let folder = test_folder();
    let first = run(&folder.config("first", 2, json!("resnet8"))).0.unwrap();
    let valid = Checkpoint::read(Path::new(&first.last)).unwrap();
    let path = folder.path("invalid.safetensors");
    for (name, value) in [
        ("conv1.weight", f32::NAN),
        ("layer1.0.bn1.running_mean", f32::INFINITY),
        ("layer2.0.bn2.running_var", f32::NAN),
        ("layer2.0.bn2.running_var", -1.0),
        ("layer3.0.bn1.weight", f32::NEG_INFINITY),
        ("fc.bias", f32::NAN),
    ] {
        let mut invalid = valid.clone();
        let bytes = &mut invalid.tensors.get_mut(name).unwrap().bytes;
        bytes[4..8].copy_from_slice(&value.to_le_bytes());
        invalid.write(Path::new(&path)).unwrap();
        let error = Session::open(Path::new(&path), &LoadConfig::default()).err().unwrap();
        assert_eq!(error.code, ErrorCode::Checkpoint, "{name}");
        assert!(error.message.contains(name) && error.at.file.is_some(), "{error}");
        let config = folder.config("never", 2, json!({ "weights": path }));
        // A run with other classes does not use the head.
        match run(&config).0 {
            Ok(_) => assert!(name.starts_with("fc."), "{name}"),
            Err(error) => assert!(error.message.contains(name), "{error}"),
        }
    }
}

#[test]
fn a_run_with_initial_weights_resumes_without_them() {
    let folder = test_folder();
    let first = run(&folder.config("first", 2, json!({ "weights": fixture("zip.pth") })));
    let dir = first.0.unwrap().dir;
    let resumed = run(&json!({ "resume": dir, "budget": { "steps": 2 } })).0.unwrap();
    assert_eq!(resumed.steps, 2);
    assert_eq!(resumed.dir, dir);
}

#[test]
fn a_run_starts_from_pytorch_files() {
    let folder = test_folder();
    for (out, file) in [("a", "zip.pth"), ("b", "notebook.pth"), ("c", "expected.safetensors")] {
        let (result, _) = run(&folder.config(out, 2, json!({ "weights": fixture(file) })));
        let trained = Checkpoint::read(Path::new(&result.unwrap().last)).unwrap();
        assert_eq!(trained.config.model.arch, "resnet8");
        let saved = StateDict::read(Path::new(&fixture(file))).unwrap();
        assert_eq!(trained.tensors["conv1.weight"].shape, saved.tensors["conv1.weight"].shape);
        // fp16 in the file, fp32 in the run.
        let half = |bytes: &[u8]| f32::from(bytes[1] & 0x80) + f32::from(bytes[0]);
        assert!(saved.tensors["bn1.bias"].bytes.chunks(2).map(half).all(f32::is_finite));
    }
}

#[test]
fn a_frozen_backbone_is_unchanged_while_the_new_head_trains() {
    let folder = test_folder();
    let model = json!({ "weights": fixture("zip.pth"), "freeze": ["backbone"] });
    let mut config = folder.config("still", 2, model);
    let still = run(&config).0.unwrap();
    config["optimizer"] = json!({ "lr": 0.1 });
    config["out"] = json!(folder.path("moved"));
    let moved = run(&config).0.unwrap();
    let [still, moved] = [still, moved].map(|run| Checkpoint::read(Path::new(&run.last)).unwrap());
    for (name, tensor) in still.tensors.iter().filter(|(name, _)| !name.starts_with("optimizer.")) {
        assert_eq!(tensor == &moved.tensors[name], !name.starts_with("fc."), "{name}");
    }
}

#[test]
fn weights_of_another_network_are_refused_before_anything_is_written() {
    let folder = test_folder();
    for (model, message) in [
        (json!({ "arch": "resnet14" }), "missing keys: layer1.1.conv1.weight"),
        (
            json!({ "stem": "imagenet" }),
            "`conv1.weight` has shape [16, 1, 3, 3], expected [16, 1, 7, 7]",
        ),
        (
            json!({ "arch": "resnet8", "shortcut": "A" }),
            "unexpected keys: layer2.0.downsample.0.weight",
        ),
    ] {
        let mut model = model;
        model["weights"] = json!(fixture("zip.pth"));
        let error = run(&folder.config("out", 2, model)).0.unwrap_err();
        assert_eq!(error.code, ErrorCode::Mismatch);
        assert!(error.message.contains(message), "{message}: {error}");
        assert!(!Path::new(&folder.path("out")).exists());
    }
    let missing = folder.config("out", 2, json!({ "weights": "no/such.pth" }));
    let error = run(&missing).0.unwrap_err();
    assert_eq!(
        (error.code, error.at.key.as_deref()),
        (ErrorCode::Checkpoint, Some("model.weights"))
    );
}

#[test]
fn missing_published_weights_name_the_path_to_put_them() {
    let folder = test_folder();
    residual_weights::set_weights_folder(folder.path("cache"));
    let config = folder.config("out", 2, json!({ "arch": "resnet18", "weights": "imagenet" }));
    let error = run(&config).0.unwrap_err();
    assert_eq!(error.code, ErrorCode::Checkpoint);
    let path = Path::new(&folder.path("cache")).join("resnet18-f37072fd.pth");
    assert!(error.hint.unwrap().contains(path.to_str().unwrap()));
}

#[test]
fn missing_metadata_of_weights_is_assumed_and_can_be_set() {
    let folder = test_folder();
    let path = fixture("zip.pth");
    let model = Session::open(Path::new(&path), &LoadConfig::default()).unwrap();
    assert_eq!(model.info().classes, ["class 0", "class 1", "class 2", "class 3"]);
    assert_eq!((model.info().image_size, model.info().channels), (32, 1));
    assert_eq!(model.info().assumed.len(), 4, "{:?}", model.info().assumed);

    let names = ["a", "b", "c", "d"].map(String::from).to_vec();
    let options = LoadConfig { classes: Some(names), image_size: Some(8), ..LoadConfig::default() };
    let model = Session::open(Path::new(&path), &options).unwrap();
    assert_eq!((model.info().classes[3].as_str(), model.info().image_size), ("d", 8));

    // An export contains the metadata.
    let exported = folder.path("exported.safetensors");
    model.export(Path::new(&exported), ExportOptions::default()).unwrap();
    let again = Session::open(Path::new(&exported), &LoadConfig::default()).unwrap();
    assert_eq!((&again.info().classes, again.info().image_size), (&model.info().classes, 8));
    assert!(again.info().assumed.is_empty());

    let two = LoadConfig { classes: Some(vec!["a".into()]), ..LoadConfig::default() };
    let error = Session::open(Path::new(&path), &two).err().unwrap();
    assert_eq!(error.at.key.as_deref(), Some("classes"));

    let run = run(&folder.config("run", 3, json!("resnet8"))).0.unwrap();
    let error = Session::open(Path::new(&run.dir), &options).err().unwrap();
    assert!(error.message.contains("contains its own `classes`"), "{error}");
}
