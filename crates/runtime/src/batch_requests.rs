//! Joint execution of predict requests that were queued behind each other.

use std::sync::atomic::AtomicBool;

use residual_model::GroupPredictions;
use residual_spec::Result;

use crate::catch_panic;
use crate::job_queue::PredictRequest;
use crate::worker::{Worker, process_exiting};

/// Computes requests with the same model and options, and responds to each. Returns the requests
/// that were interrupted by urgent work.
pub(crate) fn respond_to_requests(
    worker: &Worker,
    mut requests: Vec<PredictRequest>,
) -> Option<Vec<PredictRequest>> {
    match catch_panic(|| predict(worker, &requests)) {
        Ok(Some(predictions)) => {
            for (request, result) in requests.into_iter().zip(predictions) {
                (request.respond)(result);
            }
            None
        }
        Ok(None) if worker.is_closing() => {
            for request in requests {
                (request.respond)(Err(process_exiting()));
            }
            None
        }
        Ok(None) => Some(requests),
        Err(error) if requests.len() == 1 => {
            for request in requests {
                (request.respond)(Err(error.clone()));
            }
            None
        }
        // The error of one request may have failed all of them.
        Err(_) => {
            while !requests.is_empty() {
                if let Some(mut rest) = respond_to_requests(worker, vec![requests.remove(0)]) {
                    rest.append(&mut requests);
                    return Some(rest);
                }
            }
            None
        }
    }
}

/// Returns the result of each request; `None` if they were interrupted.
fn predict(worker: &Worker, requests: &[PredictRequest]) -> Result<Option<GroupPredictions>> {
    let never = AtomicBool::new(false);
    let first = &requests[0];
    let inputs: Vec<_> = requests.iter().map(|request| request.inputs.as_slice()).collect();
    let session = worker.session(first.handle)?;
    session.predict(&inputs, &first.options, &|| worker.is_cancelled(&never))
}
