//! Batches gathered to updates, epoch after epoch, for work whose weights are forgotten.

use std::sync::Arc;

use residual_data::{Loader, LoaderOptions, NextBatch, Pipeline, Subset};
use residual_spec::{ResolvedConfig, Result};

use residual_train::{BATCH_PATIENCE, Learner, Step, order};

/// What was gathered.
pub(crate) enum Gathered {
    /// The batches of an update: as many as it takes, or all that the epoch still had.
    Update,
    /// Something came out as NaN or infinite.
    NotFinite,
    /// In a whole epoch not one image could be read.
    Nothing,
    /// It was told to end.
    BrokenOff,
}

/// The batches of a run's epochs, from its first one on.
pub(crate) struct Gatherer<'a> {
    config: &'a ResolvedConfig,
    images: &'a Subset,
    pipeline: Arc<Pipeline>,
    windows: bool,
    epoch: u32,
    loader: Loader,
    /// Updates of this epoch.
    updates: u32,
}

impl<'a> Gatherer<'a> {
    /// `windows`: the learner has the images.
    pub fn new(
        config: &'a ResolvedConfig,
        images: &'a Subset,
        pipeline: Pipeline,
        windows: bool,
    ) -> Gatherer<'a> {
        let pipeline = Arc::new(pipeline);
        let loader = loader(config, images, &pipeline, windows, 0);
        Gatherer { config, images, pipeline, windows, epoch: 0, loader, updates: 0 }
    }

    /// Lets `learner` learn from what its next update is made of. `go_on` is asked before each batch.
    pub fn gather(&mut self, learner: &mut Learner, go_on: &dyn Fn() -> bool) -> Result<Gathered> {
        loop {
            if !go_on() {
                return Ok(Gathered::BrokenOff);
            }
            let loaded = match self.loader.next_within(BATCH_PATIENCE)? {
                NextBatch::Ready(loaded) => loaded,
                NextBatch::Pending => continue,
                NextBatch::End if learner.has_begun() => return Ok(self.update()),
                NextBatch::End if self.updates == 0 => return Ok(Gathered::Nothing),
                NextBatch::End => {
                    self.epoch += 1;
                    self.updates = 0;
                    let Gatherer { config, images, pipeline, windows, epoch, .. } = self;
                    self.loader = loader(config, images, pipeline, *windows, *epoch);
                    continue;
                }
            };
            // One image cannot be normalised by its batch.
            if loaded.batch.len() > 1 {
                if let Step::NotFinite(_) = learner.add(&loaded.batch)? {
                    return Ok(Gathered::NotFinite);
                }
            }
            self.loader.recycle(loaded.batch);
            if learner.is_full() {
                return Ok(self.update());
            }
        }
    }

    fn update(&mut self) -> Gathered {
        self.updates += 1;
        Gathered::Update
    }
}

fn loader(
    config: &ResolvedConfig,
    images: &Subset,
    pipeline: &Arc<Pipeline>,
    windows: bool,
    epoch: u32,
) -> Loader {
    let options = LoaderOptions { windows, ..LoaderOptions::train(config, order(config, epoch)) };
    Loader::new(images, Arc::clone(pipeline), options)
}
