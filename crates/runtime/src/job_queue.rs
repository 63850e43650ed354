//! The queue of short jobs for the libtorch thread.
//!
//! Consecutive predict requests with the same model and options are batched, because one
//! forward pass over many images is much faster than one for each. No request waits for others to
//! arrive: whatever is queued when the thread is free is taken.

use std::collections::VecDeque;

use residual_model::ImageInput;
use residual_spec::{PredictConfig, Prediction, Result};

use crate::Worker;

/// Whether a job is done.
pub(crate) enum JobStatus {
    Done,
    /// The job was interrupted by more urgent work and has to start again after it.
    Interrupted,
}

pub(crate) type Job = Box<dyn FnMut(&mut Worker) -> JobStatus + Send>;

/// A request to classify images with an open model.
pub struct PredictRequest {
    /// Handle of the model.
    pub handle: u32,
    pub inputs: Vec<ImageInput>,
    pub options: PredictConfig,
    /// Called with the result, on the libtorch thread.
    pub respond: Box<dyn FnOnce(Result<Vec<Prediction>>) + Send>,
}

enum Queued {
    Job(Job),
    Request(PredictRequest),
}

/// Work that the thread executes without interleaving other work.
pub(crate) enum WorkItem {
    Job(Job),
    /// At least one request, all with the same model and options.
    Requests(Vec<PredictRequest>),
}

/// Jobs and predict requests, first in, first out.
#[derive(Default)]
pub(crate) struct JobQueue(VecDeque<Queued>);

impl JobQueue {
    pub fn push_job(&mut self, job: Job) {
        self.0.push_back(Queued::Job(job));
    }

    pub fn push_request(&mut self, request: PredictRequest) {
        self.0.push_back(Queued::Request(request));
    }

    /// Puts interrupted work back, in front of all other work.
    pub fn push_front(&mut self, item: WorkItem) {
        match item {
            WorkItem::Job(job) => self.0.push_front(Queued::Job(job)),
            WorkItem::Requests(requests) => {
                for request in requests.into_iter().rev() {
                    self.0.push_front(Queued::Request(request));
                }
            }
        }
    }

    /// Takes the first job, or the first request with the equal requests right behind it, up to
    /// `batch_size` images, which the network computes in one pass. Requests are not split, and the
    /// order is kept.
    pub fn take(&mut self, batch_size: impl FnOnce(&PredictRequest) -> usize) -> Option<WorkItem> {
        let first = match self.0.pop_front()? {
            Queued::Job(job) => return Some(WorkItem::Job(job)),
            Queued::Request(request) => request,
        };
        let batch_size = if self.0.is_empty() { 0 } else { batch_size(&first) };
        let mut images = first.inputs.len();
        let mut requests = vec![first];
        while let Some(Queued::Request(next)) = self.0.front() {
            images += next.inputs.len();
            let is_equal = next.handle == requests[0].handle && next.options == requests[0].options;
            if !is_equal || images > batch_size {
                break;
            }
            let Some(Queued::Request(next)) = self.0.pop_front() else { break };
            requests.push(next);
        }
        Some(WorkItem::Requests(requests))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(handle: u32, images: usize, top: u32) -> PredictRequest {
        PredictRequest {
            handle,
            inputs: (0..images).map(|_| ImageInput::Encoded(Vec::new())).collect(),
            options: PredictConfig { top: Some(top), ..PredictConfig::default() },
            respond: Box::new(|_| {}),
        }
    }

    /// Takes everything; returns the number of images of each request, and an empty list for a job.
    fn turns(queue: &mut JobQueue) -> Vec<Vec<usize>> {
        let mut turns = Vec::new();
        while let Some(taken) = queue.take(|_| 64) {
            turns.push(match taken {
                WorkItem::Job(_) => vec![],
                WorkItem::Requests(requests) => {
                    requests.iter().map(|one| one.inputs.len()).collect()
                }
            });
        }
        turns
    }

    #[test]
    fn consecutive_requests_share_a_pass() {
        let mut queue = JobQueue::default();
        (0..150).for_each(|_| queue.push_request(request(1, 1, 5)));
        assert_eq!(turns(&mut queue), [vec![1; 64], vec![1; 64], vec![1; 22]]);
        for images in [100, 1, 60, 4, 2] {
            queue.push_request(request(1, images, 5));
        }
        assert_eq!(turns(&mut queue), [vec![100], vec![1, 60], vec![4, 2]]);
    }

    #[test]
    fn only_equal_requests_share_a_pass_and_order_is_kept() {
        let mut queue = JobQueue::default();
        for (handle, top) in [(1, 5), (1, 5), (2, 5), (1, 5), (1, 3)] {
            queue.push_request(request(handle, 1, top));
        }
        queue.push_job(Box::new(|_| JobStatus::Done));
        queue.push_request(request(1, 1, 3));
        let found = turns(&mut queue);
        assert_eq!(found, [vec![1, 1], vec![1], vec![1], vec![1], vec![], vec![1]]);
    }

    #[test]
    fn work_that_is_put_back_comes_first_in_its_order() {
        let mut queue = JobQueue::default();
        (1..=3).for_each(|images| queue.push_request(request(1, images, 5)));
        let taken = queue.take(|_| 3).unwrap();
        queue.push_front(taken);
        queue.push_front(WorkItem::Job(Box::new(|_| JobStatus::Done)));
        assert_eq!(turns(&mut queue), [vec![], vec![1, 2, 3]]);
    }
}
