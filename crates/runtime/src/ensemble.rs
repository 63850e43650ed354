//! Several models as one: their probabilities averaged (the paper's table 5).

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use residual_model::{Ensemble, EvaluationMetrics};
use residual_spec::{EnsembleEvaluation, Error, ErrorCode, EvaluateConfig, Result};

use crate::Session;

/// Evaluates models one by one and together, on the same images; `None` if `go_on` said so.
///
/// # Errors
/// `E_MISMATCH` if their classes or their images differ, and whatever
/// [`Session::evaluate`] gives.
pub fn evaluate_ensemble(
    models: &[&Session],
    request: &EvaluateConfig,
    go_on: &dyn Fn() -> bool,
) -> Result<Option<EnsembleEvaluation>> {
    let Some(first) = models.first() else {
        return Err(Error::new(ErrorCode::Usage, "an ensemble has at least one model")
            .key("models")
            .hint("Give run folders or checkpoints."));
    };
    let request = EvaluateConfig {
        data: Some(request.data.clone().unwrap_or_else(|| first.data())),
        top_losses: None,
        samples: None,
        thumbnails: None,
        ..request.clone()
    };
    let started = Instant::now();
    let average = Rc::new(RefCell::new(Ensemble::new()));
    let mut members = Vec::new();
    for model in models {
        average.borrow_mut().next_model(model.columns_of(first)?);
        match model.evaluate_into(&request, None, Some(Rc::clone(&average)), go_on)? {
            None => return Ok(None),
            Some(evaluation) => members.push(evaluation),
        }
    }
    let average = average.borrow();
    if !average.is_complete() {
        return Err(Error::new(
            ErrorCode::Mismatch,
            "the models hold back different images for validation",
        )
        .key("split")
        .hint("Evaluate on the test part, or train with one `data.splitSeed`."));
    }
    let labels = &first.info().classes;
    let mut sums = EvaluationMetrics::new(labels.len());
    average.add_means_to(&mut sums);
    let ensemble = sums.finish(labels, started.elapsed().as_secs_f64(), |_| String::new());
    let (broken, warnings) =
        members.first().map(|member| (member.broken, member.warnings.clone())).unwrap_or_default();
    let ensemble = residual_spec::Evaluation { broken, warnings, ..ensemble };
    Ok(Some(EnsembleEvaluation { ensemble, members }))
}
