//! What of an image the network sees when it is evaluated.

use serde_json::json;

use super::{refuse, within};
use crate::{ResolvedConfig, Result, TestCrops};

/// The paper's scales (section 3.4).
const SCALES: [u32; 5] = [224, 256, 384, 480, 640];
const MOST_SCALES: usize = 16;

/// What of an image the network sees when it is evaluated, decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TestTimeAugment {
    /// The centre.
    Center,
    /// The centre and its mirror image.
    Flip,
    /// Corners and centre, and those of the mirror image.
    Ten,
    /// All of it and its mirror image, the short side resized to each of these.
    MultiScale(Vec<u32>),
}

/// How a network that was trained so is to be evaluated.
///
/// # Errors
/// `E_CONFIG` for a value out of range or at odds with another.
pub fn resolve_test_time_augment(
    crops: Option<TestCrops>,
    scales: Option<&Vec<u32>>,
    trained: &ResolvedConfig,
) -> Result<TestTimeAugment> {
    let crops = crops.unwrap_or(TestCrops::Center);
    if scales.is_some() && crops != TestCrops::MultiScale {
        let wanted = "left out, or `crops` 'multi-scale'";
        return Err(refuse("scales", wanted, json!(scales)));
    }
    match crops {
        TestCrops::Center => Ok(TestTimeAugment::Center),
        TestCrops::Flip => Ok(TestTimeAugment::Flip),
        TestCrops::Ten => Ok(TestTimeAugment::Ten),
        TestCrops::MultiScale if trained.transform.pixel_mean => {
            let wanted =
                "'center', 'flip' or 'ten', for this network subtracts a mean image of one size";
            Err(refuse("crops", wanted, json!(crops)))
        }
        TestCrops::MultiScale => {
            let scales = scales.cloned().unwrap_or(SCALES.to_vec());
            if scales.is_empty() || scales.len() > MOST_SCALES {
                let wanted = format!("1 to {MOST_SCALES} short sides");
                return Err(refuse("scales", &wanted, json!(scales)));
            }
            for &scale in &scales {
                let range = (8..=1024).contains(&scale);
                within("scales", scale.into(), range, "from 8 to 1024 pixels")?;
            }
            Ok(TestTimeAugment::MultiScale(scales))
        }
    }
}
