//! The mean image of the training images (He et al. 2015, section 4.2).

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use residual_spec::{Error, ErrorCode, Result};

use crate::normalize::Window;
use crate::{Image, Look, Subset};

/// What is subtracted from every image, pixel by pixel.
#[derive(Debug, Clone, PartialEq)]
pub struct PixelMean {
    size: usize,
    channels: usize,
    /// `[size, size, channels]`, values in 0..1.
    values: Vec<f32>,
}

impl PixelMean {
    /// The mean of a subset's images, all `size` by `size`; those that cannot be read are left out.
    /// Counted in whole numbers, so `workers` threads change nothing. `cancelled` is asked before
    /// each image that this thread reads, and at the end.
    ///
    /// # Errors
    /// `E_DATA_UNUSABLE` if not one image can be read; `E_ABORTED` if cancelled.
    pub fn of(
        subset: &Subset,
        channels: u32,
        size: u32,
        workers: usize,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<PixelMean> {
        let length = (size * size * channels) as usize;
        let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
        let total = Mutex::new((0u64, vec![0u64; length]));
        let work = |cancelled: &dyn Fn() -> bool| {
            let (mut count, mut sums, mut room) = (0, vec![0u64; length], Image::default());
            while let Some(&i) = subset.indices.get(next.fetch_add(1, Ordering::Relaxed)) {
                if cancelled() {
                    stop.store(true, Ordering::Relaxed);
                }
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let whole = &Look::whole;
                let read = subset.source.look(i as usize, channels, whole, &mut room);
                if let Some(image) =
                    read.ok().filter(|image| [image.width, image.height] == [size; 2])
                {
                    count += 1;
                    for (sum, &value) in sums.iter_mut().zip(&image.pixels) {
                        *sum += u64::from(value);
                    }
                }
            }
            let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
            total.0 += count;
            for (total, sum) in total.1.iter_mut().zip(sums) {
                *total += sum;
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..workers {
                scope.spawn(|| work(&|| false));
            }
            work(cancelled);
        });
        if stop.into_inner() || cancelled() {
            return Err(Error::new(ErrorCode::Aborted, "stopped while averaging the images"));
        }
        let (count, sums) = total.into_inner().unwrap_or_else(PoisonError::into_inner);
        if count == 0 {
            return Err(Error::new(
                ErrorCode::DataUnusable,
                "not one training image could be read for their mean",
            )
            .key("transform.pixelMean")
            .hint("`residual data verify` names the files that cannot be read."));
        }
        let values = sums.iter().map(|&sum| (sum as f64 / count as f64 / 255.0) as f32).collect();
        Ok(PixelMean { size: size as usize, channels: channels as usize, values })
    }

    /// From `[channels, size, size]`, as [`to_chw`](Self::to_chw) gives it.
    ///
    /// # Errors
    /// `E_CHECKPOINT` if the numbers are not as many, or not from 0 to 1.
    pub fn from_chw(values: &[f32], channels: u32, size: u32) -> Result<PixelMean> {
        let (size, channels) = (size as usize, channels as usize);
        let whole = values.len() == size * size * channels;
        if !whole || !values.iter().all(|value| (0.0..=1.0).contains(value)) {
            let message =
                format!("the mean image is not {channels} x {size} x {size} numbers in 0..1");
            return Err(Error::new(ErrorCode::Checkpoint, message));
        }
        let at = |i: usize| values[i % channels * size * size + i / channels];
        Ok(PixelMean { size, channels, values: (0..values.len()).map(at).collect() })
    }

    /// `[channels, size, size]`, values in 0..1: PyTorch's order.
    pub fn to_chw(&self) -> Vec<f32> {
        let plane = |c| self.values.iter().skip(c).step_by(self.channels).copied();
        (0..self.channels).flat_map(plane).collect()
    }

    /// In units of the standard deviations.
    pub(crate) fn divided_by(&self, std: &[f64]) -> PixelMean {
        let scaled = |(i, value): (usize, &f32)| value / std[i % self.channels] as f32;
        PixelMean { values: self.values.iter().enumerate().map(scaled).collect(), ..*self }
    }

    /// `[size, size, channels]`.
    pub(crate) fn values(&self) -> &[f32] {
        &self.values
    }

    /// Subtracts what of the mean image lies under the window; nothing outside of it.
    pub(crate) fn subtract(&self, window: Window, out: &mut [f32]) {
        let (size, channels) = (self.size, self.channels);
        let inside = |x: i64| x.clamp(0, size as i64) as usize;
        let (from, to) = (inside(-window.left), inside(size as i64 - window.left));
        for (y, row) in out.chunks_exact_mut(size * channels).enumerate() {
            let source = window.top + y as i64;
            if source < 0 || source >= size as i64 || from >= to {
                continue;
            }
            let start = source as usize * size + (from as i64 + window.left) as usize;
            let line = &self.values[start * channels..(start + to - from) * channels];
            if window.flip {
                let row = &mut row[(size - to) * channels..(size - from) * channels];
                let pixels = row.chunks_exact_mut(channels).rev();
                for (out, mean) in pixels.zip(line.chunks_exact(channels)) {
                    out.iter_mut().zip(mean).for_each(|(out, mean)| *out -= mean);
                }
            } else {
                let row = &mut row[from * channels..to * channels];
                row.iter_mut().zip(line).for_each(|(out, mean)| *out -= mean);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{MemorySource, Part};

    fn subset() -> Subset {
        let pixels = (0..5 * 12).map(|i| (i * 37 % 256) as u8).collect();
        let source = MemorySource::new(Part::Train, [2, 2, 3], pixels, vec![0, 1, 0, 1, 0]);
        // The first image is for validation.
        Subset { source: Arc::new(source), indices: (1..5).collect() }
    }

    #[test]
    fn it_is_the_mean_of_the_subset_alone_whatever_the_number_of_workers() {
        let one = PixelMean::of(&subset(), 3, 2, 1, &|| false).unwrap();
        let wanted = |at: usize| {
            let sum: usize = (1..5).map(|image| (image * 12 + at) * 37 % 256).sum();
            (sum as f64 / 4.0 / 255.0) as f32
        };
        assert_eq!(one.values, (0..12).map(wanted).collect::<Vec<f32>>());
        assert_eq!(PixelMean::of(&subset(), 3, 2, 3, &|| false).unwrap(), one);
    }

    #[test]
    fn it_can_be_stopped_and_needs_images() {
        let stopped = PixelMean::of(&subset(), 3, 2, 2, &|| true).unwrap_err();
        assert_eq!(stopped.code, ErrorCode::Aborted);
        let none = Subset { indices: Arc::from([]), ..subset() };
        let error = PixelMean::of(&none, 3, 2, 2, &|| false).unwrap_err();
        assert_eq!(error.code, ErrorCode::DataUnusable);
    }

    #[test]
    fn it_comes_back_from_pytorchs_order_and_nothing_else_does() {
        let mean = PixelMean::of(&subset(), 3, 2, 1, &|| false).unwrap();
        assert_eq!(PixelMean::from_chw(&mean.to_chw(), 3, 2).unwrap(), mean);
        for bad in [vec![0.5; 11], vec![f32::NAN; 12], vec![2.0; 12], vec![]] {
            assert_eq!(PixelMean::from_chw(&bad, 3, 2).unwrap_err().code, ErrorCode::Checkpoint);
        }
    }

    #[test]
    fn it_is_subtracted_under_the_window() {
        let values: Vec<f32> = (1..=9).map(|n| n as f32).collect();
        let mean = PixelMean { size: 3, channels: 1, values };
        let subtracted = |left, top, flip| {
            let mut out = [0.0; 9];
            mean.subtract(Window { left, top, flip }, &mut out);
            out.map(|value| -value as i32)
        };
        assert_eq!(subtracted(0, 0, false), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(subtracted(0, 0, true), [3, 2, 1, 6, 5, 4, 9, 8, 7]);
        assert_eq!(subtracted(1, -1, false), [0, 0, 0, 2, 3, 0, 5, 6, 0]);
        assert_eq!(subtracted(1, -1, true), [0, 0, 0, 0, 3, 2, 0, 6, 5]);
        assert_eq!(subtracted(4, 0, false), [0; 9]);
    }
}
