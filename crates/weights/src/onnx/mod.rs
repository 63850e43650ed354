//! A network and its weights as an ONNX file, written from `arch` alone.

mod graph;
mod proto;

use std::path::Path;

use prost::Message;
use residual_fs::write_atomically;
use residual_spec::{Error, ErrorCode, Result};

use crate::export::Export;
use graph::Builder;

/// The operators' version: Debian 12's and every current runtime has it.
const OPSET: i64 = 17;
/// The format's version that came with it.
const IR_VERSION: i64 = 8;
/// What protobuf can hold in one message.
const LARGEST: u64 = i32::MAX as u64;

/// Writes the file: input `images` `[batch, channels, size, size]`, output `logits` (or
/// `probabilities`) `[batch, classes]`, float32.
///
/// # Errors
/// `E_USAGE` for a network of 2 GB or more; `E_MISMATCH` for weights that are not the network's;
/// `E_WRITE`.
pub(crate) fn write(export: &Export, path: &Path) -> Result<()> {
    let model = model(export)?;
    let bytes = model.encode_to_vec();
    write_atomically(path, |file| file.write_all(&bytes))
}

fn model(export: &Export) -> Result<proto::Model> {
    let numbers: u64 = export.network.tensors().iter().map(|tensor| tensor.elements()).sum();
    check_size(4 * numbers)?;
    let metadata_props = export
        .facts()?
        .into_iter()
        .map(|(key, value)| proto::StringEntry { key: Some(key.into()), value: Some(value) })
        .collect();
    let model = proto::Model {
        ir_version: Some(IR_VERSION),
        producer_name: Some("residual".into()),
        producer_version: Some(env!("CARGO_PKG_VERSION").into()),
        graph: Some(Builder::new(export).build()?),
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
    if bytes <= LARGEST {
        return Ok(());
    }
    let gigabytes = bytes as f64 / 1e9;
    let message = format!("an ONNX file holds 2 GB at most, and this network has {gigabytes:.1}");
    Err(Error::new(ErrorCode::Usage, message)
        .hint("Export it as .safetensors, which has no such limit."))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::checkpoint::Checkpoint;
    use crate::export::ExportOptions;
    use crate::testing::checkpoint_of;

    /// The file of a network with its initial weights, read back.
    fn exported(arch: &str, size: u32, options: ExportOptions) -> proto::Model {
        read_back(&checkpoint_of(arch, size), options)
    }

    fn read_back(checkpoint: &Checkpoint, options: ExportOptions) -> proto::Model {
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
    fn every_family_is_a_graph_whose_values_are_made_before_they_are_used() {
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
            let graph = exported(arch, size, ExportOptions::default()).graph.unwrap();
            let mut known: BTreeSet<String> =
                graph.initializer.iter().map(|tensor| tensor.name.clone().unwrap()).collect();
            assert_eq!(known.len(), graph.initializer.len(), "{arch}: a name stands twice");
            known.insert("images".into());
            let mut used = BTreeSet::new();
            for node in &graph.node {
                for input in &node.input {
                    assert!(known.contains(input), "{arch}: {input} is not there yet");
                    used.insert(input.clone());
                }
                for output in &node.output {
                    assert!(known.insert(output.clone()), "{arch}: {output} is made twice");
                }
            }
            assert!(known.contains("logits"), "{arch}");
            used.insert("logits".into());
            assert_eq!(used, known, "{arch}: something is made and not used");
        }
    }

    #[test]
    fn the_batch_may_have_any_size_and_the_classes_are_named() {
        let model = exported("resnet8", 8, ExportOptions::default());
        let graph = model.graph.unwrap();
        let dims = |value: &proto::ValueInfo| -> Vec<proto::Size> {
            let shape = value.r#type.clone().unwrap().tensor_type.unwrap().shape.unwrap();
            shape.dim.into_iter().map(|dim| dim.size.unwrap()).collect()
        };
        let batch = proto::Size::Param("batch".into());
        let [three, eight] = [3, 8].map(proto::Size::Value);
        assert_eq!(dims(&graph.input[0]), [batch.clone(), three, eight.clone(), eight]);
        assert_eq!(dims(&graph.output[0]), [batch, proto::Size::Value(2)]);
        let facts: BTreeMap<_, _> = model
            .metadata_props
            .into_iter()
            .map(|entry| (entry.key.unwrap(), entry.value.unwrap()))
            .collect();
        assert_eq!(facts["classes"], r#"["ant","bee"]"#);
        assert!(facts["mean"].starts_with('['), "{facts:?}");
    }

    #[test]
    fn a_network_that_subtracts_a_mean_image_names_no_constants_instead() {
        let mut checkpoint = checkpoint_of("resnet8", 8);
        checkpoint.config.transform.pixel_mean = true;
        let entries = read_back(&checkpoint, ExportOptions::default()).metadata_props;
        let said = |key: &str| {
            let entry = entries.iter().find(|entry| entry.key.as_deref() == Some(key));
            entry.and_then(|entry| entry.value.clone())
        };
        assert_eq!(said("mean"), None);
        assert_eq!(said("pixelMean").as_deref(), Some("true"));
        assert!(said("std").is_some());
    }

    #[test]
    fn softmax_and_normalisation_go_inside_on_request() {
        let options = ExportOptions { softmax: true, normalization: true };
        let graph = exported("resnet8", 8, options).graph.unwrap();
        let operators: Vec<_> =
            graph.node.iter().map(|node| node.op_type.as_deref().unwrap()).collect();
        assert_eq!(operators[..2], ["Sub", "Div"]);
        assert_eq!(operators.last(), Some(&"Softmax"));
        assert_eq!(graph.output[0].name.as_deref(), Some("probabilities"));
    }

    #[test]
    fn what_protobuf_cannot_hold_is_refused_with_another_way() {
        assert!(check_size(LARGEST).is_ok());
        let error = check_size(LARGEST + 1).unwrap_err();
        assert_eq!(error.code, ErrorCode::Usage);
        assert!(error.hint.unwrap().contains(".safetensors"));
    }
}
