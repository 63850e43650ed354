//! Test-time augmentation.

use serde_json::json;

use super::ranges::{check_range, invalid};
use crate::{ResolvedConfig, Result, TestCrops};

/// Default short sides of images in pixels, as He et al. 2015 (section 3.4).
const DEFAULT_SCALES: [u32; 5] = [224, 256, 384, 480, 640];
const MAX_SCALES: usize = 16;

/// Resolved test-time augmentation: views of an image whose predictions are averaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TestTimeAugment {
    /// The center crop.
    Center,
    /// The center crop and its mirror image.
    Flip,
    /// Corner crops and center crop, and their mirror images.
    Ten,
    /// The entire image and its mirror image, resized to each of these short sides in pixels.
    MultiScale(Vec<u32>),
}

/// Resolves the `crops` and `scales` of a request to a model with this training configuration.
///
/// # Errors
/// `E_CONFIG` for a value that is out of range or contradicts another.
pub fn resolve_test_time_augment(
    crops: Option<TestCrops>,
    scales: Option<&Vec<u32>>,
    trained: &ResolvedConfig,
) -> Result<TestTimeAugment> {
    let crops = crops.unwrap_or(TestCrops::Center);
    if scales.is_some() && crops != TestCrops::MultiScale {
        let expected = "omitted unless `crops` is 'multi-scale'";
        return Err(invalid("scales", expected, json!(scales)));
    }
    match crops {
        TestCrops::Center => Ok(TestTimeAugment::Center),
        TestCrops::Flip => Ok(TestTimeAugment::Flip),
        TestCrops::Ten => Ok(TestTimeAugment::Ten),
        TestCrops::MultiScale if trained.transform.pixel_mean => {
            let expected = "'center', 'flip' or 'ten' for a model that subtracts a mean image";
            Err(invalid("crops", expected, json!(crops)))
        }
        TestCrops::MultiScale => {
            let scales = scales.cloned().unwrap_or(DEFAULT_SCALES.to_vec());
            if scales.is_empty() || scales.len() > MAX_SCALES {
                let expected = format!("an array of 1 to {MAX_SCALES} short sides");
                return Err(invalid("scales", &expected, json!(scales)));
            }
            for &scale in &scales {
                let is_valid = (8..=1024).contains(&scale);
                check_range("scales", scale.into(), is_valid, "from 8 to 1024 pixels")?;
            }
            Ok(TestTimeAugment::MultiScale(scales))
        }
    }
}
