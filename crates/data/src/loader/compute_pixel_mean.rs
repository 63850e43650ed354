//! Computes the mean image of a subset.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use residual_spec::{Error, ErrorCode, Result};

use crate::{PixelMean, ReadBuffers, Subset};

impl PixelMean {
    /// Computes the mean of a subset's images, which should all be `size` by `size`; skips other
    /// sizes and images that cannot be read. The sums are integers, so the result does not depend
    /// on `workers`. The calling thread checks `cancelled` before each image that it reads, and at
    /// the end.
    ///
    /// # Errors
    /// `E_DATA_UNUSABLE` if no image can be read; `E_ABORTED` if cancelled.
    pub fn compute(
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
            let (mut count, mut sums, mut buffers) =
                (0, vec![0u64; length], ReadBuffers::default());
            while let Some(&i) = subset.indices.get(next.fetch_add(1, Ordering::Relaxed)) {
                if cancelled() {
                    stop.store(true, Ordering::Relaxed);
                }
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let image = subset.source.read(i as usize, channels, &mut buffers);
                if let Some(image) =
                    image.ok().filter(|image| [image.width, image.height] == [size; 2])
                {
                    count += 1;
                    for (sum, &value) in sums.iter_mut().zip(image.pixels) {
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
            return Err(Error::new(ErrorCode::Aborted, "cancelled while computing the mean image"));
        }
        let (count, sums) = total.into_inner().unwrap_or_else(PoisonError::into_inner);
        if count == 0 {
            return Err(Error::new(
                ErrorCode::DataUnusable,
                "the mean image cannot be computed: no training image can be read",
            )
            .key("transform.pixelMean")
            .hint("`residual data preview <data>` shows why an image cannot be read."));
        }
        let values = sums.iter().map(|&sum| (sum as f64 / count as f64 / 255.0) as f32).collect();
        Ok(PixelMean::from_hwc(values, channels, size))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{MemorySource, Split};

    fn subset() -> Subset {
        let pixels = (0..5 * 12).map(|i| (i * 37 % 256) as u8).collect();
        let source = MemorySource::new(Split::Train, [2, 2, 3], pixels, vec![0, 1, 0, 1, 0]);
        // The first image belongs to the validation split.
        Subset { source: Arc::new(source), indices: (1..5).collect() }
    }

    #[test]
    fn mean_of_the_subset_does_not_depend_on_workers() {
        let single = PixelMean::compute(&subset(), 3, 2, 1, &|| false).unwrap();
        let expected = |position: usize| {
            let sum: usize = (1..5).map(|image| (image * 12 + position) * 37 % 256).sum();
            (sum as f64 / 4.0 / 255.0) as f32
        };
        assert_eq!(single.values(), (0..12).map(expected).collect::<Vec<f32>>());
        assert_eq!(PixelMean::compute(&subset(), 3, 2, 3, &|| false).unwrap(), single);
    }

    #[test]
    fn can_be_cancelled_and_requires_an_image() {
        let stopped = PixelMean::compute(&subset(), 3, 2, 2, &|| true).unwrap_err();
        assert_eq!(stopped.code, ErrorCode::Aborted);
        let none = Subset { indices: Arc::from([]), ..subset() };
        let error = PixelMean::compute(&none, 3, 2, 2, &|| false).unwrap_err();
        assert_eq!(error.code, ErrorCode::DataUnusable);
    }
}
