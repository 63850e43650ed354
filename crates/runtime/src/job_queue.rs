//! The queue of short jobs for the libtorch thread.
//!
//! Consecutive predict requests with the same model and options are batched, because one forward
//! pass of many images is much faster than many forward passes of one image. A batch consists of
//! requests that are queued when the thread becomes free; no request waits for later ones.

use std::collections::VecDeque;

use residual_model::ImageInput;
use residual_spec::{PredictConfig, Prediction, Result};

use crate::{Owner, Worker};

/// Result of executing a job.
pub(crate) enum JobStatus {
    Done,
    /// Urgent work interrupted the job, which has to restart after that work.
    Interrupted,
}

pub(crate) type Job = Box<dyn FnMut(&mut Worker) -> JobStatus + Send>;

/// A request to classify images with an open model.
pub struct PredictRequest {
    pub owner: Owner,
    /// Handle of the model.
    pub handle: u32,
    pub inputs: Vec<ImageInput>,
    pub options: PredictConfig,
    /// Called with the result, on the libtorch thread.
    pub respond: Box<dyn FnOnce(Result<Vec<Prediction>>) + Send>,
}

enum QueueEntry {
    Job(Job),
    Request(PredictRequest),
}

/// The unit of work that the thread takes from the queue.
pub(crate) enum WorkItem {
    Job(Job),
    /// Requests with the same model and options, at least one.
    Requests(Vec<PredictRequest>),
}

/// Jobs and predict requests, first in, first out.
#[derive(Default)]
pub(crate) struct JobQueue(VecDeque<QueueEntry>);

impl JobQueue {
    pub fn push_job(&mut self, job: Job) {
        self.0.push_back(QueueEntry::Job(job));
    }

    pub fn push_request(&mut self, request: PredictRequest) {
        self.0.push_back(QueueEntry::Request(request));
    }

    /// Returns interrupted work to the front of the queue.
    pub fn push_front(&mut self, item: WorkItem) {
        match item {
            WorkItem::Job(job) => self.0.push_front(QueueEntry::Job(job)),
            WorkItem::Requests(requests) => {
                for request in requests.into_iter().rev() {
                    self.0.push_front(QueueEntry::Request(request));
                }
            }
        }
    }

    /// Removes and returns the first job, or the first request and the requests with the same model
    /// and options that directly follow it. `batch_size` returns the maximum number of images of
    /// these requests together; a larger first request is returned whole.
    pub fn take(&mut self, batch_size: impl FnOnce(&PredictRequest) -> usize) -> Option<WorkItem> {
        let first = match self.0.pop_front()? {
            QueueEntry::Job(job) => return Some(WorkItem::Job(job)),
            QueueEntry::Request(request) => request,
        };
        let batch_size = if self.0.is_empty() { 0 } else { batch_size(&first) };
        let mut images = first.inputs.len();
        let mut requests = vec![first];
        while let Some(QueueEntry::Request(next)) = self.0.front() {
            images += next.inputs.len();
            let is_compatible =
                next.handle == requests[0].handle && next.options == requests[0].options;
            if !is_compatible || images > batch_size {
                break;
            }
            let Some(QueueEntry::Request(next)) = self.0.pop_front() else { break };
            requests.push(next);
        }
        Some(WorkItem::Requests(requests))
    }

    /// Returns the number of jobs and requests.
    pub fn len(&self) -> usize {
        self.0.len()
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
            owner: Owner::default(),
            handle,
            inputs: (0..images).map(|_| ImageInput::Encoded(Vec::new())).collect(),
            options: PredictConfig { top: Some(top), ..PredictConfig::default() },
            respond: Box::new(|_| {}),
        }
    }

    /// Empties the queue; returns for each work item the number of images of each request, and an
    /// empty list for a job.
    fn take_all(queue: &mut JobQueue) -> Vec<Vec<usize>> {
        let mut items = Vec::new();
        while let Some(item) = queue.take(|_| 64) {
            items.push(match item {
                WorkItem::Job(_) => vec![],
                WorkItem::Requests(requests) => {
                    requests.iter().map(|request| request.inputs.len()).collect()
                }
            });
        }
        items
    }

    #[test]
    fn consecutive_requests_share_a_pass() {
        let mut queue = JobQueue::default();
        (0..150).for_each(|_| queue.push_request(request(1, 1, 5)));
        assert_eq!(take_all(&mut queue), [vec![1; 64], vec![1; 64], vec![1; 22]]);
        for images in [100, 1, 60, 4, 2] {
            queue.push_request(request(1, images, 5));
        }
        assert_eq!(take_all(&mut queue), [vec![100], vec![1, 60], vec![4, 2]]);
    }

    #[test]
    fn only_requests_with_equal_options_share_a_pass_in_their_order() {
        let mut queue = JobQueue::default();
        for (handle, top) in [(1, 5), (1, 5), (2, 5), (1, 5), (1, 3)] {
            queue.push_request(request(handle, 1, top));
        }
        queue.push_job(Box::new(|_| JobStatus::Done));
        queue.push_request(request(1, 1, 3));
        let items = take_all(&mut queue);
        assert_eq!(items, [vec![1, 1], vec![1], vec![1], vec![1], vec![], vec![1]]);
    }

    #[test]
    fn interrupted_work_is_taken_first_in_its_order() {
        let mut queue = JobQueue::default();
        (1..=3).for_each(|images| queue.push_request(request(1, images, 5)));
        let item = queue.take(|_| 3).unwrap();
        queue.push_front(item);
        queue.push_front(WorkItem::Job(Box::new(|_| JobStatus::Done)));
        assert_eq!(take_all(&mut queue), [vec![], vec![1, 2, 3]]);
    }
}
