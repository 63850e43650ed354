//! A data set in device memory, one byte per value, with augmentation on the device.
//!
//! The loader sends only the crop window of each image. Crop, flip and normalization are index
//! operations on the device, without synchronization. The results equal those of the CPU
//! [`Pipeline`](residual_data::Pipeline) bit for bit: normalized values come from a lookup table,
//! and a mean image is subtracted from them in one fp32 operation.

use std::sync::Arc;

use residual_data::{Batch, CropNormalize, CropWindow, ReadBuffers, Source};
use residual_spec::{Error, ErrorCode, Result};
use residual_torch::{clear_out_of_memory, tensor_from_slice, torch_error};
use tch::{Kind, TchError, Tensor};

use crate::{ComputeOptions, Model};

/// Target size of one copy of images to the device, in bytes.
const CHUNK_BYTES: usize = 8 << 20;

/// All images of a source in device memory.
pub struct DeviceDataset {
    source: Arc<dyn Source>,
    compute: ComputeOptions,
    layout: FrameLayout,
    /// Image bytes `[images * side * side, channels]`, zero-padded on each side.
    pixels: Tensor,
    /// Offsets `[2, size * size]` of the pixels of a crop from its upper left pixel: row 0
    /// unflipped, row 1 flipped.
    offsets: Tensor,
    /// Lookup table `[channels * 256]` from byte to normalized value.
    table: Tensor,
    /// Start of each channel's entries in `table`: `[channels]`.
    table_starts: Tensor,
    /// Mean image to subtract, `[side * side, channels]`, 0 in the padding.
    mean: Option<Tensor>,
}

impl DeviceDataset {
    /// Copies the images of `source` to the device; `None` if an image cannot be decoded or is not
    /// `size` by `size`.
    ///
    /// # Errors
    /// `E_MEMORY` if the device memory is too small; `E_ABORTED` if `is_cancelled` returns true.
    pub fn new(
        source: &Arc<dyn Source>,
        compute: ComputeOptions,
        [size, channels]: [u32; 2],
        transform: &CropNormalize,
        is_cancelled: &dyn Fn() -> bool,
    ) -> Result<Option<DeviceDataset>> {
        clear_out_of_memory();
        let padding = i64::from(transform.padding);
        let layout = FrameLayout { size: size.into(), channels: channels.into(), padding };
        let Some(pixels) = layout.upload(source.as_ref(), compute, is_cancelled)? else {
            return Ok(None);
        };
        let device = compute.device();
        let mut table = tensor_from_slice(device, &transform.values)?;
        let mean = match &transform.mean {
            Some(mean) => Some(layout.upload_mean(mean, compute)?),
            None => {
                // Without a mean image, the table has the final values: cast it once instead of
                // every batch.
                table = table.f_to_kind(compute.activation_kind()).map_err(torch_error)?;
                None
            }
        };
        let table_starts: Vec<i32> = (0..channels as i32).map(|channel| 256 * channel).collect();
        Ok(Some(DeviceDataset {
            source: Arc::clone(source),
            compute,
            pixels,
            offsets: tensor_from_slice(device, &layout.crop_offsets())?
                .f_view([2, layout.size * layout.size])
                .map_err(torch_error)?,
            layout,
            table,
            table_starts: tensor_from_slice(device, &table_starts)?,
            mean,
        }))
    }

    /// Returns whether the images were copied from `source`.
    pub fn is_copy_of(&self, source: &Arc<dyn Source>) -> bool {
        Arc::ptr_eq(&self.source, source)
    }

    /// Returns the network input for the images at `indices`, cropped and flipped by `windows`.
    ///
    /// # Panics
    /// If a window exceeds the padded image, or the numbers of windows and indices differ.
    fn input(&self, indices: &[u32], windows: &[CropWindow]) -> Result<Tensor> {
        let images = self.crop(indices, windows)?;
        self.compute.to_input(&images)
    }

    /// Returns the normalized crops `[n, size, size, channels]`.
    fn crop(&self, indices: &[u32], windows: &[CropWindow]) -> Result<Tensor> {
        assert_eq!(indices.len(), windows.len(), "each image needs a crop window");
        let count = windows.len() as i64;
        let (side, padding) = (self.layout.side(), self.layout.padding);
        let start_in_image = |window: &CropWindow| {
            let [left, top] = [window.left, window.top].map(|offset| offset + padding);
            assert!(
                [left, top].iter().all(|offset| (0..=2 * padding).contains(offset)),
                "{window:?}"
            );
            top * side + left
        };
        // Three rows with one number per image, sent in one copy: the index of the window's first
        // pixel in `pixels`, whether the window is flipped, and the index within the image.
        let start = |(&index, window)| i64::from(index) * side * side + start_in_image(window);
        let starts = indices.iter().zip(windows).map(start);
        let flips = windows.iter().map(|window| i64::from(window.flip));
        let index_rows: Vec<i64> =
            starts.chain(flips).chain(windows.iter().map(start_in_image)).collect();
        let index_rows = tensor_from_slice(self.compute.device(), &index_rows)?;
        self.gather(&index_rows, count).map_err(torch_error)
    }

    /// Returns `count` normalized crops; [`DeviceDataset::crop`] describes `index_rows`.
    fn gather(&self, index_rows: &Tensor, count: i64) -> std::result::Result<Tensor, TchError> {
        let row = |row: i64| index_rows.f_narrow(0, row * count, count);
        let offsets = self.offsets.f_index_select(0, &row(1)?)?;
        let pixel_indices = |start: Tensor| start.f_view([count, 1])?.f_add(&offsets)?.f_view([-1]);
        let mut bytes =
            self.pixels.f_index_select(0, &pixel_indices(row(0)?)?)?.f_to_kind(Kind::Int)?;
        let FrameLayout { size, channels, .. } = self.layout;
        if channels > 1 {
            bytes = bytes.f_add_(&self.table_starts)?;
        }
        let shape = [count, size, size, channels];
        let values = self.table.f_index_select(0, &bytes.f_view([-1])?)?.f_view(shape)?;
        match &self.mean {
            None => Ok(values),
            Some(mean) => {
                let mean = mean.f_index_select(0, &pixel_indices(row(2)?)?)?.f_view(shape)?;
                values.f_sub(&mean)
            }
        }
    }
}

/// Returns the network input of a batch: from its images, or from `images` if the batch has only
/// crop windows.
///
/// # Errors
/// `E_INTERNAL` for a batch of windows without `images`.
pub fn model_input(model: &Model, images: Option<&DeviceDataset>, batch: &Batch) -> Result<Tensor> {
    match (&batch.crop_windows, images) {
        (None, _) => model.input(&batch.images, batch.len()),
        (Some(windows), Some(images)) => images.input(&batch.indices, windows),
        (Some(_), None) => {
            Err(Error::new(ErrorCode::Internal, "the images of a batch are not on the device"))
        }
    }
}

/// Memory layout of padded square images; all sizes in pixels.
#[derive(Clone, Copy)]
struct FrameLayout {
    /// Side of an image and of a crop.
    size: i64,
    channels: i64,
    /// Zero pixels on each side of an image.
    padding: i64,
}

impl FrameLayout {
    /// Returns the side of a padded image.
    fn side(&self) -> i64 {
        self.size + 2 * self.padding
    }

    /// Copies all images to the device, each into a zero-padded frame; `None` if an image cannot be
    /// decoded or has another size.
    fn upload(
        &self,
        source: &dyn Source,
        compute: ComputeOptions,
        is_cancelled: &dyn Fn() -> bool,
    ) -> Result<Option<Tensor>> {
        let (count, size, channels) = (source.len() as i64, self.size, self.channels);
        let shape = [count, self.side(), self.side(), channels];
        let pixels =
            Tensor::f_zeros(shape, (Kind::Uint8, compute.device())).map_err(torch_error)?;
        let image_bytes = (size * size * channels) as usize;
        let chunk_len = (CHUNK_BYTES / image_bytes).clamp(1, source.len().max(1));
        let (mut bytes, mut buffers) =
            (Vec::with_capacity(chunk_len * image_bytes), ReadBuffers::default());
        for start in (0..source.len()).step_by(chunk_len) {
            if is_cancelled() {
                let message = "stopped while copying the images to the device";
                return Err(Error::new(ErrorCode::Aborted, message));
            }
            bytes.clear();
            for i in start..source.len().min(start + chunk_len) {
                match source.read(i, channels as u32, &mut buffers) {
                    Ok(image) if [image.width, image.height] == [size as u32; 2] => {
                        bytes.extend_from_slice(image.pixels);
                    }
                    Ok(_) | Err(_) => return Ok(None),
                }
            }
            let num_images = (bytes.len() / image_bytes) as i64;
            Tensor::f_from_slice(&bytes)
                .and_then(|images| images.f_view([num_images, size, size, channels]))
                .and_then(|images| {
                    let frames = pixels.f_narrow(0, start as i64, num_images)?;
                    self.without_padding(&frames, 1)?.f_copy_(&images)
                })
                .map_err(torch_error)?;
        }
        pixels.f_view([-1, channels]).map(Some).map_err(torch_error)
    }

    /// Returns a view of `frames` without padding. Axis `row_axis` is the height, and the next axis
    /// the width.
    fn without_padding(
        &self,
        frames: &Tensor,
        row_axis: i64,
    ) -> std::result::Result<Tensor, TchError> {
        let rows = frames.f_narrow(row_axis, self.padding, self.size)?;
        rows.f_narrow(row_axis + 1, self.padding, self.size)
    }

    /// Copies a mean image to the device, into a zero-padded frame.
    fn upload_mean(&self, mean: &[f32], compute: ComputeOptions) -> Result<Tensor> {
        let (device, size) = (compute.device(), self.size);
        let shape = [self.side(), self.side(), self.channels];
        let mean = tensor_from_slice(device, mean)?;
        Tensor::f_zeros(shape, (Kind::Float, device))
            .and_then(|frame| {
                let mean = mean.f_view([size, size, self.channels])?;
                self.without_padding(&frame, 0)?.f_copy_(&mean)?;
                frame.f_view([-1, self.channels])
            })
            .map_err(torch_error)
    }

    /// Returns the offsets of the pixels of a crop from its upper left pixel: those of an unflipped
    /// crop, then those of a flipped crop.
    fn crop_offsets(&self) -> Vec<i64> {
        let (size, side) = (self.size, self.side());
        let pixels = || (0..size).flat_map(move |y| (0..size).map(move |x| (y, x)));
        let unflipped = pixels().map(|(y, x)| y * side + x);
        unflipped.chain(pixels().map(|(y, x)| y * side + size - 1 - x)).collect()
    }
}

#[cfg(test)]
mod tests {
    use residual_data::{
        ArraySplit, Arrays, BatchShare, Loader, LoaderOptions, Pipeline, PixelMean, SampleOrder,
        Subset,
    };
    use residual_spec::{
        DataConfig, Device, MachineInfo, MemoryFormat, Precision, ResolvedConfig, TrainConfig,
        resolve,
    };
    use serde_json::{Value, json};

    use super::*;

    const SIZE: usize = 12;

    /// Returns 203 images whose pixels all differ from their neighbors.
    fn images(channels: usize) -> Subset {
        let num_values = 203 * SIZE * SIZE * channels;
        let train = ArraySplit {
            images: (0..num_values).map(|i| (i * 7919 / 13) as u8).collect::<Vec<u8>>().into(),
            labels: (0..203).map(|i| i % 3).collect::<Vec<u32>>().into(),
            height: SIZE as u32,
            width: SIZE as u32,
            channels: channels as u32,
        };
        let arrays = Arrays { train, val: None, test: None, classes: None };
        let set = residual_data::open_with_arrays(&DataConfig::default(), Some(arrays), &|| false);
        Subset::full(set.unwrap().source(residual_data::Split::Train))
    }

    fn config(channels: u32, transform: &Value) -> ResolvedConfig {
        let classes = ["a", "b", "c"].map(String::from).to_vec();
        let facts = residual_spec::DatasetInfo {
            train: 203,
            ..residual_spec::DatasetInfo::unknown(classes, channels, Some([SIZE as u32; 2]))
        };
        let config = json!({ "transform": transform, "model": "resnet8", "augmentOn": "device" });
        let machine = MachineInfo::with_cores(1);
        resolve(&TrainConfig::from_json(&config).unwrap(), &facts, &machine).unwrap()
    }

    fn device_dataset(subset: &Subset, model: &Model, transform: &CropNormalize) -> DeviceDataset {
        let shape = [SIZE as u32, model.network().channels];
        let result =
            DeviceDataset::new(&subset.source, model.compute(), shape, transform, &|| false);
        result.unwrap().unwrap()
    }

    /// Returns whether two tensors are equal in kind, strides and values.
    fn is_identical(a: &Tensor, b: &Tensor) -> bool {
        a.kind() == b.kind() && a.stride() == b.stride() && a.equal(b)
    }

    #[test]
    fn device_augmentation_matches_the_workers_bit_for_bit() {
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
                let dataset = device_dataset(&subset, &model, &train.as_crop_normalize().unwrap());
                let orders = [
                    (&train, SampleOrder::Shuffled { seed: 5, epoch: 2 }),
                    (&train, SampleOrder::Balanced { seed: 5, epoch: 2 }),
                    (&eval, SampleOrder::Sequential),
                ];
                for (pipeline, order) in orders {
                    let loader = |crops_only| {
                        let options = LoaderOptions {
                            batch_size: 32,
                            workers: 2,
                            order,
                            skip_batches: 2,
                            drop_single: true,
                            share: BatchShare::default(),
                            crops_only,
                        };
                        Loader::new(&subset, Arc::clone(pipeline), options)
                    };
                    let (mut workers, mut crop_loader) = (loader(false), loader(true));
                    let mut batches = 0;
                    while let Some(expected) = workers.next().unwrap() {
                        let actual = crop_loader.next().unwrap().unwrap().batch;
                        let expected = expected.batch;
                        assert!(actual.images.is_empty() && expected.crop_windows.is_none());
                        assert_eq!(
                            (&actual.labels, &actual.indices),
                            (&expected.labels, &expected.indices)
                        );
                        let actual = model_input(&model, Some(&dataset), &actual).unwrap();
                        let expected = model_input(&model, Some(&dataset), &expected).unwrap();
                        assert!(
                            is_identical(&actual, &expected),
                            "{transform} {precision:?} {order:?}"
                        );
                        batches += 1;
                        crop_loader.recycle(Batch::default());
                    }
                    assert_eq!(batches, 5);
                    assert!(crop_loader.next().unwrap().is_none());
                }
            }
        }
    }

    #[test]
    fn rejects_images_of_another_size_and_stops_when_cancelled() {
        let (subset, config) = (images(1), config(1, &json!({})));
        let network = residual_arch::build(&config.model, 1, SIZE as u32, 3).unwrap();
        let model = Model::new(network, ComputeOptions::from_config(&config), 0).unwrap();
        let transform = Pipeline::train(&config, None).as_crop_normalize().unwrap();
        let result =
            DeviceDataset::new(&subset.source, model.compute(), [8, 1], &transform, &|| false);
        assert!(result.unwrap().is_none());
        let shape = [SIZE as u32, 1];
        let cancelled =
            DeviceDataset::new(&subset.source, model.compute(), shape, &transform, &|| true);
        assert_eq!(cancelled.err().unwrap().code, ErrorCode::Aborted);
        let dataset = device_dataset(&subset, &model, &transform);
        assert!(dataset.is_copy_of(&subset.source) && !dataset.is_copy_of(&images(1).source));
        let without_images = Batch { crop_windows: Some(Vec::new()), ..Batch::default() };
        assert_eq!(
            model_input(&model, None, &without_images).err().unwrap().code,
            ErrorCode::Internal
        );
    }
}
