//! Images that lie on the device as a whole, 8 bits a value. With a batch it is told where to cut, and
//! cuts, mirrors and normalises by itself, to the bit what a [`Pipeline`](residual_data::Pipeline)
//! makes of them: what bytes become is looked up, and of a mean image each number is subtracted once, so
//! that nothing could be rounded in another way. Nobody waits for it, and it asks for no number.

use std::sync::Arc;

use residual_data::{Batch, CropNormalize, CropWindow, Image, Source};
use residual_spec::{Error, ErrorCode, Result};
use residual_torch::{clear_out_of_memory, tensor_from_slice, torch_error};
use tch::{Kind, TchError, Tensor};

use crate::conv_norm_act::compute_kind;
use crate::{ComputeOptions, Model};

/// Images that set out for the device at once, in bytes.
const AT_ONCE: usize = 8 << 20;

/// All images of a source, on the device.
pub struct DeviceDataset {
    source: Arc<dyn Source>,
    compute: ComputeOptions,
    /// The network's, in pixels.
    size: i64,
    channels: i64,
    /// Black pixels on each side of every image.
    padding: i64,
    /// `[images * side * side, channels]` bytes, where a side is `size` with its padding.
    pixels: Tensor,
    /// `[2, size * size]`: how far each pixel of a window is from the upper left one, and of a window
    /// that is mirrored.
    steps: Tensor,
    /// `[channels * 256]`: what the bytes become.
    values: Tensor,
    /// `[channels]`: where the values of each begin.
    begins: Tensor,
    /// `[side * side, channels]`, 0 in the padding: what is subtracted.
    mean: Option<Tensor>,
}

impl DeviceDataset {
    /// Sends the images out; `None` where not all of them can be read at `size` by `size`.
    ///
    /// # Errors
    /// `E_MEMORY` where the device has no room for them; `E_ABORTED` once `cancelled` says so.
    pub fn new(
        source: &Arc<dyn Source>,
        compute: ComputeOptions,
        [size, channels]: [u32; 2],
        cuts: &CropNormalize,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Option<DeviceDataset>> {
        clear_out_of_memory();
        let padding = i64::from(cuts.padding);
        let frame = Frame { size: size.into(), channels: channels.into(), padding };
        let Some(pixels) = frame.pixels(source.as_ref(), compute, cancelled)? else {
            return Ok(None);
        };
        let device = compute.device();
        let kind = compute_kind(compute.precision);
        let mut values = tensor_from_slice(device, &cuts.values)?;
        let mean = match &cuts.mean {
            Some(mean) => Some(frame.mean(mean, compute)?),
            None => {
                // Nothing is computed with them: they are rounded once, and not in every batch.
                values = values.f_to_kind(kind).map_err(torch_error)?;
                None
            }
        };
        let begins: Vec<i32> = (0..channels as i32).map(|channel| 256 * channel).collect();
        Ok(Some(DeviceDataset {
            source: Arc::clone(source),
            compute,
            size: frame.size,
            channels: frame.channels,
            padding,
            pixels,
            steps: tensor_from_slice(device, &frame.steps())?
                .f_view([2, frame.size * frame.size])
                .map_err(torch_error)?,
            values,
            begins: tensor_from_slice(device, &begins)?,
            mean,
        }))
    }

    /// Whether these are its images.
    pub fn is_of(&self, source: &Arc<dyn Source>) -> bool {
        Arc::ptr_eq(&self.source, source)
    }

    /// As [`Model::input`] makes it of what a pipeline wrote: the images with these indices, cut at
    /// these windows.
    ///
    /// # Panics
    /// If a window leaves its image's padding, or there are not as many as indices.
    fn input(&self, indices: &[u32], windows: &[CropWindow]) -> Result<Tensor> {
        let cut = self.cut(indices, windows)?;
        self.compute.input(&cut)
    }

    /// `[n, size, size, channels]`.
    fn cut(&self, indices: &[u32], windows: &[CropWindow]) -> Result<Tensor> {
        assert_eq!(indices.len(), windows.len(), "a window for each image");
        let count = windows.len() as i64;
        let side = self.size + 2 * self.padding;
        let within = |window: &CropWindow| {
            let [left, top] = [window.left, window.top].map(|at| at + self.padding);
            assert!([left, top].iter().all(|at| (0..=2 * self.padding).contains(at)), "{window:?}");
            top * side + left
        };
        // Of each image: its window's first pixel among all images' pixels, and among its own;
        // and whether it is mirrored. One copy takes all.
        let first = |(&index, window)| i64::from(index) * side * side + within(window);
        let firsts = indices.iter().zip(windows).map(first);
        let flips = windows.iter().map(|window| i64::from(window.flip));
        let told: Vec<i64> = firsts.chain(flips).chain(windows.iter().map(within)).collect();
        let told = tensor_from_slice(self.compute.device(), &told)?;
        self.look_up(&told, count).map_err(torch_error)
    }

    fn look_up(&self, told: &Tensor, count: i64) -> std::result::Result<Tensor, TchError> {
        let of_each = |part: i64| told.f_narrow(0, part * count, count);
        let steps = self.steps.f_index_select(0, &of_each(1)?)?;
        let places = |first: Tensor| first.f_view([count, 1])?.f_add(&steps)?.f_view([-1]);
        let mut bytes =
            self.pixels.f_index_select(0, &places(of_each(0)?)?)?.f_to_kind(Kind::Int)?;
        if self.channels > 1 {
            bytes = bytes.f_add_(&self.begins)?;
        }
        let shape = [count, self.size, self.size, self.channels];
        let values = self.values.f_index_select(0, &bytes.f_view([-1])?)?.f_view(shape)?;
        match &self.mean {
            None => Ok(values),
            Some(mean) => {
                let mean = mean.f_index_select(0, &places(of_each(2)?)?)?.f_view(shape)?;
                values.f_sub(&mean)
            }
        }
    }
}

/// A batch as the network's input: cut out of images on the device where it says only where.
///
/// # Errors
/// `E_INTERNAL` for a batch of windows without the images.
pub fn model_input(model: &Model, images: Option<&DeviceDataset>, batch: &Batch) -> Result<Tensor> {
    match (&batch.windows, images) {
        (None, _) => model.input(&batch.images, batch.len()),
        (Some(windows), Some(images)) => images.input(&batch.indices, windows),
        (Some(_), None) => {
            Err(Error::new(ErrorCode::Internal, "a batch's images are not on the device"))
        }
    }
}

/// The network's size, and what is around each image.
struct Frame {
    size: i64,
    channels: i64,
    padding: i64,
}

impl Frame {
    fn side(&self) -> i64 {
        self.size + 2 * self.padding
    }

    /// All images, one after another in their frames.
    fn pixels(
        &self,
        source: &dyn Source,
        compute: ComputeOptions,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Option<Tensor>> {
        let (count, size, channels) = (source.len() as i64, self.size, self.channels);
        let shape = [count, self.side(), self.side(), channels];
        let pixels =
            Tensor::f_zeros(shape, (Kind::Uint8, compute.device())).map_err(torch_error)?;
        let each = (size * size * channels) as usize;
        let at_once = (AT_ONCE / each).clamp(1, source.len().max(1));
        let (mut bytes, mut room) = (Vec::with_capacity(at_once * each), Image::default());
        for from in (0..source.len()).step_by(at_once) {
            if cancelled() {
                let message = "stopped while the images were on their way to the device";
                return Err(Error::new(ErrorCode::Aborted, message));
            }
            bytes.clear();
            for i in from..source.len().min(from + at_once) {
                let read = source.read(i, channels as u32, &mut room);
                if read.is_err() || [room.width, room.height] != [size as u32; 2] {
                    return Ok(None);
                }
                bytes.extend_from_slice(&room.pixels);
            }
            let sent = (bytes.len() / each) as i64;
            Tensor::f_from_slice(&bytes)
                .and_then(|images| images.f_view([sent, size, size, channels]))
                .and_then(|images| {
                    let frames = pixels.f_narrow(0, from as i64, sent)?;
                    self.inner(&frames, 1)?.f_copy_(&images)
                })
                .map_err(torch_error)?;
        }
        pixels.f_view([-1, channels]).map(Some).map_err(torch_error)
    }

    /// What lies within the padding of a tensor whose axes `rows` and the next are sides.
    fn inner(&self, frames: &Tensor, rows: i64) -> std::result::Result<Tensor, TchError> {
        let rows_within = frames.f_narrow(rows, self.padding, self.size)?;
        rows_within.f_narrow(rows + 1, self.padding, self.size)
    }

    fn mean(&self, mean: &[f32], compute: ComputeOptions) -> Result<Tensor> {
        let (device, size) = (compute.device(), self.size);
        let shape = [self.side(), self.side(), self.channels];
        let sent = tensor_from_slice(device, mean)?;
        Tensor::f_zeros(shape, (Kind::Float, device))
            .and_then(|framed| {
                let mean = sent.f_view([size, size, self.channels])?;
                self.inner(&framed, 0)?.f_copy_(&mean)?;
                framed.f_view([-1, self.channels])
            })
            .map_err(torch_error)
    }

    /// From a window's upper left pixel to each other one; then the same of a mirrored window.
    fn steps(&self) -> Vec<i64> {
        let (size, side) = (self.size, self.side());
        let pixels = || (0..size).flat_map(move |y| (0..size).map(move |x| (y, x)));
        let plain = pixels().map(|(y, x)| y * side + x);
        plain.chain(pixels().map(|(y, x)| y * side + size - 1 - x)).collect()
    }
}

#[cfg(test)]
mod tests {
    use residual_data::{
        ArraySplit, Arrays, Loader, LoaderOptions, Pipeline, PixelMean, SampleOrder, Subset,
    };
    use residual_spec::{
        DataConfig, Device, MachineInfo, MemoryFormat, Precision, ResolvedConfig, TrainConfig,
        resolve,
    };
    use serde_json::{Value, json};

    use super::*;

    const SIZE: usize = 12;

    /// 203 images that differ from place to place.
    fn images(channels: usize) -> Subset {
        let numbers = 203 * SIZE * SIZE * channels;
        let part = ArraySplit {
            images: (0..numbers).map(|i| (i * 7919 / 13) as u8).collect::<Vec<u8>>().into(),
            labels: (0..203).map(|i| i % 3).collect::<Vec<u32>>().into(),
            height: SIZE as u32,
            width: SIZE as u32,
            channels: channels as u32,
        };
        let arrays = Arrays { train: part, val: None, test: None, classes: None };
        let set = residual_data::open_with_arrays(&DataConfig::default(), Some(arrays), &|| false);
        Subset::full(set.unwrap().source(residual_data::Split::Train))
    }

    fn config(channels: u32, transform: &Value) -> ResolvedConfig {
        let classes = ["a", "b", "c"].map(String::from).to_vec();
        let facts = residual_spec::DatasetInfo {
            train: 203,
            ..residual_spec::DatasetInfo::unknown(classes, channels, Some([SIZE as u32; 2]))
        };
        let said = json!({ "transform": transform, "model": "resnet8", "augmentOn": "device" });
        let machine = MachineInfo::with_cores(1);
        resolve(&TrainConfig::from_json(&said).unwrap(), &facts, &machine).unwrap()
    }

    fn resident(subset: &Subset, model: &Model, cuts: &CropNormalize) -> DeviceDataset {
        let shape = [SIZE as u32, model.network().channels];
        let made = DeviceDataset::new(&subset.source, model.compute(), shape, cuts, &|| false);
        made.unwrap().unwrap()
    }

    /// Whether the same numbers lie in the same order.
    fn same(a: &Tensor, b: &Tensor) -> bool {
        a.kind() == b.kind() && a.stride() == b.stride() && a.equal(b)
    }

    #[test]
    fn what_the_device_cuts_is_to_the_bit_what_the_workers_cut() {
        let transforms = [
            json!({ "crop": "pad", "flip": true }),
            json!({ "crop": { "type": "pad", "padding": 12 }, "flip": true, "mean": [0.3] }),
            json!({ "crop": "none", "flip": true, "std": [0.27] }),
            json!({ "crop": "pad", "flip": false, "pixelMean": true, "std": [0.27] }),
            json!({ "crop": { "type": "pad", "padding": 0 }, "flip": true, "pixelMean": true }),
        ];
        for (channels, mut transform) in
            [1, 3].into_iter().flat_map(|c| transforms.clone().map(|t| (c, t)))
        {
            for key in ["mean", "std"] {
                if let Some(values) = transform.get_mut(key).and_then(Value::as_array_mut) {
                    let first = values[0].as_f64().unwrap();
                    values.extend((1..channels).map(|c| json!(first + c as f64 / 10.0)));
                }
            }
            let (subset, config) = (images(channels as usize), config(channels, &transform));
            let mean = config
                .transform
                .pixel_mean
                .then(|| PixelMean::compute(&subset, channels, SIZE as u32, 1, &|| false).unwrap());
            let mean = mean.map(Arc::new);
            for (precision, memory_format) in [
                (Precision::Fp32, MemoryFormat::ChannelsLast),
                (Precision::Bf16, MemoryFormat::ChannelsLast),
                (Precision::Fp64, MemoryFormat::Contiguous),
            ] {
                let compute = ComputeOptions { precision, memory_format, device: Device::Cpu };
                let network =
                    residual_arch::build(&config.model, channels, SIZE as u32, 3).unwrap();
                let model = Model::new(network, compute, 0).unwrap();
                let train = Arc::new(Pipeline::train(&config, mean.as_ref()));
                let eval = Arc::new(Pipeline::eval(&config, mean.as_ref()));
                let on_device = resident(&subset, &model, &train.as_crop_normalize().unwrap());
                let orders = [
                    (&train, SampleOrder::Shuffled { seed: 5, epoch: 2 }),
                    (&train, SampleOrder::Balanced { seed: 5, epoch: 2 }),
                    (&eval, SampleOrder::Sequential),
                ];
                for (pipeline, order) in orders {
                    let loader = |windows| {
                        let options = LoaderOptions {
                            batch_size: 32,
                            workers: 2,
                            order,
                            skip_batches: 2,
                            drop_single: true,
                            windows,
                        };
                        Loader::new(&subset, Arc::clone(pipeline), options)
                    };
                    let (mut workers, mut windows) = (loader(false), loader(true));
                    let mut batches = 0;
                    while let Some(wanted) = workers.next().unwrap() {
                        let found = windows.next().unwrap().unwrap().batch;
                        let wanted = wanted.batch;
                        assert!(found.images.is_empty() && wanted.windows.is_none());
                        assert_eq!(
                            (&found.labels, &found.indices),
                            (&wanted.labels, &wanted.indices)
                        );
                        let found = model_input(&model, Some(&on_device), &found).unwrap();
                        let wanted = model_input(&model, Some(&on_device), &wanted).unwrap();
                        assert!(same(&found, &wanted), "{transform} {precision:?} {order:?}");
                        batches += 1;
                        windows.recycle(Batch::default());
                    }
                    assert_eq!(batches, 5);
                    assert!(windows.next().unwrap().is_none());
                }
            }
        }
    }

    #[test]
    fn images_that_cannot_all_be_read_at_the_networks_size_stay_where_they_are() {
        let (subset, config) = (images(1), config(1, &json!({})));
        let network = residual_arch::build(&config.model, 1, SIZE as u32, 3).unwrap();
        let model = Model::new(network, ComputeOptions::from_config(&config), 0).unwrap();
        let cuts = Pipeline::train(&config, None).as_crop_normalize().unwrap();
        let made = DeviceDataset::new(&subset.source, model.compute(), [8, 1], &cuts, &|| false);
        assert!(made.unwrap().is_none());
        let shape = [SIZE as u32, 1];
        let stopped = DeviceDataset::new(&subset.source, model.compute(), shape, &cuts, &|| true);
        assert_eq!(stopped.err().unwrap().code, ErrorCode::Aborted);
        let on_device = resident(&subset, &model, &cuts);
        assert!(on_device.is_of(&subset.source) && !on_device.is_of(&images(1).source));
        let lost = Batch { windows: Some(Vec::new()), ..Batch::default() };
        assert_eq!(model_input(&model, None, &lost).err().unwrap().code, ErrorCode::Internal);
    }
}
