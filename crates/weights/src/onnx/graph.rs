//! Translates the layers of a network to ONNX nodes.
//!
//! Batch norms are not folded, so that the initializers are the network's own tensors; runtimes
//! fold them when they load the file.

use residual_arch::{BatchNorm2d, Block, ConvUnit, Layer, Linear, MaxPool2d, ShortcutPath};
use residual_spec::Result;

use super::proto::{
    Attribute, AttributeType, DataType, Dimension, Graph, Node, Shape, Size, TensorData,
    TensorType, Type, ValueInfo,
};
use crate::PIXEL_MEAN;
use crate::export::Export;

/// Builds the graph in execution order. Methods return the name of the value that they produce.
pub(super) struct GraphBuilder<'a> {
    export: &'a Export<'a>,
    nodes: Vec<Node>,
    tensors: Vec<TensorData>,
}

type Name = String;

impl<'a> GraphBuilder<'a> {
    pub fn new(export: &'a Export<'a>) -> Self {
        GraphBuilder { export, nodes: Vec::new(), tensors: Vec::new() }
    }

    pub fn build(mut self) -> Result<Graph> {
        let network = self.export.network;
        let mut x = "images".to_string();
        if self.export.options.normalization {
            x = self.normalization(x)?;
        }
        for layer in &network.features {
            x = match layer {
                Layer::Conv(unit) => self.unit(unit, x)?,
                Layer::NormRelu(norm) => self.norm_relu(norm, x)?,
                Layer::MaxPool(pool) => self.max_pool(pool, x),
                Layer::Block(block) => self.block(block, x)?,
            };
        }
        let pool = &network.pool;
        x = self.adaptive_avg_pool(
            &pool.name,
            network.feature_size(network.image_size),
            pool.size,
            x,
        );
        x = self.node("Flatten", "flatten", vec![x], vec![int("axis", 1)]);
        for hidden in &network.hidden {
            x = self.linear(&hidden.linear, x)?;
            x = self.relu(&hidden.linear.name, x);
        }
        x = self.linear(&network.head, x)?;
        let output = if self.export.options.softmax {
            x = self.node("Softmax", "softmax", vec![x], vec![int("axis", 1)]);
            "probabilities"
        } else {
            "logits"
        };
        // The last value gets the documented name of the output.
        let last = self.nodes.last_mut().expect("a network has layers");
        debug_assert_eq!(last.output, [x]);
        last.output = vec![output.into()];

        let size = i64::from(network.image_size);
        let input = value_info("images", &[i64::from(network.channels), size, size]);
        let output = value_info(output, &[i64::from(network.classes())]);
        Ok(Graph {
            node: self.nodes,
            name: Some(network.name.clone()),
            initializer: self.tensors,
            input: vec![input],
            output: vec![output],
        })
    }

    /// Adds a node with one output of the same name.
    fn node(
        &mut self,
        operator: &str,
        name: &str,
        input: Vec<Name>,
        attribute: Vec<Attribute>,
    ) -> Name {
        let output = format!("{name}/{operator}");
        self.nodes.push(Node {
            input,
            output: vec![output.clone()],
            name: Some(output.clone()),
            op_type: Some(operator.into()),
            attribute,
        });
        output
    }

    /// Adds a tensor of the network as an initializer.
    fn weight(&mut self, name: String) -> Result<Name> {
        let (shape, values) = self.export.tensor_f32(&name)?;
        Ok(self.floats(name, shape.iter().map(|&n| n as i64).collect(), &values))
    }

    fn floats(&mut self, name: String, dims: Vec<i64>, values: &[f32]) -> Name {
        self.tensors.push(TensorData {
            dims,
            data_type: Some(DataType::Float.into()),
            name: Some(name.clone()),
            raw_data: Some(values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        });
        name
    }

    fn ints(&mut self, name: String, values: &[i64]) -> Name {
        self.tensors.push(TensorData {
            dims: vec![values.len() as i64],
            data_type: Some(DataType::Int64.into()),
            name: Some(name.clone()),
            raw_data: Some(values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        });
        name
    }

    /// Adds `(x - mean) / std` for pixels from 0 to 1; `mean` is an image if the network has a
    /// pixel mean.
    fn normalization(&mut self, x: Name) -> Result<Name> {
        let export = self.export;
        let transform = &export.config.transform;
        let [mean, std] = [&transform.mean, &transform.std]
            .map(|values| values.iter().map(|&value| value as f32).collect::<Vec<f32>>());
        let dims = vec![1, std.len() as i64, 1, 1];
        let mean = if transform.pixel_mean {
            self.weight(PIXEL_MEAN.into())?
        } else {
            self.floats("normalization.mean".into(), dims.clone(), &mean)
        };
        let std = self.floats("normalization.std".into(), dims, &std);
        let x = self.node("Sub", "normalization", vec![x, mean], vec![]);
        Ok(self.node("Div", "normalization", vec![x, std], vec![]))
    }

    fn unit(&mut self, unit: &ConvUnit, x: Name) -> Result<Name> {
        let x = self.unit_without_relu(unit, x)?;
        Ok(if unit.relu { self.relu(&unit.conv.name, x) } else { x })
    }

    fn unit_without_relu(&mut self, unit: &ConvUnit, x: Name) -> Result<Name> {
        let conv = &unit.conv;
        let mut input = vec![x, self.weight(format!("{}.weight", conv.name))?];
        if conv.bias {
            input.push(self.weight(format!("{}.bias", conv.name))?);
        }
        let attributes = vec![
            ints("kernel_shape", vec![conv.kernel.into(); 2]),
            ints("strides", vec![conv.stride.into(); 2]),
            ints("pads", vec![conv.padding.into(); 4]),
            int("group", conv.groups.into()),
        ];
        let x = self.node("Conv", &conv.name, input, attributes);
        match &unit.norm {
            Some(norm) => self.norm(norm, x),
            None => Ok(x),
        }
    }

    fn norm(&mut self, norm: &BatchNorm2d, x: Name) -> Result<Name> {
        let mut input = vec![x];
        for part in ["weight", "bias", "running_mean", "running_var"] {
            input.push(self.weight(format!("{}.{part}", norm.name))?);
        }
        let epsilon = float("epsilon", BatchNorm2d::EPS as f32);
        Ok(self.node("BatchNormalization", &norm.name, input, vec![epsilon]))
    }

    fn norm_relu(&mut self, norm: &BatchNorm2d, x: Name) -> Result<Name> {
        let x = self.norm(norm, x)?;
        Ok(self.relu(&norm.name, x))
    }

    fn relu(&mut self, name: &str, x: Name) -> Name {
        self.node("Relu", name, vec![x], vec![])
    }

    fn max_pool(&mut self, pool: &MaxPool2d, x: Name) -> Name {
        let attributes = vec![
            ints("kernel_shape", vec![pool.kernel.into(); 2]),
            ints("strides", vec![pool.stride.into(); 2]),
            ints("pads", vec![pool.padding.into(); 4]),
        ];
        self.node("MaxPool", &pool.name, vec![x], attributes)
    }

    fn block(&mut self, block: &Block, x: Name) -> Result<Name> {
        let activated = match &block.activation {
            Some(norm) => self.norm_relu(norm, x.clone())?,
            None => x.clone(),
        };
        let shortcut = match &block.shortcut {
            ShortcutPath::None => None,
            ShortcutPath::Identity => Some(x),
            ShortcutPath::Projection(unit) => Some(self.unit(unit, activated.clone())?),
            ShortcutPath::Pad { stride, pad } => {
                Some(self.pad(&block.name, *stride, *pad, activated.clone()))
            }
        };
        let mut y = activated;
        for (index, unit) in block.branch.iter().enumerate() {
            let is_last = index + 1 == block.branch.len();
            y = if is_last { self.unit_without_relu(unit, y)? } else { self.unit(unit, y)? };
        }
        if let Some(shortcut) = shortcut {
            y = self.node("Add", &block.name, vec![y, shortcut], vec![]);
        }
        Ok(if block.relu { self.relu(&block.name, y) } else { y })
    }

    /// Adds an option A shortcut: every `stride`-th pixel, with `pad` zero channels on both sides.
    fn pad(&mut self, block: &str, stride: u32, pad: u32, x: Name) -> Name {
        let name = format!("{block}.shortcut");
        let mut input = vec![x];
        for (part, values) in [
            ("starts", [0; 2]),
            ("ends", [i64::MAX; 2]),
            ("axes", [2, 3]),
            ("steps", [stride.into(); 2]),
        ] {
            input.push(self.ints(format!("{name}.{part}"), &values));
        }
        let x = self.node("Slice", &name, input, vec![]);
        let pad = i64::from(pad);
        let pads = self.ints(format!("{name}.pads"), &[0, pad, 0, 0, 0, pad, 0, 0]);
        self.node("Pad", &name, vec![x, pads], vec![])
    }

    /// Adds PyTorch's adaptive average pooling from `from` x `from` to `to` x `to` pixels. ONNX has an
    /// operator for `to == 1` only; other sizes are two matrix products, for rows and columns.
    fn adaptive_avg_pool(&mut self, name: &str, from: u32, to: u32, x: Name) -> Name {
        if to == 1 {
            return self.node("GlobalAveragePool", name, vec![x], vec![]);
        }
        if from == to {
            return x;
        }
        let rows = pooling_matrix(from as usize, to as usize);
        let (from, to) = (from as usize, to as usize);
        let columns: Vec<f32> =
            (0..from * to).map(|index| rows[(index % to) * from + index / to]).collect();
        let shape = [to as i64, from as i64];
        let rows = self.floats(format!("{name}.rows"), shape.to_vec(), &rows);
        let columns = self.floats(format!("{name}.columns"), vec![shape[1], shape[0]], &columns);
        let x = self.node("MatMul", &format!("{name}.rows"), vec![rows, x], vec![]);
        self.node("MatMul", &format!("{name}.columns"), vec![x, columns], vec![])
    }

    fn linear(&mut self, linear: &Linear, x: Name) -> Result<Name> {
        let weight = self.weight(format!("{}.weight", linear.name))?;
        let bias = self.weight(format!("{}.bias", linear.name))?;
        Ok(self.node("Gemm", &linear.name, vec![x, weight, bias], vec![int("transB", 1)]))
    }
}

/// Returns the matrix `[to, from]` of adaptive average pooling: row i averages the inputs from
/// `floor(i * from / to)` to `ceil((i + 1) * from / to)`, as in PyTorch.
fn pooling_matrix(from: usize, to: usize) -> Vec<f32> {
    let mut matrix = vec![0.0; to * from];
    for row in 0..to {
        let (start, end) = (row * from / to, ((row + 1) * from).div_ceil(to));
        matrix[row * from + start..row * from + end].fill(1.0 / (end - start) as f32);
    }
    matrix
}

fn int(name: &str, value: i64) -> Attribute {
    Attribute {
        name: Some(name.into()),
        i: Some(value),
        r#type: Some(AttributeType::Int.into()),
        ..Attribute::default()
    }
}

fn ints(name: &str, values: Vec<i64>) -> Attribute {
    Attribute {
        name: Some(name.into()),
        ints: values,
        r#type: Some(AttributeType::Ints.into()),
        ..Attribute::default()
    }
}

fn float(name: &str, value: f32) -> Attribute {
    Attribute {
        name: Some(name.into()),
        f: Some(value),
        r#type: Some(AttributeType::Float.into()),
        ..Attribute::default()
    }
}

/// Describes a float32 input or output `[batch, ...]`.
fn value_info(name: &str, sizes: &[i64]) -> ValueInfo {
    let batch = Size::Param("batch".into());
    let sizes = std::iter::once(batch).chain(sizes.iter().map(|&size| Size::Value(size)));
    let dim = sizes.map(|size| Dimension { size: Some(size) }).collect();
    let tensor_type =
        TensorType { elem_type: Some(DataType::Float.into()), shape: Some(Shape { dim }) };
    ValueInfo { name: Some(name.into()), r#type: Some(Type { tensor_type: Some(tensor_type) }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pooling_matrix_has_the_windows_of_pytorch() {
        assert_eq!(pooling_matrix(4, 2), [0.5, 0.5, 0.0, 0.0, 0.0, 0.0, 0.5, 0.5]);
        // Windows overlap if `to` does not divide `from`, and repeat if `to` is larger.
        let third = 1.0 / 3.0;
        assert_eq!(
            pooling_matrix(5, 2),
            [third, third, third, 0.0, 0.0, 0.0, 0.0, third, third, third]
        );
        assert_eq!(pooling_matrix(1, 7), [1.0; 7]);
    }
}
