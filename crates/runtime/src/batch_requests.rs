//! Batched execution of predict requests.

use residual_model::GroupPredictions;
use residual_spec::Result;

use crate::catch_panic;
use crate::job_queue::PredictRequest;
use crate::worker::{Worker, process_exiting};

/// Computes requests with the same model and options in shared forward passes, and responds to each
/// one. Requests of owners that have ended are dropped. Returns the requests without a response if
/// urgent work interrupted them.
pub(crate) fn respond_to_requests(
    worker: &Worker,
    mut requests: Vec<PredictRequest>,
) -> Option<Vec<PredictRequest>> {
    requests.retain(|request| !request.owner.has_ended());
    if requests.is_empty() {
        return None;
    }
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
        // One invalid request fails the whole batch, so each request is computed separately.
        Err(_) => {
            while !requests.is_empty() {
                if let Some(mut interrupted) = respond_to_requests(worker, vec![requests.remove(0)])
                {
                    interrupted.append(&mut requests);
                    return Some(interrupted);
                }
            }
            None
        }
    }
}

/// Returns the predictions of each request; `None` if urgent work interrupted the computation.
fn predict(worker: &Worker, requests: &[PredictRequest]) -> Result<Option<GroupPredictions>> {
    let first = &requests[0];
    let inputs: Vec<_> = requests.iter().map(|request| request.inputs.as_slice()).collect();
    let session = worker.session(first.handle)?;
    let have_owners_ended = || requests.iter().all(|request| request.owner.has_ended());
    let is_interrupted = || have_owners_ended() || worker.has_urgent_work();
    session.predict(&inputs, &first.options, &is_interrupted)
}
