//! Batches, built ahead of time by worker threads and delivered in order.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use residual_spec::{Error, ErrorCode, ResolvedConfig, Result};

use super::batch::{Batch, LoadedBatch};
use super::sampler::{Sample, SampleOrder, sample_order};
use crate::random::batch_rng;
use crate::{Image, Pipeline, SampleRng, Source, Subset};

/// Batches that may wait, finished or in the making, beyond one for each worker.
const LOOK_AHEAD: usize = 2;

/// How a subset is made into batches.
#[derive(Debug, Clone, Copy)]
pub struct LoaderOptions {
    /// Images in a batch; the last one may have fewer.
    pub batch_size: usize,
    /// Threads that decode and augment.
    pub workers: usize,
    pub order: SampleOrder,
    /// Batches at the front that are not wanted: where a resumed run goes on in mid-epoch.
    pub skip_batches: usize,
    /// Leave out a last batch of one image, on which batch normalisation cannot be trained.
    pub drop_single: bool,
    /// Read no images, and say only where each is to be cut: for a pipeline that only
    /// [`cuts`](Pipeline::cuts), and images of its size that can all be read.
    pub windows: bool,
}

impl LoaderOptions {
    /// For an epoch of training, from its first batch on.
    pub fn train(config: &ResolvedConfig, order: SampleOrder) -> LoaderOptions {
        LoaderOptions { order, drop_single: true, ..LoaderOptions::eval(config) }
    }

    /// For evaluation: every image, in the order of the files.
    pub fn eval(config: &ResolvedConfig) -> LoaderOptions {
        LoaderOptions {
            batch_size: config.batch_size as usize,
            workers: config.workers as usize,
            order: SampleOrder::Sequential,
            skip_batches: 0,
            drop_single: false,
            windows: false,
        }
    }
}

/// What [`Loader::next_within`] found.
#[derive(Debug)]
pub enum NextBatch {
    Ready(LoadedBatch),
    /// Still in the making.
    Pending,
    /// All batches were delivered.
    End,
}

/// Delivers a subset's batches in order, the same bytes whatever the number of workers. Dropping
/// it stops the workers after the image that each is at.
pub struct Loader {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    batches: usize,
}

impl Loader {
    pub fn new(subset: &Subset, pipeline: Arc<Pipeline>, options: LoaderOptions) -> Loader {
        let batch_size = options.batch_size.max(1);
        let (seed, epoch, mut draws) = sample_order(subset, options.order);
        if options.drop_single && draws.len() % batch_size == 1 {
            draws.pop();
        }
        let total = draws.len().div_ceil(batch_size);
        let first = options.skip_batches.min(total);
        let most = if options.windows { 1 } else { total - first };
        let workers = options.workers.clamp(1, most.max(1));
        let shared = Arc::new(Shared {
            source: subset.source.clone(),
            draws,
            pipeline,
            batch_size,
            windows: options.windows,
            seed,
            epoch,
            ahead: workers + LOOK_AHEAD,
            total,
            stop: AtomicBool::new(false),
            state: Mutex::new(State { started: first, delivered: first, ..State::default() }),
            room: Condvar::new(),
            finished: Condvar::new(),
        });
        let spawn = |i: usize| {
            let shared = shared.clone();
            let name = format!("residual-data-{i}");
            std::thread::Builder::new().name(name).spawn(move || shared.work())
        };
        let mut running = Vec::with_capacity(workers);
        if first < total {
            for i in 0..workers {
                match spawn(i) {
                    Ok(worker) => running.push(worker),
                    // Fewer workers do; none at all is said instead of the first batch.
                    Err(cause) if running.is_empty() => {
                        let message = format!("no thread could be started to load images: {cause}");
                        let error = Error::new(ErrorCode::Internal, message)
                            .hint("The system is short of memory or threads.");
                        shared.lock().done.insert(first, Err(error));
                        break;
                    }
                    Err(_) => break,
                }
            }
        }
        Loader { shared, workers: running, batches: total - first }
    }

    /// The next batch, or `None` after the last; waits for it.
    ///
    /// # Errors
    /// `E_INTERNAL` if loading a batch failed by a defect of the program; no batch follows it.
    #[allow(clippy::should_implement_trait)] // batches come back by `recycle`, which an iterator cannot offer while borrowed
    pub fn next(&mut self) -> Result<Option<LoadedBatch>> {
        loop {
            match self.next_within(Duration::from_secs(60))? {
                NextBatch::Ready(loaded) => return Ok(Some(loaded)),
                NextBatch::Pending => {}
                NextBatch::End => return Ok(None),
            }
        }
    }

    /// The next batch, if there is one within the time given.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub fn next_within(&mut self, patience: Duration) -> Result<NextBatch> {
        let deadline = Instant::now() + patience;
        let mut state = self.shared.lock();
        loop {
            let wanted = state.delivered;
            if let Some(done) = state.done.remove(&wanted) {
                state.delivered = match done {
                    Ok(_) => wanted + 1,
                    Err(_) => self.shared.total,
                };
                drop(state);
                self.shared.room.notify_one();
                return done.map(NextBatch::Ready);
            }
            if wanted >= self.shared.total {
                return Ok(NextBatch::End);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(NextBatch::Pending);
            }
            let waited = self.shared.finished.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Gives a batch's buffers back, to be filled again.
    pub fn recycle(&mut self, batch: Batch) {
        let mut state = self.shared.lock();
        if state.spare.len() < self.shared.ahead {
            state.spare.push(batch);
        }
    }

    /// What to call the image with this index in its source.
    pub fn name(&self, index: u32) -> String {
        self.shared.source.name(index as usize)
    }

    /// Batches that this loader delivers in all.
    pub fn batches(&self) -> usize {
        self.batches
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        // Set under the lock, so that no worker is between looking at it and going to sleep.
        let state = self.shared.lock();
        self.shared.stop.store(true, Ordering::Relaxed);
        drop(state);
        self.shared.room.notify_all();
        for worker in self.workers.drain(..) {
            // A worker's panic was caught and delivered where it happened.
            let _ = worker.join();
        }
    }
}

/// What the workers and the loader's owner share.
struct Shared {
    source: Arc<dyn Source>,
    draws: Vec<Sample>,
    pipeline: Arc<Pipeline>,
    batch_size: usize,
    windows: bool,
    seed: u64,
    epoch: u32,
    ahead: usize,
    total: usize,
    stop: AtomicBool,
    state: Mutex<State>,
    /// A batch was taken: there is room for another.
    room: Condvar,
    /// A batch was finished.
    finished: Condvar,
}

#[derive(Default)]
struct State {
    /// The next batch that no worker has begun.
    started: usize,
    /// The next batch to deliver.
    delivered: usize,
    done: BTreeMap<usize, Result<LoadedBatch>>,
    spare: Vec<Batch>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn work(&self) {
        let mut room = Image::default();
        while let Some((number, batch)) = self.begin() {
            let built = catch_unwind(AssertUnwindSafe(|| self.build(number, batch, &mut room)));
            let result = match built {
                Ok(Some(loaded)) => Ok(loaded),
                Ok(None) => return,
                Err(panic) => Err(internal(number, panic.as_ref())),
            };
            self.lock().done.insert(number, result);
            self.finished.notify_one();
        }
    }

    /// The next batch to build and a buffer for it, once there is room; `None` when there is no
    /// more to do.
    fn begin(&self) -> Option<(usize, Batch)> {
        let mut state = self.lock();
        loop {
            if self.stopped() || state.started >= self.total {
                return None;
            }
            if state.started < state.delivered + self.ahead {
                state.started += 1;
                return Some((state.started - 1, state.spare.pop().unwrap_or_default()));
            }
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// One batch; `None` if the loader was stopped meanwhile.
    fn build(&self, number: usize, mut batch: Batch, room: &mut Image) -> Option<LoadedBatch> {
        let start = number * self.batch_size;
        let wanted = &self.draws[start..self.draws.len().min(start + self.batch_size)];
        if self.windows {
            return Some(LoadedBatch { batch: self.windows_of(wanted), failed: Vec::new() });
        }
        let length = self.pipeline.len();
        let mut images = std::mem::take(batch.images_mut());
        images.resize(wanted.len() * length, 0.0);
        batch.labels.clear();
        batch.indices.clear();
        batch.views = None;
        // The numbers that are filled.
        let mut filled = 0;
        let mut failed = Vec::new();
        for &draw in wanted {
            if self.stopped() {
                return None;
            }
            let source = &self.source;
            let i = draw.index as usize;
            let rng = SampleRng::for_sample(self.seed, self.epoch, draw.index, draw.repeat);
            let wanted = |width, height| self.pipeline.wanted([width, height], &mut rng.clone());
            let channels = self.pipeline.channels() as u32;
            let image = match source.look(i, channels, &wanted, room) {
                Ok(image) => image,
                Err(error) => {
                    failed.push((source.name(i), error));
                    continue;
                }
            };
            let place = filled;
            match self.pipeline.views(image) {
                None => {
                    filled += length;
                    self.pipeline.apply(image, &mut rng.clone(), &mut images[place..filled]);
                }
                Some(views) => {
                    let pixels: usize = views.iter().map(|[h, w]| *h as usize * *w as usize).sum();
                    filled += pixels * self.pipeline.channels();
                    images.resize(filled.max(images.len()), 0.0);
                    self.pipeline.apply_views(image, &views, &mut images[place..filled]);
                    batch.views.get_or_insert_default().extend(views);
                }
            }
            batch.labels.push(source.label(i).into());
            batch.indices.push(draw.index);
        }
        images.truncate(filled);
        let mut rng = batch_rng(self.seed, self.epoch, number as u32);
        batch.mixed = self.pipeline.mix(&mut images, &batch.labels, &mut rng);
        *batch.images_mut() = images;
        Some(LoadedBatch { batch, failed })
    }

    fn windows_of(&self, wanted: &[Sample]) -> Batch {
        let window = |&draw: &Sample| {
            self.pipeline.window(&mut SampleRng::for_sample(
                self.seed,
                self.epoch,
                draw.index,
                draw.repeat,
            ))
        };
        let label = |draw: &Sample| self.source.label(draw.index as usize).into();
        Batch {
            labels: wanted.iter().map(label).collect(),
            indices: wanted.iter().map(|draw| draw.index).collect(),
            windows: Some(wanted.iter().map(window).collect()),
            ..Batch::default()
        }
    }
}

fn internal(number: usize, panic: &(dyn Any + Send)) -> Error {
    let reason = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no reason given");
    Error::new(ErrorCode::Internal, format!("loading batch {number} failed: {reason}"))
        .hint("This is a defect in residual; please report it with this message.")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use serde_json::json;

    use super::*;
    use crate::transforms::tests::grey;
    use crate::{MemorySource, Split};

    const SHUFFLED: SampleOrder = SampleOrder::Shuffled { seed: 5, epoch: 2 };

    fn options(batch_size: usize, workers: usize, order: SampleOrder) -> LoaderOptions {
        LoaderOptions {
            batch_size,
            workers,
            order,
            skip_batches: 0,
            drop_single: false,
            windows: false,
        }
    }

    fn memory(count: usize) -> Subset {
        let pixels = (0..count * 64).map(|i| (i * 7) as u8).collect();
        let labels = (0..count as u32).map(|i| i % 3).collect();
        Subset::full(Arc::new(MemorySource::new(Split::Train, [8, 8, 1], pixels, labels)))
    }

    fn augmenting() -> Arc<Pipeline> {
        Arc::new(Pipeline::train(&grey(8, json!({ "flip": true })), None))
    }

    fn all(mut loader: Loader) -> Vec<Batch> {
        let mut batches = Vec::new();
        while let Some(loaded) = loader.next().unwrap() {
            assert!(loaded.failed.is_empty());
            batches.push(loaded.batch.clone());
            loader.recycle(loaded.batch);
        }
        batches
    }

    /// Does to some images what `act` does, which is given the index.
    struct Acting<F>(F);

    impl<F: Fn(usize) -> Result<()> + Send + Sync> Source for Acting<F> {
        fn len(&self) -> usize {
            100
        }

        fn label(&self, i: usize) -> u32 {
            i as u32
        }

        fn name(&self, i: usize) -> String {
            format!("image {i}")
        }

        fn read(&self, i: usize, channels: u32, into: &mut Image) -> Result<()> {
            (self.0)(i)?;
            *into = Image::new(8, 8, channels, vec![0; 64 * channels as usize])?;
            Ok(())
        }
    }

    fn acting(act: impl Fn(usize) -> Result<()> + Send + Sync + 'static) -> Subset {
        Subset::full(Arc::new(Acting(act)))
    }

    #[test]
    fn the_bytes_are_the_same_whatever_the_number_of_workers() {
        let deliver =
            |workers| all(Loader::new(&memory(203), augmenting(), options(16, workers, SHUFFLED)));
        let one = deliver(1);
        assert_eq!(one.iter().map(Batch::len).sum::<usize>(), 203);
        assert_eq!(one.len(), 13);
        for workers in [2, 5] {
            assert!(deliver(workers) == one, "{workers} workers");
        }
    }

    #[test]
    fn a_balanced_epoch_is_as_long_and_the_same_whatever_the_number_of_workers() {
        // 60 images of class 0, 4 of class 1.
        let mut lopsided = memory(64);
        let labels = (0..64).map(|i| u32::from(i >= 60)).collect();
        let pixels = (0..64 * 64).map(|i| (i * 7) as u8).collect();
        lopsided.source = Arc::new(MemorySource::new(Split::Train, [8, 8, 1], pixels, labels));
        let deliver = |workers| {
            let order = SampleOrder::Balanced { seed: 5, epoch: 2 };
            all(Loader::new(&lopsided, augmenting(), options(7, workers, order)))
        };
        let one = deliver(1);
        let labels: Vec<i64> = one.iter().flat_map(|batch| batch.labels.clone()).collect();
        assert_eq!((labels.len(), labels.iter().sum::<i64>()), (64, 32));
        for workers in [2, 5] {
            assert!(deliver(workers) == one, "{workers} workers");
        }
        // The eight turns of a rare image are not all augmented alike.
        let rare = one.iter().flat_map(|batch| {
            batch.indices.iter().zip(batch.images.chunks(64)).filter(|&(&index, _)| index == 60)
        });
        let mut looks: Vec<&[f32]> = rare.map(|(_, image)| image).collect();
        assert_eq!(looks.len(), 8);
        looks.dedup();
        assert!(looks.len() > 1);
    }

    #[test]
    fn every_transform_at_once_depends_on_seed_epoch_and_image_alone() {
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
                    let pipeline = Pipeline::train(&grey(size, transform), Some(&mean));
                    let pipeline = Arc::new(pipeline);
                    let deliver = |workers, order| {
                        all(Loader::new(&subset, pipeline.clone(), options(16, workers, order)))
                    };
                    let one = deliver(1, SHUFFLED);
                    assert!(one.iter().all(|batch| batch.mixed.is_some()));
                    assert!(deliver(4, SHUFFLED) == one, "{crop} {policy} {erase} {mix}");
                    let another = SampleOrder::Shuffled { seed: 5, epoch: 3 };
                    assert!(deliver(1, another) != one);
                    // A resumed run finds the rest as it would have been.
                    let options = LoaderOptions { skip_batches: 3, ..options(16, 2, SHUFFLED) };
                    let rest = all(Loader::new(&subset, pipeline.clone(), options));
                    assert!(rest == one[3..]);
                }
            }
        }
    }

    #[test]
    fn views_of_all_images_lie_one_after_another() {
        for (views, each) in [
            (residual_spec::TestTimeAugment::Flip, vec![[8, 8]; 2]),
            (residual_spec::TestTimeAugment::Ten, vec![[8, 8]; 10]),
            (
                residual_spec::TestTimeAugment::MultiScale(vec![8, 10]),
                vec![[8, 8], [8, 8], [10, 10], [10, 10]],
            ),
        ] {
            let pipeline = Pipeline::eval(&grey(8, json!({})), None).with_views(views);
            let pipeline = Arc::new(pipeline);
            let numbers: u32 = each.iter().map(|[height, width]| height * width).sum();
            let deliver = |workers| {
                let options = options(4, workers, SampleOrder::Sequential);
                all(Loader::new(&memory(10), pipeline.clone(), options))
            };
            let batches = deliver(2);
            assert_eq!(batches.iter().map(Batch::len).sum::<usize>(), 10);
            for batch in &batches {
                assert_eq!(batch.views, Some(each.repeat(batch.len())));
                assert_eq!(batch.images.len(), batch.len() * numbers as usize);
            }
            assert!(deliver(1) == batches);
        }
    }

    #[test]
    fn an_epoch_has_every_image_once_in_an_order_of_its_own() {
        let indices = |order| -> Vec<u32> {
            let batches = all(Loader::new(&memory(100), augmenting(), options(7, 2, order)));
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
    fn a_resumed_epoch_goes_on_with_the_same_bytes() {
        let whole = all(Loader::new(&memory(50), augmenting(), options(8, 2, SHUFFLED)));
        let rest = LoaderOptions { skip_batches: 3, ..options(8, 2, SHUFFLED) };
        let loader = Loader::new(&memory(50), augmenting(), rest);
        assert_eq!(loader.batches(), 4);
        assert!(all(loader) == whole[3..]);
        let past = LoaderOptions { skip_batches: 9, ..rest };
        assert!(all(Loader::new(&memory(50), augmenting(), past)).is_empty());
    }

    #[test]
    fn where_images_are_to_be_cut_is_said_in_the_same_order_and_no_image_is_read() {
        let unread = acting(|_| panic!("it is read"));
        let windows = |options| {
            all(Loader::new(&unread, augmenting(), LoaderOptions { windows: true, ..options }))
        };
        let options = LoaderOptions { drop_single: true, ..options(33, 2, SHUFFLED) };
        let whole = windows(options);
        let read = all(Loader::new(&acting(|_| Ok(())), augmenting(), options));
        assert_eq!((whole.len(), read.len()), (3, 3));
        for (batch, read) in whole.iter().zip(&read) {
            assert_eq!((&batch.labels, &batch.indices), (&read.labels, &read.indices));
            let drawn = batch.windows.as_ref().unwrap();
            let window = |&index: &u32| augmenting().window(&mut SampleRng::new(5, 2, index));
            assert_eq!(*drawn, batch.indices.iter().map(window).collect::<Vec<_>>());
        }
        let rest = windows(LoaderOptions { skip_batches: 2, ..options });
        assert!(rest == whole[2..]);
    }

    #[test]
    fn a_last_batch_of_one_is_dropped_on_request() {
        let count = |images, drop_single| {
            let options = LoaderOptions { drop_single, ..options(8, 1, SampleOrder::Sequential) };
            all(Loader::new(&memory(images), augmenting(), options)).len()
        };
        assert_eq!([count(17, true), count(17, false), count(18, true)], [2, 3, 3]);
    }

    #[test]
    fn a_broken_image_is_left_out_of_its_batch_and_named() {
        let subset = acting(|i| match i % 10 {
            3 => Err(Error::new(ErrorCode::Image, "broken")),
            _ => Ok(()),
        });
        let mut loader =
            Loader::new(&subset, augmenting(), options(20, 3, SampleOrder::Sequential));
        let loaded = loader.next().unwrap().unwrap();
        assert_eq!(loaded.batch.len(), 18);
        assert_eq!(loaded.batch.images.len(), 18 * 64);
        assert!(!loaded.batch.indices.contains(&3));
        let names: Vec<&str> = loaded.failed.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["image 3", "image 13"]);
    }

    #[test]
    fn a_panic_in_a_worker_is_an_error_and_the_end() {
        let subset = acting(|i| if i == 45 { panic!("out of cheese") } else { Ok(()) });
        let mut loader =
            Loader::new(&subset, augmenting(), options(10, 2, SampleOrder::Sequential));
        for _ in 0..4 {
            assert_eq!(loader.next().unwrap().unwrap().batch.len(), 10);
        }
        let error = loader.next().unwrap_err();
        assert_eq!(error.code, ErrorCode::Internal);
        assert!(error.message.contains("out of cheese"), "{error}");
        assert!(loader.next().unwrap().is_none());
    }

    #[test]
    fn workers_stay_a_few_batches_ahead_and_no_more() {
        let read = Arc::new(AtomicUsize::new(0));
        let counter = read.clone();
        let subset = acting(move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
            Ok(())
        });
        let mut loader = Loader::new(&subset, augmenting(), options(5, 2, SampleOrder::Sequential));
        loader.next().unwrap();
        let ahead = 5 * (1 + 2 + LOOK_AHEAD);
        while read.load(Ordering::SeqCst) < ahead {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(read.load(Ordering::SeqCst), ahead);
    }

    #[test]
    fn dropping_stops_in_the_middle_of_a_batch() {
        let subset = acting(|_| {
            std::thread::sleep(Duration::from_millis(20));
            Ok(())
        });
        let mut loader =
            Loader::new(&subset, augmenting(), options(100, 1, SampleOrder::Sequential));
        let started = Instant::now();
        assert!(matches!(loader.next_within(Duration::from_millis(30)), Ok(NextBatch::Pending)));
        drop(loader);
        assert!(started.elapsed() < Duration::from_secs(1));
    }

    #[test]
    fn a_batch_that_somebody_still_has_is_not_written_over() {
        let mut loader = Loader::new(&memory(60), augmenting(), options(2, 1, SHUFFLED));
        let (mut held, mut wanted) = (Vec::new(), Vec::new());
        while let Some(LoadedBatch { batch, .. }) = loader.next().unwrap() {
            held.push(batch.images.clone());
            wanted.push(batch.images.to_vec());
            loader.recycle(batch);
        }
        assert_eq!(held.len(), 30);
        assert!(held.iter().zip(&wanted).all(|(held, wanted)| **held == *wanted));
    }

    #[test]
    fn nothing_to_load_ends_at_once() {
        let mut loader = Loader::new(&memory(0), augmenting(), options(8, 2, SHUFFLED));
        assert!(loader.next().unwrap().is_none());
        assert_eq!(loader.batches(), 0);
    }
}
