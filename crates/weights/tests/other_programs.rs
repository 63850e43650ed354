//! Checkpoints as other programs write them: the same network behind any prefix and beside any other
//! object gives the same tensors, and what is ignored is named.

use std::collections::BTreeMap;
use std::path::Path;

use residual_spec::{ErrorCode, LoadConfig, MachineInfo, ModelConfig, Result};
use residual_weights::{
    DType, ExternalWeights, KeyMap, StateDict, Tensor, adapt_state_dict, check_finite,
    infer_backbone_arch, inspect_checkpoint,
};

/// Names and shapes of a state_dict, in the order of a file.
type Shapes = Vec<(String, Vec<usize>)>;

/// Returns a ResNet-8 for 5 classes with torchvision's names.
fn resnet8() -> Shapes {
    let mut shapes = Shapes::new();
    let mut unit = |conv: &str, norm: &str, shape: [usize; 4]| {
        shapes.push((format!("{conv}.weight"), shape.to_vec()));
        for part in ["weight", "bias", "running_mean", "running_var"] {
            shapes.push((format!("{norm}.{part}"), vec![shape[0]]));
        }
    };
    unit("conv1", "bn1", [16, 3, 3, 3]);
    let mut channels = 16;
    for (stage, planes) in [(1, 16), (2, 32), (3, 64)] {
        let block = format!("layer{stage}.0");
        unit(&format!("{block}.conv1"), &format!("{block}.bn1"), [planes, channels, 3, 3]);
        unit(&format!("{block}.conv2"), &format!("{block}.bn2"), [planes, planes, 3, 3]);
        if planes != channels {
            let (conv, norm) = (format!("{block}.downsample.0"), format!("{block}.downsample.1"));
            unit(&conv, &norm, [planes, channels, 1, 1]);
        }
        channels = planes;
    }
    shapes.push(("fc.weight".into(), vec![5, 64]));
    shapes.push(("fc.bias".into(), vec![5]));
    shapes
}

/// Returns `shapes` with `prefix` before every name.
fn prefixed(prefix: &str, shapes: Shapes) -> Shapes {
    shapes.into_iter().map(|(name, shape)| (format!("{prefix}{name}"), shape)).collect()
}

fn with(mut shapes: Shapes, name: &str, shape: &[usize]) -> Shapes {
    shapes.push((name.into(), shape.to_vec()));
    shapes
}

fn without(mut shapes: Shapes, start: &str) -> Shapes {
    shapes.retain(|(name, _)| !name.starts_with(start));
    shapes
}

/// Returns a pickled dict (protocol 0) of these tensors. All of them start at `offset` in one
/// storage.
fn dict(shapes: &Shapes, offset: usize) -> String {
    let tuple = |sizes: &[usize]| {
        let items: Vec<String> = sizes.iter().map(|size| format!("I{size}\n")).collect();
        format!("({}t", items.concat())
    };
    let entry = |(name, shape): &(String, Vec<usize>)| {
        let stride: Vec<usize> =
            (0..shape.len()).map(|at| shape[at + 1..].iter().product()).collect();
        format!(
            "V{name}\nctorch._utils\n_rebuild_tensor_v2\n((Vstorage\nctorch\nFloatStorage\nV0\nVcpu\n\
             I{STORAGE_LEN}\ntQI{offset}\n{}{}I00\n(dtRs",
            tuple(shape),
            tuple(&stride),
        )
    };
    format!("(d{}", shapes.iter().map(entry).collect::<String>())
}

/// Number of elements of the storage.
const STORAGE_LEN: usize = 40_000;

/// Returns an archive of `torch.save` with this pickle. Element `n` of the storage is `n`.
fn archive(pickle: &str) -> Vec<u8> {
    let data: Vec<u8> = (0..STORAGE_LEN).flat_map(|n| (n as f32).to_le_bytes()).collect();
    zip(&[("x/data.pkl", format!("{pickle}.").as_bytes()), ("x/data/0", &data)])
}

fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in entries {
        let header = (file.len() as u32).to_le_bytes();
        let size = (bytes.len() as u32).to_le_bytes();
        let length = (name.len() as u16).to_le_bytes();
        let start = [&[0; 12][..], &size, &size, &length, &[0; 2]].concat();
        file.extend([b"PK\x03\x04", &[0; 2][..], &start[..], name.as_bytes(), bytes].concat());
        directory.extend([b"PK\x01\x02", &[0; 4][..], &start[..], &[0; 10], &header].concat());
        directory.extend(name.as_bytes());
    }
    let (at, length) = (file.len() as u32, directory.len() as u32);
    let count = (entries.len() as u16).to_le_bytes();
    file.extend(directory);
    file.extend([b"PK\x05\x06", &[0; 4][..], &count, &count].concat());
    file.extend([length.to_le_bytes(), at.to_le_bytes()].concat());
    file.extend([0; 2]);
    file
}

/// Reads a file as weights for predictions.
fn read_model(file: &[u8]) -> Result<ExternalWeights> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.pth");
    std::fs::write(&path, file).unwrap();
    ExternalWeights::read(&path, &LoadConfig::default(), &MachineInfo::with_cores(1))
}

fn read(file: &[u8]) -> StateDict {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.pth");
    std::fs::write(&path, file).unwrap();
    StateDict::read(&path).unwrap()
}

/// Returns the tensors of [`resnet8`] in the archive.
fn expected(offset: usize) -> BTreeMap<String, Tensor> {
    let tensor = |shape: Vec<usize>| {
        let count: usize = shape.iter().product();
        let bytes = (offset..offset + count).flat_map(|n| (n as f32).to_le_bytes()).collect();
        Tensor { dtype: DType::F32, shape, bytes }
    };
    resnet8().into_iter().map(|(name, shape)| (name, tensor(shape))).collect()
}

/// Checks that a pickle is read as [`resnet8`], with these warnings.
fn assert_read(pickle: &str, offset: usize, warnings: &[&str]) {
    let model =
        read_model(&archive(pickle)).unwrap_or_else(|error| panic!("{error}: {pickle:.300}"));
    assert!(model.tensors == expected(offset), "{pickle:.300}");
    assert_eq!(model.config.model.arch, "resnet8");
    assert_eq!(model.data.classes.len(), 5);
    assert_eq!(model.warnings, warnings, "{pickle:.300}");
}

#[test]
fn reads_a_network_behind_any_prefix() {
    for prefix in [
        "",
        "module.",
        "_orig_mod.module.",
        "resnet.",
        "encoder.",
        "cnn.",
        "base_model.",
        "feature_extractor.",
        "_fsdp_wrapped_module.",
        "classifier.resnet.",
        "m.",
        "0.",
        "a.b.c.d.",
    ] {
        assert_read(&dict(&prefixed(prefix, resnet8()), 0), 0, &[]);
        let nested =
            format!("(dVstate\n(dVmodel\n{}sVepoch\nI3\nss", dict(&prefixed(prefix, resnet8()), 0));
        assert_read(&nested, 0, &[]);
    }
    // A count of averages without the prefix, as in torch.optim.swa_utils.AveragedModel.
    let averaged = with(prefixed("module.", resnet8()), "n_averaged", &[1]);
    let warning = "a tensor that the network does not have is ignored: `n_averaged`";
    assert_read(&dict(&averaged, 0), 0, &[warning]);
}

#[test]
fn reads_tuples_lists_and_unknown_keys() {
    let net = dict(&resnet8(), 0);
    let optimizer = "(dVstate\n(dI0\n(dVstep\nI1\nsssVparam_groups\n(ls";
    for pickle in [
        format!("({net}{optimizer}t"),
        format!("({net}l"),
        format!("(dVmy_best_model\n{net}sVepoch\nI3\nsVoptimizer\n{optimizer}s"),
        format!("(dVresnet\n{net}sVhead\n{}s", dict(&vec![("w".into(), vec![3])], 0)),
    ] {
        assert_read(&pickle, 0, &[]);
    }
}

#[test]
fn ignores_tensors_of_other_modules_and_names_them() {
    let thop = ["total_ops", "layer1.total_params", "layer1.0.conv1.total_ops", "fc.total_ops"];
    let thop = thop.iter().fold(resnet8(), |shapes, name| with(shapes, name, &[1]));
    assert_read(
        &dict(&thop, 0),
        0,
        &["4 tensors that the network does not have are ignored: `total_ops`, \
           `layer1.total_params`, `layer1.0.conv1.total_ops`, `fc.total_ops`"],
    );
    for (name, shape) in [
        ("normalize.mean", &[3, 1, 1][..]),
        ("aux.fc.weight", &[5, 64]),
        ("criterion.weight", &[5]),
        ("train_acc.tp", &[5]),
        ("projector.weight", &[128, 64]),
        ("queue", &[64, 100]),
    ] {
        let warning = format!("a tensor that the network does not have is ignored: `{name}`");
        assert_read(&dict(&with(resnet8(), name, shape), 0), 0, &[&warning]);
        let lightning = with(prefixed("model.", resnet8()), name, shape);
        assert_read(&format!("(dVstate_dict\n{}s", dict(&lightning, 0)), 0, &[&warning]);
    }
    let many = (0..100).fold(resnet8(), |shapes, n| with(shapes, &format!("extra{n:03}"), &[1]));
    let warnings = read_model(&archive(&dict(&many, 0))).unwrap().warnings;
    assert!(warnings[0].ends_with("`extra005` and 94 more"), "{warnings:?}");
}

#[test]
fn refuses_unknown_tensors_within_the_network() {
    for (name, shape) in [
        ("layer1.0.se.fc1.weight", &[4, 16][..]),
        ("conv1.bias", &[16]),
        ("layer3.0.bn3.weight", &[64]),
        ("bn2.weight", &[64]),
    ] {
        let error = read_model(&archive(&dict(&with(resnet8(), name, shape), 0))).err().unwrap();
        assert_eq!(error.code, ErrorCode::Mismatch);
        assert!(error.message.contains(name), "{error}");
    }
}

#[test]
fn finds_the_classification_head_under_other_names() {
    for (head, prefix) in [("fc.1", ""), ("head", "backbone."), ("classifier.1", "resnet.")] {
        let (weight, bias) = (format!("{head}.weight"), format!("{head}.bias"));
        let body = prefixed(prefix, without(resnet8(), "fc."));
        let net = with(with(body, &weight, &[5, 64]), &bias, &[5]);
        let warning = format!("`{head}` is used as the classification head");
        assert_read(&dict(&net, 0), 0, &[&warning]);
    }
}

#[test]
fn a_head_without_a_bias_gets_zeros() {
    let model = read_model(&archive(&dict(&without(resnet8(), "fc.bias"), 0))).unwrap();
    assert_eq!(model.warnings, ["the classification head `fc` has no bias; zeros are used"]);
    assert_eq!(model.tensors["fc.bias"].bytes, [0; 20]);
    assert_eq!(model.tensors["fc.weight"], expected(0)["fc.weight"]);
}

#[test]
fn an_unusable_head_is_dropped_for_training_and_explained_for_predictions() {
    let body = || without(resnet8(), "fc.");
    let hidden = with(with(body(), "fc.0.weight", &[32, 64]), "fc.2.weight", &[5, 32]);
    let followed = with(prefixed("0.", resnet8()), "1.weight", &[2, 5]);
    let narrow = with(body(), "fc.weight", &[5, 32]);
    for (shapes, reason) in [
        (hidden, "it also contains `fc.2.weight`"),
        (followed, "`0.fc` is followed by `1`"),
        (narrow, "`fc` has 32 inputs, but the network has 64 features"),
    ] {
        let file = archive(&dict(&shapes, 0));
        let error = read_model(&file).err().unwrap();
        assert_eq!(error.code, ErrorCode::Mismatch);
        assert!(error.message.contains(reason), "{error}");
        let state = read(&file);
        assert!(state.unusable_head.unwrap().contains(reason));
        let (_, network) = infer_backbone_arch(&state.tensors, &ModelConfig::default()).unwrap();
        let adapted = adapt_state_dict(&network, state.tensors, 1).unwrap();
        assert_eq!(adapted.new_head.unwrap().from, None);
        assert_eq!(adapted.tensors["conv1.weight"], expected(0)["conv1.weight"]);
    }
}

#[test]
fn prefers_moving_averages_and_names_the_network_that_is_used() {
    let (raw, ema) = (dict(&resnet8(), 7), dict(&resnet8(), 0));
    let used = |path: &str, other: &str| {
        format!(
            "the file has several networks: the moving average (EMA) of the weights in `{path}` is \
             used, not `{other}`"
        )
    };
    let timm = format!("(dVstate_dict\n{raw}sVepoch\nI3\nsVstate_dict_ema\n{ema}s");
    assert_read(&timm, 0, &[&used("state_dict_ema", "state_dict")]);
    let averaged = dict(&prefixed("module.", resnet8()), 0);
    let torchvision = format!("(dVmodel\n{raw}sVmodel_ema\n{averaged}s");
    assert_read(&torchvision, 0, &[&used("model_ema.module", "model")]);
    // An average without running statistics is not complete.
    let parameters: Shapes =
        resnet8().into_iter().filter(|(name, _)| !name.contains("running")).collect();
    let incomplete = format!("(dVmodel\n{raw}sVema\n{}s", dict(&parameters, 0));
    let warning = "the file has several networks: the weights in `model` are used, not `ema`";
    assert_read(&incomplete, 7, &[warning]);
}

#[test]
fn objects_beside_the_weights_are_ignored_and_never_executed() {
    let folder = tempfile::tempdir().unwrap();
    let marker = folder.path().join("executed");
    let touch = format!("cos\nsystem\n(Vtouch {}\ntR", marker.display());
    let net = dict(&resnet8(), 0);
    for object in [
        "cpathlib\nPosixPath\n(V/\nVtmp\ntR",
        "cargparse\nNamespace\n(tR(dVlr\nF0.1\nsb",
        "cfunctools\npartial\n(ctorch.optim.sgd\nSGD\ntR(ctorch.optim.sgd\nSGD\n(t(dVlr\nF0.1\nsNtb",
        "cdatetime\ndatetime\n(S'\\x07\\xe8\\x01\\x01\\x00'\ntR",
        "ctrain\nPhase\n(I1\ntR",
        "cnumpy.random._pickle\n__generator_ctor\n(VPCG64\ntR",
        "cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(Vf8\nI0\nI1\ntRS'abcdefgh'\ntR",
        "c__builtin__\ncomplex\n(F1.0\nF2.0\ntR",
        "ctorch\nComplexFloatStorage\n",
        "L123456789012345678901234567890123456789012345678901234567890L\n",
        touch.as_str(),
    ] {
        assert_read(&format!("(dVargs\n{object}sVmodel\n{net}s"), 0, &[]);
        // Among the tensors, as extra state.
        assert_read(&format!("{net}V_extra\n{object}s"), 0, &[]);
    }
    assert!(!marker.exists());
}

#[test]
fn refuses_an_object_in_place_of_a_tensor() {
    let rest = dict(&without(resnet8(), "fc.bias"), 0);
    for object in ["cos\nsystem\n(Vtrue\ntR", "cmain\nBias\n(tR(dVdevice\nVcpu\nsb"] {
        let pickle = format!("{rest}Vfc.bias\n{object}s");
        let message = read_model(&archive(&pickle)).err().unwrap().message;
        assert!(message.contains("`fc.bias`, not a tensor"), "{message}");
    }
}

#[test]
fn reads_weights_in_objects_and_whole_models() {
    // A subclass of dict with the weights, and an object with the weights as an attribute.
    let entries = dict(&resnet8(), 0).replacen("(d", "clightning\nAttributeDict\n(tR", 1);
    assert_read(&entries, 0, &[]);
    assert_read(&format!("cmain\nState\n(tR(dVmodel\n{}sb", dict(&resnet8(), 0)), 0, &[]);
    // Modules hold their parameters, buffers and children in their state.
    let module = |parameters: &Shapes, children: &str| {
        format!(
            "cmodels\nNet\n(tR(dV_parameters\n{}sV_buffers\n(dsV_modules\n(d{children}sb",
            dict(parameters, 0)
        )
    };
    let mut children: BTreeMap<String, Shapes> = BTreeMap::new();
    for (name, shape) in resnet8() {
        let (layer, part) = name.rsplit_once('.').unwrap();
        children.entry(layer.into()).or_default().push((part.into(), shape));
    }
    // The children are not nested here: their names contain dots.
    let children: String =
        children.iter().map(|(name, own)| format!("V{name}\n{}s", module(own, ""))).collect();
    let net = module(&Shapes::new(), &children);
    assert_read(&net, 0, &[]);
    assert_read(&format!("(dVmodel\n{net}sVepoch\nI3\ns"), 0, &[]);
}

#[test]
fn reads_the_names_of_transformers_and_of_numbered_children() {
    let rename = |name: &str| {
        let mut name = name
            .replace("fc.", "classifier.1.")
            .replace(".0.downsample.0.", ".0.shortcut.convolution.")
            .replace(".0.downsample.1.", ".0.shortcut.normalization.");
        for (old, new) in [
            (".conv1.", ".layer.0.convolution."),
            (".bn1.", ".layer.0.normalization."),
            (".conv2.", ".layer.1.convolution."),
            (".bn2.", ".layer.1.normalization."),
        ] {
            name = name.replace(old, new);
        }
        for stage in 1..4 {
            let old = format!("layer{stage}.0.");
            name = name.replace(&old, &format!("resnet.encoder.stages.{}.layers.0.", stage - 1));
        }
        let stem = [("conv1.", "convolution."), ("bn1.", "normalization.")];
        for (old, new) in stem {
            if let Some(part) = name.strip_prefix(old) {
                return format!("resnet.embedder.embedder.{new}{part}");
            }
        }
        name
    };
    let shapes: Shapes =
        resnet8().into_iter().map(|(name, shape)| (rename(&name), shape)).collect();
    let file = dict(&shapes, 0);
    assert_read(&file, 0, &[]);
    assert_eq!(read(&archive(&file)).key_map, KeyMap::Transformers);

    let number = |name: &str| {
        let (child, part) = name.split_once('.').unwrap();
        let children = ["conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3"];
        match children.iter().position(|known| *known == child) {
            Some(number) => format!("0.{number}.{part}"),
            None => format!("1.8.{part}"),
        }
    };
    let shapes: Shapes =
        resnet8().into_iter().map(|(name, shape)| (number(&name), shape)).collect();
    assert_read(&dict(&shapes, 0), 0, &["`1.8` is used as the classification head"]);
}

#[test]
fn reads_a_plain_pickle_of_arrays() {
    let array = |shape: &str, bytes: &str, order: &str| {
        format!(
            "cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n({shape}t\
             cnumpy\ndtype\n(Vf4\nI0\nI1\ntR(I3\nV{order}\nNNNI-1\nI-1\nI0\ntbI00\nS'{bytes}'\ntb"
        )
    };
    let little = array("I2\n", "\\x00\\x00\\x80?\\x00\\x00\\x00@", "<");
    let big = array("I2\n", "?\\x80\\x00\\x00@\\x00\\x00\\x00", ">");
    let state = read(format!("(dVa\n{little}sVb\n{big}s.").as_bytes());
    for name in ["a", "b"] {
        assert_eq!(state.tensors[name].to_f32().unwrap(), [1.0, 2.0]);
    }
}

#[test]
fn rejects_an_array_that_is_repeated_without_limit() {
    let array = format!(
        "cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I100000\nt\
         cnumpy\ndtype\n(Vu1\nI0\nI1\ntR(I3\nV|\nNNNI-1\nI-1\nI0\ntbI00\nS'{}'\ntb",
        "x".repeat(100_000)
    );
    let repeated: String = (0..100).map(|number| format!("Va{number}\ng0\ns")).collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.pth");
    std::fs::write(&path, format!("(dVa\n{array}p0\ns{repeated}.")).unwrap();
    let error = StateDict::read(&path).unwrap_err();
    assert_eq!(error.code, ErrorCode::Checkpoint);
    assert!(error.message.contains("much more tensor data than it contains"), "{error}");
}

#[test]
fn rejects_a_head_of_any_size_without_data() {
    let shapes = [
        ("conv1.weight", vec![16, 3, 3, 3]),
        ("layer1.0.conv1.weight", vec![0, 16, 3, 3]),
        ("fc.weight", vec![1 << 50, 0]),
    ];
    let shapes: Shapes =
        shapes.into_iter().map(|(name, shape)| (name.to_string(), shape)).collect();
    assert!(read_model(&archive(&dict(&shapes, 0))).is_err());
}

#[test]
fn weights_that_are_not_finite_are_named() {
    let mut file = archive(&dict(&resnet8(), 0));
    let at = file.windows(8).position(|window| window == [0, 0, 0, 0, 0, 0, 0x80, 0x3f]).unwrap();
    file[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    let model = read_model(&file).unwrap();
    let error = check_finite(&model.tensors).unwrap_err();
    assert_eq!(error.code, ErrorCode::Checkpoint);
    assert!(error.message.contains("1 NaN or infinite value of 16 in `bn1.bias`"), "{error}");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.pth");
    std::fs::write(&path, &file).unwrap();
    let inspection = inspect_checkpoint(&path, &LoadConfig::default()).unwrap();
    assert_eq!(inspection.checkpoint.unwrap().warnings, [error.message]);
    let out = folder.path().join("x.onnx");
    let exported = residual_weights::export_checkpoint(Path::new(&path), &out, Default::default());
    assert!(exported.unwrap_err().message.contains("bn1.bias"));
    assert!(!out.exists());
}
