//! Short jobs that wait for the thread, in their order. Requests to predict that wait behind each
//! other are taken together: a pass of the network over many images takes far less time than one
//! over each. Nothing waits for more of them to come; what is there when the thread is free is
//! taken.

use std::collections::VecDeque;

use residual_model::ImageInput;
use residual_spec::{PredictConfig, Prediction, Result};

use crate::Worker;

/// What became of a job's turn.
pub(crate) enum Turn {
    Done,
    /// It was broken off for something that could not wait, and is to begin again after that.
    Again,
}

pub(crate) type Job = Box<dyn FnMut(&mut Worker) -> Turn + Send>;

/// What is on some images, asked of an open model.
pub struct PredictRequest {
    /// The model's.
    pub handle: u32,
    pub inputs: Vec<ImageInput>,
    pub asked: PredictConfig,
    /// Is told, on the thread.
    pub answer: Box<dyn FnOnce(Result<Vec<Prediction>>) + Send>,
}

enum Short {
    Job(Job),
    Request(PredictRequest),
}

/// What is done at one turn.
pub(crate) enum Taken {
    Job(Job),
    /// All of one model and asked alike; one at least.
    Requests(Vec<PredictRequest>),
}

#[derive(Default)]
pub(crate) struct ShortJobs(VecDeque<Short>);

impl ShortJobs {
    pub fn push(&mut self, job: Job) {
        self.0.push_back(Short::Job(job));
    }

    pub fn push_request(&mut self, request: PredictRequest) {
        self.0.push_back(Short::Request(request));
    }

    /// Puts back what was taken, before all others.
    pub fn put_back(&mut self, taken: Taken) {
        match taken {
            Taken::Job(job) => self.0.push_front(Short::Job(job)),
            Taken::Requests(requests) => {
                for request in requests.into_iter().rev() {
                    self.0.push_front(Short::Request(request));
                }
            }
        }
    }

    /// The first job, or the first request and those right behind it that are asked alike, up to
    /// `most` images: what the network sees in one pass. No request is divided, and none overtakes
    /// anything.
    pub fn take(&mut self, most: impl FnOnce(&PredictRequest) -> usize) -> Option<Taken> {
        let first = match self.0.pop_front()? {
            Short::Job(job) => return Some(Taken::Job(job)),
            Short::Request(request) => request,
        };
        let most = if self.0.is_empty() { 0 } else { most(&first) };
        let mut images = first.inputs.len();
        let mut taken = vec![first];
        while let Some(Short::Request(next)) = self.0.front() {
            images += next.inputs.len();
            let alike = next.handle == taken[0].handle && next.asked == taken[0].asked;
            if !alike || images > most {
                break;
            }
            let Some(Short::Request(next)) = self.0.pop_front() else { break };
            taken.push(next);
        }
        Some(Taken::Requests(taken))
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
            asked: PredictConfig { top: Some(top), ..PredictConfig::default() },
            answer: Box::new(|_| {}),
        }
    }

    /// Of each turn, the requests' images; nothing for another job.
    fn turns(queue: &mut ShortJobs) -> Vec<Vec<usize>> {
        let mut turns = Vec::new();
        while let Some(taken) = queue.take(|_| 64) {
            turns.push(match taken {
                Taken::Job(_) => vec![],
                Taken::Requests(some) => some.iter().map(|one| one.inputs.len()).collect(),
            });
        }
        turns
    }

    #[test]
    fn requests_behind_each_other_are_taken_together_up_to_a_pass() {
        let mut queue = ShortJobs::default();
        (0..150).for_each(|_| queue.push_request(request(1, 1, 5)));
        assert_eq!(turns(&mut queue), [vec![1; 64], vec![1; 64], vec![1; 22]]);
        for images in [100, 1, 60, 4, 2] {
            queue.push_request(request(1, images, 5));
        }
        assert_eq!(turns(&mut queue), [vec![100], vec![1, 60], vec![4, 2]]);
    }

    #[test]
    fn nothing_is_overtaken_and_only_what_is_asked_alike_is_taken_together() {
        let mut queue = ShortJobs::default();
        for (handle, top) in [(1, 5), (1, 5), (2, 5), (1, 5), (1, 3)] {
            queue.push_request(request(handle, 1, top));
        }
        queue.push(Box::new(|_| Turn::Done));
        queue.push_request(request(1, 1, 3));
        let found = turns(&mut queue);
        assert_eq!(found, [vec![1, 1], vec![1], vec![1], vec![1], vec![], vec![1]]);
    }

    #[test]
    fn what_is_put_back_comes_first_and_in_its_order() {
        let mut queue = ShortJobs::default();
        (1..=3).for_each(|images| queue.push_request(request(1, images, 5)));
        let taken = queue.take(|_| 3).unwrap();
        queue.put_back(taken);
        queue.put_back(Taken::Job(Box::new(|_| Turn::Done)));
        assert_eq!(turns(&mut queue), [vec![], vec![1, 2, 3]]);
    }
}
