//! Per-pixel mean subtraction (He et al. 2015, section 4.2).

use residual_spec::{Error, ErrorCode, Result};

use super::normalize::CropWindow;

/// Mean of the training images, to be subtracted from every image.
#[derive(Debug, Clone, PartialEq)]
pub struct PixelMean {
    size: usize,
    channels: usize,
    /// `[size, size, channels]`, values in 0..1.
    values: Vec<f32>,
}

impl PixelMean {
    /// Creates a mean image from `[size, size, channels]` values in 0..1.
    pub(crate) fn from_hwc(values: Vec<f32>, channels: u32, size: u32) -> PixelMean {
        PixelMean { size: size as usize, channels: channels as usize, values }
    }

    /// Creates a mean image from `[channels, size, size]` values, the order of
    /// [`to_chw`](Self::to_chw).
    ///
    /// # Errors
    /// `E_CHECKPOINT` for a wrong number of values or values outside 0..1.
    pub fn from_chw(values: &[f32], channels: u32, size: u32) -> Result<PixelMean> {
        let (size, channels) = (size as usize, channels as usize);
        let is_complete = values.len() == size * size * channels;
        if !is_complete || !values.iter().all(|value| (0.0..=1.0).contains(value)) {
            let message =
                format!("the mean image is not {channels} x {size} x {size} numbers in 0..1");
            return Err(Error::new(ErrorCode::Checkpoint, message));
        }
        let value = |i: usize| values[i % channels * size * size + i / channels];
        Ok(PixelMean { size, channels, values: (0..values.len()).map(value).collect() })
    }

    /// Returns the values in PyTorch's order, `[channels, size, size]`, in 0..1.
    pub fn to_chw(&self) -> Vec<f32> {
        let plane = |c| self.values.iter().skip(c).step_by(self.channels).copied();
        (0..self.channels).flat_map(plane).collect()
    }

    /// Returns the mean image divided by the standard deviations of the channels.
    pub(crate) fn divided_by(&self, std: &[f64]) -> PixelMean {
        let scaled = |(i, value): (usize, &f32)| value / std[i % self.channels] as f32;
        PixelMean { values: self.values.iter().enumerate().map(scaled).collect(), ..*self }
    }

    /// Returns the values, `[size, size, channels]`.
    pub(crate) fn values(&self) -> &[f32] {
        &self.values
    }

    /// Subtracts the window of the mean image from `out`, `[size, size, channels]`. Pixels of the
    /// window outside the mean image are unchanged.
    pub(crate) fn subtract(&self, window: CropWindow, out: &mut [f32]) {
        let (size, channels) = (self.size, self.channels);
        // The columns `start..end` of the window are inside the mean image.
        let clamp = |x: i64| x.clamp(0, size as i64) as usize;
        let (start, end) = (clamp(-window.left), clamp(size as i64 - window.left));
        for (y, row) in out.chunks_exact_mut(size * channels).enumerate() {
            let source_row = window.top + y as i64;
            if source_row < 0 || source_row >= size as i64 || start >= end {
                continue;
            }
            let first = source_row as usize * size + (start as i64 + window.left) as usize;
            let line = &self.values[first * channels..(first + end - start) * channels];
            if window.flip {
                let row = &mut row[(size - end) * channels..(size - start) * channels];
                let pixels = row.chunks_exact_mut(channels).rev();
                for (out, mean) in pixels.zip(line.chunks_exact(channels)) {
                    out.iter_mut().zip(mean).for_each(|(out, mean)| *out -= mean);
                }
            } else {
                let row = &mut row[start * channels..end * channels];
                row.iter_mut().zip(line).for_each(|(out, mean)| *out -= mean);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::testing::{gray_config, numbered_image};
    use crate::{Pipeline, SampleRng};

    #[test]
    fn converts_to_and_from_pytorch_order_and_rejects_invalid_values() {
        let mean = PixelMean::from_hwc((0..12).map(|i| i as f32 / 12.0).collect(), 3, 2);
        assert_eq!(PixelMean::from_chw(&mean.to_chw(), 3, 2).unwrap(), mean);
        for bad in [vec![0.5; 11], vec![f32::NAN; 12], vec![2.0; 12], vec![]] {
            assert_eq!(PixelMean::from_chw(&bad, 3, 2).unwrap_err().code, ErrorCode::Checkpoint);
        }
    }

    #[test]
    fn subtracts_the_window_of_the_mean() {
        let values: Vec<f32> = (1..=9).map(|n| n as f32).collect();
        let mean = PixelMean { size: 3, channels: 1, values };
        let subtracted = |left, top, flip| {
            let mut out = [0.0; 9];
            mean.subtract(CropWindow { left, top, flip }, &mut out);
            out.map(|value| -value as i32)
        };
        assert_eq!(subtracted(0, 0, false), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(subtracted(0, 0, true), [3, 2, 1, 6, 5, 4, 9, 8, 7]);
        assert_eq!(subtracted(1, -1, false), [0, 0, 0, 2, 3, 0, 5, 6, 0]);
        assert_eq!(subtracted(1, -1, true), [0, 0, 0, 0, 3, 2, 0, 6, 5]);
        assert_eq!(subtracted(4, 0, false), [0; 9]);
    }

    #[test]
    fn mean_image_is_cropped_and_flipped_with_the_image() {
        let image = numbered_image(8, 8);
        let mean: Vec<f32> = image.pixels.iter().map(|&value| f32::from(value) / 255.0).collect();
        let mean = Arc::new(PixelMean::from_chw(&mean, 1, 8).unwrap());
        for crop in [json!({ "type": "pad", "padding": 3 }), json!("none")] {
            let config = gray_config(8, json!({ "crop": crop, "flip": true, "pixelMean": true }));
            for pipeline in
                [Pipeline::train(&config, Some(&mean)), Pipeline::eval(&config, Some(&mean))]
            {
                for index in 0..50 {
                    let mut out = vec![f32::NAN; pipeline.len()];
                    let plan = pipeline.plan(image.view().size(), SampleRng::new(0, 0, index));
                    pipeline.apply(image.view(), plan, &mut out);
                    assert!(out.iter().all(|value| value.abs() < 1e-4), "{out:?}");
                }
            }
        }
    }
}
