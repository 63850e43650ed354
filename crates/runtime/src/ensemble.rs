//! Evaluation of an ensemble by the mean of its models' probabilities (He et al. 2015, table 5).

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use residual_model::{Ensemble, EvaluationMetrics};
use residual_spec::{EnsembleEvaluation, Error, ErrorCode, EvaluateConfig, Result};

use crate::Session;

/// Evaluates each model and the ensemble of all models on the same images. Returns `None` if
/// `is_cancelled` returned true.
///
/// # Errors
/// `E_MISMATCH` if their classes or images differ; errors of [`Session::evaluate`].
pub fn evaluate_ensemble(
    models: &[&Session],
    request: &EvaluateConfig,
    is_cancelled: &dyn Fn() -> bool,
) -> Result<Option<EnsembleEvaluation>> {
    let Some(first) = models.first() else {
        return Err(Error::new(ErrorCode::Usage, "an ensemble needs at least one model")
            .key("models")
            .hint("Pass run folders or checkpoints."));
    };
    let request = EvaluateConfig {
        data: Some(request.data.clone().unwrap_or_else(|| first.train_data())),
        top_losses: None,
        samples: None,
        thumbnails: None,
        ..request.clone()
    };
    let started = Instant::now();
    let ensemble = Rc::new(RefCell::new(Ensemble::new()));
    let mut members = Vec::new();
    for model in models {
        ensemble.borrow_mut().next_model(model.class_indices_in(first)?);
        match model.evaluate_into(&request, None, Some(Rc::clone(&ensemble)), is_cancelled)? {
            None => return Ok(None),
            Some(evaluation) => members.push(evaluation),
        }
    }
    let ensemble = ensemble.borrow();
    if !ensemble.is_complete() {
        let message = "the models were trained with different validation splits";
        return Err(Error::new(ErrorCode::Mismatch, message)
            .key("split")
            .hint("Evaluate on the test split, or train with the same `data.splitSeed`."));
    }
    let classes = &first.info().classes;
    let mut metrics = EvaluationMetrics::new(classes.len());
    ensemble.add_means_to(&mut metrics);
    let evaluation = metrics.finish(classes, started.elapsed().as_secs_f64(), |_| String::new());
    let (data, broken, warnings) = members
        .first()
        .map(|member| (member.data.clone(), member.broken, member.warnings.clone()))
        .unwrap_or_default();
    let ensemble = residual_spec::Evaluation { data, broken, warnings, ..evaluation };
    Ok(Some(EnsembleEvaluation { ensemble, members }))
}
