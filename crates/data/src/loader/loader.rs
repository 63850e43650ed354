//! Loader that builds batches ahead of time on worker threads and delivers them in order.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use residual_spec::{Error, ErrorCode, ResolvedConfig, Result};

use super::batch::{Batch, LoadedBatch};
use super::batch_share::BatchShare;
use super::sampler::{Sample, SampleOrder, sample_order};
use crate::random::batch_rng;
use crate::{CropPlan, ImageView, Pipeline, ReadBuffers, SampleRng, Source, Subset};

/// Number of prefetched batches in addition to one per worker.
const PREFETCH: usize = 2;

/// Options of a [`Loader`].
#[derive(Debug, Clone, Copy)]
pub struct LoaderOptions {
    /// Images in a batch; the last batch may have fewer.
    pub batch_size: usize,
    /// Threads that decode and augment.
    pub workers: usize,
    pub order: SampleOrder,
    /// Batches to skip at the beginning, to resume within an epoch.
    pub skip_batches: usize,
    /// Drop a last batch of one image, on which batch normalization cannot be trained.
    pub drop_single: bool,
    /// Part of each batch to deliver.
    pub share: BatchShare,
    /// Deliver the crop windows of the images instead of their pixels, for images in device memory.
    /// Requires a pipeline that is a [`CropNormalize`](crate::CropNormalize), and readable images
    /// of its input size.
    pub crops_only: bool,
}

impl LoaderOptions {
    /// Returns the options for a training epoch from its first batch on.
    pub fn train(config: &ResolvedConfig, order: SampleOrder) -> LoaderOptions {
        LoaderOptions { order, drop_single: true, ..LoaderOptions::eval(config) }
    }

    /// Returns the options for evaluation: every image, in the order of the subset.
    pub fn eval(config: &ResolvedConfig) -> LoaderOptions {
        LoaderOptions {
            batch_size: config.batch_size as usize,
            workers: config.workers as usize,
            order: SampleOrder::Sequential,
            skip_batches: 0,
            drop_single: false,
            share: BatchShare::default(),
            crops_only: false,
        }
    }
}

/// Result of [`Loader::next_within`].
#[derive(Debug)]
pub enum NextBatch {
    Ready(LoadedBatch),
    /// The next batch is not finished yet.
    Pending,
    /// All batches were delivered.
    End,
}

/// Loader of the batches of a subset, as PyTorch's `DataLoader`. The batches have the same order
/// and bytes for any number of workers. Dropping the loader stops each worker after its current
/// image.
pub struct Loader {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    batches: usize,
}

impl Loader {
    /// Creates a loader and starts its workers.
    pub fn new(subset: &Subset, pipeline: Arc<Pipeline>, options: LoaderOptions) -> Loader {
        let batch_size = options.batch_size.max(1);
        let (seed, epoch, mut samples) = sample_order(subset, options.order);
        if options.drop_single && samples.len() % batch_size == 1 {
            samples.pop();
        }
        let total = samples.len().div_ceil(batch_size);
        let first = options.skip_batches.min(total);
        let max_workers = if options.crops_only { 1 } else { total - first };
        let workers = options.workers.clamp(1, max_workers.max(1));
        let shared = Arc::new(Shared {
            source: subset.source.clone(),
            samples,
            pipeline,
            batch_size,
            share: options.share,
            crops_only: options.crops_only,
            seed,
            epoch,
            max_ahead: workers + PREFETCH,
            total,
            queue: Queue {
                stop: AtomicBool::new(false),
                state: Mutex::new(State {
                    next_to_build: first,
                    next_to_deliver: first,
                    ..State::default()
                }),
                batch_delivered: Condvar::new(),
                batch_finished: Condvar::new(),
            },
        });
        let workers =
            if first < total { spawn_workers(&shared, workers, first) } else { Vec::new() };
        Loader { shared, workers, batches: total - first }
    }

    /// Waits for the next batch and returns it, or `None` after the last.
    ///
    /// # Errors
    /// `E_INTERNAL` if a worker panicked or none could be started; the next call returns `None`.
    #[allow(clippy::should_implement_trait)] // `recycle` needs the loader while a batch is in use
    pub fn next(&mut self) -> Result<Option<LoadedBatch>> {
        loop {
            match self.next_within(Duration::from_secs(60))? {
                NextBatch::Ready(loaded) => return Ok(Some(loaded)),
                NextBatch::Pending => {}
                NextBatch::End => return Ok(None),
            }
        }
    }

    /// Returns the next batch if it is finished within `timeout`.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub fn next_within(&mut self, timeout: Duration) -> Result<NextBatch> {
        let deadline = Instant::now() + timeout;
        let queue = &self.shared.queue;
        let mut state = queue.lock();
        loop {
            let number = state.next_to_deliver;
            if let Some(result) = state.finished.remove(&number) {
                state.next_to_deliver = match result {
                    Ok(_) => number + 1,
                    Err(_) => self.shared.total,
                };
                drop(state);
                queue.batch_delivered.notify_one();
                return result.map(NextBatch::Ready);
            }
            if number >= self.shared.total {
                return Ok(NextBatch::End);
            }
            let remaining = deadline.saturating_duration_since(Instant::now());
            if remaining.is_zero() {
                return Ok(NextBatch::Pending);
            }
            let guard = queue.batch_finished.wait_timeout(state, remaining);
            state = guard.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Returns a batch to the loader, which reuses its buffers.
    pub fn recycle(&mut self, batch: Batch) {
        let mut state = self.shared.queue.lock();
        if state.recycled.len() < self.shared.max_ahead {
            state.recycled.push(batch);
        }
    }

    /// Returns the name of the image at `index` in the source.
    pub fn name(&self, index: u32) -> String {
        self.shared.source.name(index as usize)
    }

    /// Returns the total number of batches that this loader delivers, without skipped batches.
    pub fn batches(&self) -> usize {
        self.batches
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        let queue = &self.shared.queue;
        // Set under the lock, so that no worker is between checking the flag and waiting.
        let state = queue.lock();
        queue.stop.store(true, Ordering::Relaxed);
        drop(state);
        queue.batch_delivered.notify_all();
        for worker in self.workers.drain(..) {
            // Panics were caught in the worker and delivered as errors.
            let _ = worker.join();
        }
    }
}

/// Starts up to `count` workers. If none can be started, delivers an error instead of batch
/// `first`.
fn spawn_workers(shared: &Arc<Shared>, count: usize, first: usize) -> Vec<JoinHandle<()>> {
    let mut workers = Vec::with_capacity(count);
    for i in 0..count {
        let builder = std::thread::Builder::new().name(format!("residual-data-{i}"));
        let worker_shared = shared.clone();
        match builder.spawn(move || worker_shared.work()) {
            Ok(worker) => workers.push(worker),
            Err(cause) => {
                if workers.is_empty() {
                    let message = format!("no thread could be started to load images: {cause}");
                    let error = Error::new(ErrorCode::Internal, message)
                        .hint("The system is short of memory or threads.");
                    shared.queue.lock().finished.insert(first, Err(error));
                }
                break;
            }
        }
    }
    workers
}

/// State shared by the workers and the loader.
struct Shared {
    source: Arc<dyn Source>,
    samples: Vec<Sample>,
    pipeline: Arc<Pipeline>,
    batch_size: usize,
    share: BatchShare,
    crops_only: bool,
    seed: u64,
    epoch: u32,
    /// Maximum number of batches that are started but not yet delivered.
    max_ahead: usize,
    /// Number of batches in the epoch, skipped batches included.
    total: usize,
    queue: Queue,
}

struct Queue {
    stop: AtomicBool,
    state: Mutex<State>,
    /// Notified when a batch was delivered, so that another may be started.
    batch_delivered: Condvar,
    /// Notified when a batch was finished.
    batch_finished: Condvar,
}

#[derive(Default)]
struct State {
    /// Number of the next batch to build.
    next_to_build: usize,
    /// Number of the next batch to deliver.
    next_to_deliver: usize,
    /// Finished batches by number.
    finished: BTreeMap<usize, Result<LoadedBatch>>,
    /// Recycled batches, whose buffers are reused.
    recycled: Vec<Batch>,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

impl Shared {
    /// Runs the main loop of a worker.
    fn work(&self) {
        let mut buffers = ReadBuffers::default();
        while let Some((number, batch)) = self.start_batch() {
            let built = catch_unwind(AssertUnwindSafe(|| self.build(number, batch, &mut buffers)));
            let result = match built {
                Ok(Some(loaded)) => Ok(loaded),
                Ok(None) => return,
                Err(panic) => Err(panic_error(number, panic.as_ref())),
            };
            self.queue.lock().finished.insert(number, result);
            self.queue.batch_finished.notify_one();
        }
    }

    /// Waits until another batch may be started. Returns its number and a recycled batch, or `None`
    /// if all batches are started or the loader was stopped.
    fn start_batch(&self) -> Option<(usize, Batch)> {
        let mut state = self.queue.lock();
        loop {
            if self.queue.is_stopped() || state.next_to_build >= self.total {
                return None;
            }
            if state.next_to_build < state.next_to_deliver + self.max_ahead {
                state.next_to_build += 1;
                return Some((state.next_to_build - 1, state.recycled.pop().unwrap_or_default()));
            }
            state = self.queue.batch_delivered.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Builds a batch in the buffers of `batch`; returns `None` if the loader was stopped.
    fn build(
        &self,
        number: usize,
        mut batch: Batch,
        buffers: &mut ReadBuffers,
    ) -> Option<LoadedBatch> {
        let start = number * self.batch_size;
        let samples = &self.samples[start..self.samples.len().min(start + self.batch_size)];
        let samples = &samples[self.share.range(samples.len())];
        if self.crops_only {
            return Some(LoadedBatch { batch: self.crops_batch(samples), failed: Vec::new() });
        }
        let mut images = std::mem::take(batch.images_mut());
        images.resize(samples.len() * self.pipeline.len(), 0.0);
        batch.labels.clear();
        batch.indices.clear();
        batch.views = None;
        // Number of values written to `images`.
        let mut filled = 0;
        let mut failed = Vec::new();
        for &sample in samples {
            if self.queue.is_stopped() {
                return None;
            }
            let i = sample.index as usize;
            match self.read(sample, buffers) {
                Ok((image, plan)) => {
                    filled = self.write(image, plan, filled, &mut images, &mut batch.views);
                    batch.labels.push(self.source.label(i).into());
                    batch.indices.push(sample.index);
                }
                Err(error) => failed.push((self.source.name(i), error)),
            }
        }
        images.truncate(filled);
        let mut rng = batch_rng(self.seed, self.epoch, number as u32);
        batch.mixed = self.pipeline.mix(&mut images, &batch.labels, &mut rng);
        *batch.images_mut() = images;
        Some(LoadedBatch { batch, failed })
    }

    /// Opens an image, plans its crop and decodes the planned region.
    fn read<'a>(
        &'a self,
        sample: Sample,
        buffers: &'a mut ReadBuffers,
    ) -> Result<(ImageView<'a>, CropPlan)> {
        let i = sample.index as usize;
        let channels = self.pipeline.channels() as u32;
        let rng = SampleRng::for_sample(self.seed, self.epoch, sample.index, sample.repeat);
        let opened = self.source.open(i, channels, &mut buffers.bytes)?;
        let plan = self.pipeline.plan(opened.size(), rng.clone());
        let image = self.source.decode(i, opened, plan.request, &mut buffers.image)?;
        if plan.fits(image) {
            Ok((image, plan))
        } else {
            // The fallback decoder ignores the planned scale.
            Ok((image, self.pipeline.plan(image.size(), rng)))
        }
    }

    /// Writes an image or its views after the first `filled` values of `images`. Returns the new
    /// number of filled values.
    fn write(
        &self,
        image: ImageView,
        plan: CropPlan,
        filled: usize,
        images: &mut Vec<f32>,
        batch_views: &mut Option<Vec<[u32; 2]>>,
    ) -> usize {
        match self.pipeline.view_sizes(image) {
            None => {
                let end = filled + self.pipeline.len();
                self.pipeline.apply(image, plan, &mut images[filled..end]);
                end
            }
            Some(views) => {
                let pixels: usize = views.iter().map(|[h, w]| *h as usize * *w as usize).sum();
                let end = filled + pixels * self.pipeline.channels();
                images.resize(end.max(images.len()), 0.0);
                self.pipeline.apply_views(image, &views, &mut images[filled..end]);
                batch_views.get_or_insert_default().extend(views);
                end
            }
        }
    }

    /// Builds a batch of crop windows, without reading images.
    fn crops_batch(&self, samples: &[Sample]) -> Batch {
        let window = |&Sample { index, repeat }: &Sample| {
            let mut rng = SampleRng::for_sample(self.seed, self.epoch, index, repeat);
            self.pipeline.crop_window(&mut rng)
        };
        let label = |sample: &Sample| self.source.label(sample.index as usize).into();
        Batch {
            labels: samples.iter().map(label).collect(),
            indices: samples.iter().map(|sample| sample.index).collect(),
            crop_windows: Some(samples.iter().map(window).collect()),
            ..Batch::default()
        }
    }
}

fn panic_error(number: usize, panic: &(dyn Any + Send)) -> Error {
    let reason = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no reason given");
    Error::new(ErrorCode::Internal, format!("loading batch {number} failed: {reason}"))
        .hint("This is a bug in residual; please report it with this message.")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use serde_json::json;

    use super::*;
    use crate::testing::gray_config;
    use crate::{MemorySource, OpenedImage, Split};

    const SHUFFLED: SampleOrder = SampleOrder::Shuffled { seed: 5, epoch: 2 };

    fn options(batch_size: usize, workers: usize, order: SampleOrder) -> LoaderOptions {
        LoaderOptions {
            batch_size,
            workers,
            order,
            skip_batches: 0,
            drop_single: false,
            share: BatchShare::default(),
            crops_only: false,
        }
    }

    fn memory_subset(count: usize) -> Subset {
        let pixels = (0..count * 64).map(|i| (i * 7) as u8).collect();
        let labels = (0..count as u32).map(|i| i % 3).collect();
        Subset::full(Arc::new(MemorySource::new(Split::Train, [8, 8, 1], pixels, labels)))
    }

    fn augmenting_pipeline() -> Arc<Pipeline> {
        Arc::new(Pipeline::train(&gray_config(8, json!({ "flip": true })), None))
    }

    fn collect(mut loader: Loader) -> Vec<Batch> {
        let mut batches = Vec::new();
        while let Some(loaded) = loader.next().unwrap() {
            assert!(loaded.failed.is_empty());
            batches.push(loaded.batch.clone());
            loader.recycle(loaded.batch);
        }
        batches
    }

    /// 100 images of 8x8; the closure gets the index of each opened image and may fail.
    struct FakeSource<F>(F);

    impl<F: Fn(usize) -> Result<()> + Send + Sync> Source for FakeSource<F> {
        fn len(&self) -> usize {
            100
        }

        fn label(&self, i: usize) -> u32 {
            i as u32
        }

        fn name(&self, i: usize) -> String {
            format!("image {i}")
        }

        fn open<'a>(
            &'a self,
            i: usize,
            channels: u32,
            buffer: &'a mut Vec<u8>,
        ) -> Result<OpenedImage<'a>> {
            (self.0)(i)?;
            buffer.resize(64 * channels as usize, 0);
            let image = ImageView { width: 8, height: 8, channels, pixels: buffer };
            Ok(OpenedImage::from_pixels(image, channels))
        }
    }

    fn fake_source(on_open: impl Fn(usize) -> Result<()> + Send + Sync + 'static) -> Subset {
        Subset::full(Arc::new(FakeSource(on_open)))
    }

    #[test]
    fn batches_do_not_depend_on_the_number_of_workers() {
        let load = |workers| {
            collect(Loader::new(
                &memory_subset(203),
                augmenting_pipeline(),
                options(16, workers, SHUFFLED),
            ))
        };
        let single = load(1);
        assert_eq!(single.iter().map(Batch::len).sum::<usize>(), 203);
        assert_eq!(single.len(), 13);
        for workers in [2, 5] {
            assert!(load(workers) == single, "{workers} workers");
        }
    }

    #[test]
    fn balanced_epochs_do_not_depend_on_the_number_of_workers() {
        // 60 images of class 0, 4 of class 1.
        let mut imbalanced = memory_subset(64);
        let labels = (0..64).map(|i| u32::from(i >= 60)).collect();
        let pixels = (0..64 * 64).map(|i| (i * 7) as u8).collect();
        imbalanced.source = Arc::new(MemorySource::new(Split::Train, [8, 8, 1], pixels, labels));
        let load = |workers| {
            let order = SampleOrder::Balanced { seed: 5, epoch: 2 };
            collect(Loader::new(&imbalanced, augmenting_pipeline(), options(7, workers, order)))
        };
        let single = load(1);
        let labels: Vec<i64> = single.iter().flat_map(|batch| batch.labels.clone()).collect();
        assert_eq!((labels.len(), labels.iter().sum::<i64>()), (64, 32));
        for workers in [2, 5] {
            assert!(load(workers) == single, "{workers} workers");
        }
        // The eight repeats of a rare image are augmented differently.
        let rare = single.iter().flat_map(|batch| {
            batch.indices.iter().zip(batch.images.chunks(64)).filter(|&(&index, _)| index == 60)
        });
        let mut variants: Vec<&[f32]> = rare.map(|(_, image)| image).collect();
        assert_eq!(variants.len(), 8);
        variants.dedup();
        assert!(variants.len() > 1);
    }

    #[test]
    fn transforms_depend_only_on_seed_epoch_and_image() {
        let (size, count) = (12, 101);
        let mean: Vec<f32> = (0..size * size).map(|i| (i % 7) as f32 / 10.0).collect();
        let mean = Arc::new(crate::PixelMean::from_chw(&mean, 1, size).unwrap());
        let pixels = (0..count * size * size).map(|i| (i * 7 + i / 144) as u8).collect();
        let labels = (0..count).map(|i| i % 3).collect();
        let source = MemorySource::new(Split::Train, [size, size, 1], pixels, labels);
        let subset = Subset::full(Arc::new(source));
        let crops = [
            json!({ "type": "pad" }),
            json!({ "type": "random-resized" }),
            json!({ "type": "random-short-side", "min": 12, "max": 20 }),
        ];
        for crop in crops {
            for policy in ["randaugment", "trivialaugment"] {
                for (erase, mix) in [("cutout", "mixup"), ("random-erasing", "cutmix")] {
                    let transform = json!({
                        "crop": crop, "flip": true, "pixelMean": true,
                        "policy": policy, "erase": erase, "mix": mix,
                    });
                    let pipeline = Pipeline::train(&gray_config(size, transform), Some(&mean));
                    let pipeline = Arc::new(pipeline);
                    let load = |workers, order| {
                        collect(Loader::new(&subset, pipeline.clone(), options(16, workers, order)))
                    };
                    let single = load(1, SHUFFLED);
                    assert!(single.iter().all(|batch| batch.mixed.is_some()));
                    assert!(load(4, SHUFFLED) == single, "{crop} {policy} {erase} {mix}");
                    let next_epoch = SampleOrder::Shuffled { seed: 5, epoch: 3 };
                    assert!(load(1, next_epoch) != single);
                    // A resumed run gets the same remaining batches.
                    let options = LoaderOptions { skip_batches: 3, ..options(16, 2, SHUFFLED) };
                    let resumed = collect(Loader::new(&subset, pipeline.clone(), options));
                    assert!(resumed == single[3..]);
                }
            }
        }
    }

    #[test]
    fn views_of_all_images_are_contiguous() {
        for (views, view_sizes) in [
            (residual_spec::TestTimeAugment::Flip, vec![[8, 8]; 2]),
            (residual_spec::TestTimeAugment::Ten, vec![[8, 8]; 10]),
            (
                residual_spec::TestTimeAugment::MultiScale(vec![8, 10]),
                vec![[8, 8], [8, 8], [10, 10], [10, 10]],
            ),
        ] {
            let pipeline = Pipeline::eval(&gray_config(8, json!({})), None).with_views(views);
            let pipeline = Arc::new(pipeline);
            let values: u32 = view_sizes.iter().map(|[height, width]| height * width).sum();
            let load = |workers| {
                let options = options(4, workers, SampleOrder::Sequential);
                collect(Loader::new(&memory_subset(10), pipeline.clone(), options))
            };
            let batches = load(2);
            assert_eq!(batches.iter().map(Batch::len).sum::<usize>(), 10);
            for batch in &batches {
                assert_eq!(batch.views, Some(view_sizes.repeat(batch.len())));
                assert_eq!(batch.images.len(), batch.len() * values as usize);
            }
            assert!(load(1) == batches);
        }
    }

    #[test]
    fn each_epoch_has_every_image_once_in_a_new_order() {
        let indices = |order| -> Vec<u32> {
            let batches = collect(Loader::new(
                &memory_subset(100),
                augmenting_pipeline(),
                options(7, 2, order),
            ));
            batches.into_iter().flat_map(|batch| batch.indices).collect()
        };
        assert!(indices(SampleOrder::Sequential).into_iter().eq(0..100));
        let first = indices(SampleOrder::Shuffled { seed: 0, epoch: 0 });
        assert_ne!(first, indices(SampleOrder::Shuffled { seed: 0, epoch: 1 }));
        let mut sorted = first;
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..100));
    }

    #[test]
    fn a_resumed_epoch_continues_with_the_same_bytes() {
        let epoch = collect(Loader::new(
            &memory_subset(50),
            augmenting_pipeline(),
            options(8, 2, SHUFFLED),
        ));
        let resumed = LoaderOptions { skip_batches: 3, ..options(8, 2, SHUFFLED) };
        let loader = Loader::new(&memory_subset(50), augmenting_pipeline(), resumed);
        assert_eq!(loader.batches(), 4);
        assert!(collect(loader) == epoch[3..]);
        let beyond_end = LoaderOptions { skip_batches: 9, ..resumed };
        assert!(
            collect(Loader::new(&memory_subset(50), augmenting_pipeline(), beyond_end)).is_empty()
        );
    }

    #[test]
    fn crop_windows_match_the_epoch_order_without_reading_images() {
        let unreadable = fake_source(|_| panic!("an image was read"));
        let crops_only = |options| {
            collect(Loader::new(
                &unreadable,
                augmenting_pipeline(),
                LoaderOptions { crops_only: true, ..options },
            ))
        };
        let options = LoaderOptions { drop_single: true, ..options(33, 2, SHUFFLED) };
        let epoch = crops_only(options);
        let loaded = collect(Loader::new(&fake_source(|_| Ok(())), augmenting_pipeline(), options));
        assert_eq!((epoch.len(), loaded.len()), (3, 3));
        for (batch, loaded) in epoch.iter().zip(&loaded) {
            assert_eq!((&batch.labels, &batch.indices), (&loaded.labels, &loaded.indices));
            let windows = batch.crop_windows.as_ref().unwrap();
            let window =
                |&index: &u32| augmenting_pipeline().crop_window(&mut SampleRng::new(5, 2, index));
            assert_eq!(*windows, batch.indices.iter().map(window).collect::<Vec<_>>());
        }
        let resumed = crops_only(LoaderOptions { skip_batches: 2, ..options });
        assert!(resumed == epoch[2..]);
    }

    #[test]
    fn drop_single_drops_a_last_batch_of_one() {
        let count = |images, drop_single| {
            let options = LoaderOptions { drop_single, ..options(8, 1, SampleOrder::Sequential) };
            collect(Loader::new(&memory_subset(images), augmenting_pipeline(), options)).len()
        };
        assert_eq!([count(17, true), count(17, false), count(18, true)], [2, 3, 3]);
    }

    #[test]
    fn skips_and_reports_a_broken_image() {
        let subset = fake_source(|i| match i % 10 {
            3 => Err(Error::new(ErrorCode::Image, "broken")),
            _ => Ok(()),
        });
        let mut loader =
            Loader::new(&subset, augmenting_pipeline(), options(20, 3, SampleOrder::Sequential));
        let loaded = loader.next().unwrap().unwrap();
        assert_eq!(loaded.batch.len(), 18);
        assert_eq!(loaded.batch.images.len(), 18 * 64);
        assert!(!loaded.batch.indices.contains(&3));
        let names: Vec<&str> = loaded.failed.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["image 3", "image 13"]);
    }

    #[test]
    fn a_panic_in_a_worker_is_an_error_and_ends_the_epoch() {
        let subset = fake_source(|i| if i == 45 { panic!("decoder bug") } else { Ok(()) });
        let mut loader =
            Loader::new(&subset, augmenting_pipeline(), options(10, 2, SampleOrder::Sequential));
        for _ in 0..4 {
            assert_eq!(loader.next().unwrap().unwrap().batch.len(), 10);
        }
        let error = loader.next().unwrap_err();
        assert_eq!(error.code, ErrorCode::Internal);
        assert!(error.message.contains("decoder bug"), "{error}");
        assert!(loader.next().unwrap().is_none());
    }

    #[test]
    fn prefetching_is_bounded() {
        let read = Arc::new(AtomicUsize::new(0));
        let counter = read.clone();
        let subset = fake_source(move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
            Ok(())
        });
        let mut loader =
            Loader::new(&subset, augmenting_pipeline(), options(5, 2, SampleOrder::Sequential));
        loader.next().unwrap();
        let ahead = 5 * (1 + 2 + PREFETCH);
        while read.load(Ordering::SeqCst) < ahead {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(read.load(Ordering::SeqCst), ahead);
    }

    #[test]
    fn dropping_the_loader_stops_workers_within_a_batch() {
        let subset = fake_source(|_| {
            std::thread::sleep(Duration::from_millis(200));
            Ok(())
        });
        let mut loader =
            Loader::new(&subset, augmenting_pipeline(), options(100, 1, SampleOrder::Sequential));
        let started = Instant::now();
        assert!(matches!(loader.next_within(Duration::from_millis(30)), Ok(NextBatch::Pending)));
        drop(loader);
        // A batch takes 20 s.
        assert!(started.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn a_shared_batch_is_not_overwritten() {
        let mut loader =
            Loader::new(&memory_subset(60), augmenting_pipeline(), options(2, 1, SHUFFLED));
        let (mut shared, mut expected) = (Vec::new(), Vec::new());
        while let Some(LoadedBatch { batch, .. }) = loader.next().unwrap() {
            shared.push(batch.images.clone());
            expected.push(batch.images.to_vec());
            loader.recycle(batch);
        }
        assert_eq!(shared.len(), 30);
        assert!(shared.iter().zip(&expected).all(|(images, expected)| **images == *expected));
    }

    #[test]
    fn an_empty_subset_has_no_batches() {
        let mut loader =
            Loader::new(&memory_subset(0), augmenting_pipeline(), options(8, 2, SHUFFLED));
        assert!(loader.next().unwrap().is_none());
        assert_eq!(loader.batches(), 0);
    }
}
