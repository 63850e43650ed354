//! Writes a network and its weights as an ONNX file, without libtorch.

mod graph;
mod proto;

use std::io::Write;
use std::path::Path;

use prost::Message;
use residual_fs::write_atomically;
use residual_spec::{Error, ErrorCode, Result};

use crate::export::Export;
use graph::GraphBuilder;

/// Operator set version, which all current runtimes support.
const OPSET: i64 = 17;
/// Version of the file format that matches the operator set.
const IR_VERSION: i64 = 8;
/// Maximum size of a protobuf message in bytes.
const MAX_MESSAGE_LEN: u64 = i32::MAX as u64;

/// Writes an ONNX file with the float32 input `images` `[batch, channels, size, size]` and the
/// float32 output `logits` (or `probabilities`) `[batch, classes]`.
///
/// # Errors
/// `E_USAGE` for a network of 2 GB or more; `E_MISMATCH` for weights that do not match the network;
/// `E_WRITE`.
pub(crate) fn write(export: &Export, path: &Path) -> Result<()> {
    let model = model(export)?;
    let bytes = model.encode_to_vec();
    write_atomically(path, |file| file.write_all(&bytes))
}

fn model(export: &Export) -> Result<proto::Model> {
    let elements: u64 = export.network.tensors().iter().map(|tensor| tensor.numel()).sum();
    check_size(4 * elements)?;
    let metadata_props = export
        .metadata()?
        .into_iter()
        .map(|(key, value)| proto::StringEntry { key: Some(key.into()), value: Some(value) })
        .collect();
    let model = proto::Model {
        ir_version: Some(IR_VERSION),
        producer_name: Some("residual".into()),
        producer_version: Some(env!("CARGO_PKG_VERSION").into()),
        graph: Some(GraphBuilder::new(export).build()?),
        opset_import: vec![proto::OperatorSet {
            domain: Some(String::new()),
            version: Some(OPSET),
        }],
        metadata_props,
    };
    check_size(model.encoded_len() as u64)?;
    Ok(model)
}

fn check_size(bytes: u64) -> Result<()> {
    if bytes <= MAX_MESSAGE_LEN {
        return Ok(());
    }
    let gigabytes = bytes as f64 / 1e9;
    let message = format!("this network has {gigabytes:.1} GB, but an ONNX file has at most 2 GB");
    Err(Error::new(ErrorCode::Usage, message)
        .hint("Export it as .safetensors, which has no size limit."))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::checkpoint::Checkpoint;
    use crate::testing::checkpoint_of;
    use residual_spec::ExportOptions;

    /// Exports a network and decodes the file.
    fn export(arch: &str, size: u32, options: ExportOptions) -> proto::Model {
        export_checkpoint(&checkpoint_of(arch, size), options)
    }

    fn export_checkpoint(checkpoint: &Checkpoint, options: ExportOptions) -> proto::Model {
        let config = &checkpoint.config;
        let size = config.data.image_size;
        let network = residual_arch::build(&config.model, 3, size, 2).unwrap();
        let export = Export {
            network: &network,
            tensors: &checkpoint.tensors,
            config,
            data: &checkpoint.data,
            progress: &checkpoint.progress,
            options,
        };
        let bytes = model(&export).unwrap().encode_to_vec();
        proto::Model::decode(bytes.as_slice()).unwrap()
    }

    #[test]
    fn every_family_is_a_topologically_sorted_graph() {
        for (arch, size) in [
            ("resnet8", 8),
            ("resnet18", 64),
            ("resnet50", 32),
            ("preresnet20", 32),
            ("resnext50_32x4d", 32),
            ("plain20", 32),
            ("vgg11", 32),
            ("vgg11_bn", 64),
        ] {
            let graph = export(arch, size, ExportOptions::default()).graph.unwrap();
            let mut known: BTreeSet<String> =
                graph.initializer.iter().map(|tensor| tensor.name.clone().unwrap()).collect();
            assert_eq!(known.len(), graph.initializer.len(), "{arch}: duplicate initializer");
            known.insert("images".into());
            let mut used = BTreeSet::new();
            for node in &graph.node {
                for input in &node.input {
                    assert!(known.contains(input), "{arch}: {input} is used before it is defined");
                    used.insert(input.clone());
                }
                for output in &node.output {
                    assert!(known.insert(output.clone()), "{arch}: {output} is defined twice");
                }
            }
            assert!(known.contains("logits"), "{arch}");
            used.insert("logits".into());
            assert_eq!(used, known, "{arch}: a value is not used");
        }
    }

    #[test]
    fn the_batch_size_is_dynamic_and_the_classes_are_in_the_metadata() {
        let model = export("resnet8", 8, ExportOptions::default());
        let graph = model.graph.unwrap();
        let dims = |value: &proto::ValueInfo| -> Vec<proto::Size> {
            let shape = value.r#type.clone().unwrap().tensor_type.unwrap().shape.unwrap();
            shape.dim.into_iter().map(|dim| dim.size.unwrap()).collect()
        };
        let batch = proto::Size::Param("batch".into());
        let [three, eight] = [3, 8].map(proto::Size::Value);
        assert_eq!(dims(&graph.input[0]), [batch.clone(), three, eight.clone(), eight]);
        assert_eq!(dims(&graph.output[0]), [batch, proto::Size::Value(2)]);
        let metadata: BTreeMap<_, _> = model
            .metadata_props
            .into_iter()
            .map(|entry| (entry.key.unwrap(), entry.value.unwrap()))
            .collect();
        assert_eq!(metadata["classes"], r#"["ant","bee"]"#);
        assert!(metadata["mean"].starts_with('['), "{metadata:?}");
    }

    #[test]
    fn metadata_of_a_pixel_mean_network_has_no_channel_means() {
        let mut checkpoint = checkpoint_of("resnet8", 8);
        checkpoint.config.transform.pixel_mean = true;
        let entries = export_checkpoint(&checkpoint, ExportOptions::default()).metadata_props;
        let value = |key: &str| {
            let entry = entries.iter().find(|entry| entry.key.as_deref() == Some(key));
            entry.and_then(|entry| entry.value.clone())
        };
        assert_eq!(value("mean"), None);
        assert_eq!(value("pixelMean").as_deref(), Some("true"));
        assert!(value("std").is_some());
    }

    #[test]
    fn options_add_normalization_and_softmax() {
        let options = ExportOptions { softmax: true, normalization: true };
        let graph = export("resnet8", 8, options).graph.unwrap();
        let operators: Vec<_> =
            graph.node.iter().map(|node| node.op_type.as_deref().unwrap()).collect();
        assert_eq!(operators[..2], ["Sub", "Div"]);
        assert_eq!(operators.last(), Some(&"Softmax"));
        assert_eq!(graph.output[0].name.as_deref(), Some("probabilities"));
    }

    #[test]
    fn rejects_networks_beyond_the_protobuf_limit_with_a_hint() {
        assert!(check_size(MAX_MESSAGE_LEN).is_ok());
        let error = check_size(MAX_MESSAGE_LEN + 1).unwrap_err();
        assert_eq!(error.code, ErrorCode::Usage);
        assert!(error.hint.unwrap().contains(".safetensors"));
    }
}
