//! The images that a run sends to the device once (`augmentOn: 'device'`): those that it sees in every
//! epoch, to train on and to validate.

use std::rc::Rc;

use residual_data::{Pipeline, Splits, Subset};
use residual_model::{ComputeOptions, DeviceDataset};
use residual_spec::{AugmentOn, ErrorCode, ResolvedConfig, Result, WarningEvent};
use residual_torch::empty_cache;

/// Nothing, where the workers are to do everything.
#[derive(Default)]
pub struct OnDevice {
    images: Vec<Rc<DeviceDataset>>,
    /// Why some are not there.
    pub warning: Option<WarningEvent>,
}

impl OnDevice {
    /// Sends them. `train` is the pipeline of training, which cuts nothing smaller than evaluation does.
    ///
    /// # Errors
    /// `E_ABORTED` once `cancelled` says so. Too little memory is none: the workers can do it.
    pub fn place(
        config: &ResolvedConfig,
        split: &Splits,
        train: &Pipeline,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<OnDevice> {
        let mut placed = OnDevice::default();
        if config.augment_on == AugmentOn::Workers {
            return Ok(placed);
        }
        let Some(cuts) = train.as_crop_normalize() else { return Ok(placed) };
        let shape = [config.data.image_size, config.data.channels];
        for subset in [Some(&split.train), split.val.as_ref()].into_iter().flatten() {
            if placed.of(subset).is_some() {
                continue; // the one part was taken from the other
            }
            let sent = DeviceDataset::new(
                &subset.source,
                ComputeOptions::from_config(config),
                shape,
                &cuts,
                cancelled,
            );
            placed.add(sent)?;
        }
        Ok(placed)
    }

    fn add(&mut self, sent: Result<Option<DeviceDataset>>) -> Result<()> {
        match sent {
            Ok(images) => self.images.extend(images.map(Rc::new)),
            Err(error) if error.code == ErrorCode::Memory => {
                empty_cache();
                self.warning = Some(WarningEvent {
                    code: ErrorCode::Memory,
                    message:
                        "the device has no room for the images: the workers crop and normalise \
                              them, to the same numbers"
                            .into(),
                    file: None,
                    hint: Some("`augmentOn: 'workers'` asks for that.".into()),
                });
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// A subset's images, if they are there.
    pub fn of(&self, subset: &Subset) -> Option<&Rc<DeviceDataset>> {
        self.images.iter().find(|images| images.is_of(&subset.source))
    }
}

#[cfg(test)]
mod tests {
    use residual_data::{ArraySplit, Arrays, Dataset};
    use residual_spec::{DataConfig, Error, MachineInfo, TrainConfig, resolve};
    use serde_json::json;

    use super::*;

    /// So many grey images of 8 x 8 in each part.
    fn data_set(train: usize, val: Option<usize>) -> Dataset {
        let part = |images: usize| ArraySplit {
            images: (0..images * 64).map(|i| i as u8).collect::<Vec<u8>>().into(),
            labels: (0..images as u32).map(|i| i % 2).collect::<Vec<u32>>().into(),
            height: 8,
            width: 8,
            channels: 1,
        };
        let arrays =
            Arrays { train: part(train), val: val.map(part), test: Some(part(4)), classes: None };
        residual_data::open_with_arrays(&DataConfig::default(), Some(arrays), &|| false).unwrap()
    }

    /// Which of the parts lie on the device, and how often images were sent.
    fn placed(on: &str, set: &Dataset) -> ([bool; 3], usize) {
        let said = json!({ "augmentOn": on, "data": { "imageSize": 8 } });
        let machine = MachineInfo::with_cores(1);
        let config = resolve(&TrainConfig::from_json(&said).unwrap(), set.facts(), &machine);
        let config = config.unwrap();
        let split = set.splits(&config.data);
        let train = Pipeline::train(&config, None);
        let placed = OnDevice::place(&config, &split, &train, &|| false).unwrap();
        assert!(placed.warning.is_none());
        let is_there = |subset: Option<&Subset>| placed.of(subset.unwrap()).is_some();
        let parts = [Some(&split.train), split.val.as_ref(), split.test.as_ref()].map(is_there);
        (parts, placed.images.len())
    }

    #[test]
    fn what_every_epoch_sees_is_sent_once() {
        let (held_back, own) = (data_set(40, None), data_set(40, Some(6)));
        assert_eq!(placed("device", &held_back), ([true, true, false], 1));
        assert_eq!(placed("device", &own), ([true, true, false], 2));
        assert_eq!(placed("workers", &own), ([false; 3], 0));
    }

    #[test]
    fn a_device_without_room_is_warned_of_and_nothing_else_is_let_pass() {
        let mut placed = OnDevice::default();
        placed.add(Err(Error::new(ErrorCode::Memory, "CUDA out of memory"))).unwrap();
        assert_eq!(placed.warning.as_ref().map(|warning| warning.code), Some(ErrorCode::Memory));
        assert!(placed.images.is_empty());
        let error = placed.add(Err(Error::new(ErrorCode::Torch, "broken"))).unwrap_err();
        assert_eq!(error.code, ErrorCode::Torch);
    }
}
