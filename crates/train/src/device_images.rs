//! Images in device memory (`augmentOn: 'device'`): the training and validation images, copied once
//! and used in every epoch.

use std::rc::Rc;

use residual_data::{Pipeline, Splits, Subset};
use residual_model::{ComputeOptions, DeviceDataset};
use residual_spec::{AugmentOn, ErrorCode, ResolvedConfig, Result, WarningEvent};
use residual_torch::empty_cache;

/// The images in device memory; none with `augmentOn: 'workers'`.
#[derive(Default)]
pub struct DeviceImages {
    images: Vec<Rc<DeviceDataset>>,
    /// Present if the images did not fit into device memory.
    pub warning: Option<WarningEvent>,
}

impl DeviceImages {
    /// Copies the images to the device. `train` is the training pipeline, whose crops are at least
    /// as large as those of evaluation.
    ///
    /// # Errors
    /// `E_ABORTED` once `is_cancelled` returns true. Too little memory is a warning, because the
    /// workers can prepare the images instead.
    pub fn load(
        config: &ResolvedConfig,
        splits: &Splits,
        train: &Pipeline,
        is_cancelled: &dyn Fn() -> bool,
    ) -> Result<DeviceImages> {
        let mut loaded = DeviceImages::default();
        match config.augment_on {
            AugmentOn::Workers => return Ok(loaded),
            AugmentOn::Device => {}
        }
        let Some(transform) = train.as_crop_normalize() else { return Ok(loaded) };
        let shape = [config.data.image_size, config.data.channels];
        for subset in [Some(&splits.train), splits.val.as_ref()].into_iter().flatten() {
            if loaded.images(subset).is_some() {
                continue; // the validation split is a part of the training images
            }
            let result = DeviceDataset::new(
                &subset.source,
                ComputeOptions::from_config(config),
                shape,
                &transform,
                is_cancelled,
            );
            loaded.add(result)?;
        }
        Ok(loaded)
    }

    fn add(&mut self, result: Result<Option<DeviceDataset>>) -> Result<()> {
        match result {
            Ok(images) => self.images.extend(images.map(Rc::new)),
            Err(error) if error.code == ErrorCode::Memory => {
                empty_cache();
                self.warning = Some(WarningEvent {
                    code: ErrorCode::Memory,
                    message: "the images do not fit into device memory: the workers crop and \
                              normalize them, with the same result"
                        .into(),
                    file: None,
                    hint: Some("Set `augmentOn: 'workers'` to silence this warning.".into()),
                });
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Returns the images of a subset, if they are in device memory.
    pub fn images(&self, subset: &Subset) -> Option<&Rc<DeviceDataset>> {
        self.images.iter().find(|images| images.is_copy_of(&subset.source))
    }
}

#[cfg(test)]
mod tests {
    use residual_data::{ArraySplit, Arrays, Dataset};
    use residual_spec::{DataConfig, Error, MachineInfo, TrainConfig, resolve};
    use serde_json::json;

    use super::*;

    /// Returns a data set of grayscale images of 8 x 8.
    fn data_set(train: usize, val: Option<usize>) -> Dataset {
        let split = |images: usize| ArraySplit {
            images: (0..images * 64).map(|i| i as u8).collect::<Vec<u8>>().into(),
            labels: (0..images as u32).map(|i| i % 2).collect::<Vec<u32>>().into(),
            height: 8,
            width: 8,
            channels: 1,
        };
        let arrays = Arrays {
            train: split(train),
            val: val.map(split),
            test: Some(split(4)),
            classes: None,
        };
        residual_data::open_with_arrays(&DataConfig::default(), Some(arrays), &|| false).unwrap()
    }

    /// Returns whether the splits train, val and test are in device memory, and the number of
    /// copied image sets.
    fn load(augment_on: &str, dataset: &Dataset) -> ([bool; 3], usize) {
        let config = json!({ "augmentOn": augment_on, "data": { "imageSize": 8 } });
        let machine = MachineInfo::with_cores(1);
        let config = resolve(&TrainConfig::from_json(&config).unwrap(), dataset.facts(), &machine);
        let config = config.unwrap();
        let splits = dataset.splits(&config.data);
        let train = Pipeline::train(&config, None);
        let loaded = DeviceImages::load(&config, &splits, &train, &|| false).unwrap();
        assert!(loaded.warning.is_none());
        let is_on_device = |subset: Option<&Subset>| loaded.images(subset.unwrap()).is_some();
        let on_device =
            [Some(&splits.train), splits.val.as_ref(), splits.test.as_ref()].map(is_on_device);
        (on_device, loaded.images.len())
    }

    #[test]
    fn copies_training_and_validation_images_once() {
        let (without_val, with_val) = (data_set(40, None), data_set(40, Some(6)));
        assert_eq!(load("device", &without_val), ([true, true, false], 1));
        assert_eq!(load("device", &with_val), ([true, true, false], 2));
        assert_eq!(load("workers", &with_val), ([false; 3], 0));
    }

    #[test]
    fn warns_if_memory_is_exhausted_and_fails_on_other_errors() {
        let mut loaded = DeviceImages::default();
        loaded.add(Err(Error::new(ErrorCode::Memory, "CUDA out of memory"))).unwrap();
        assert_eq!(loaded.warning.as_ref().map(|warning| warning.code), Some(ErrorCode::Memory));
        assert!(loaded.images.is_empty());
        let error = loaded.add(Err(Error::new(ErrorCode::Torch, "broken"))).unwrap_err();
        assert_eq!(error.code, ErrorCode::Torch);
    }
}
