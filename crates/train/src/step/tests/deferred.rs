//! Comparison of the deferred engine with the eager engine.

use super::*;

/// Makes three updates of two batches each.
fn three_updates(mut step: TrainStep) -> (TrainStep, Vec<RunningMetrics>) {
    step.context.gradient.accumulate = 2;
    for seed in 0..3 {
        step.forward_backward(&batch(seed)).unwrap();
        step.forward_backward(&batch(seed + 10)).unwrap();
        step.start_optimizer_step(0.05).unwrap();
    }
    let metrics = (0..3).map(|_| done(step.finish_optimizer_step())).collect();
    (step, metrics)
}

#[test]
fn matches_the_eager_engine_bit_for_bit() {
    let mut config = config("resnet8");
    config.gradient.clip_value = Some(0.05);
    let (eager, expected) = three_updates(eager(&config, network(&config)));
    let deferred = deferred(&config, network(&config));
    assert_eq!(deferred.max_in_flight(), MAX_IN_FLIGHT);
    let (deferred, found) = three_updates(deferred);
    assert_eq!(max_difference(&deferred, &eager), 0.0);
    for (found, expected) in found.iter().zip(&expected) {
        assert!((found.loss_sum - expected.loss_sum).abs() < 1e-12 * expected.loss_sum);
        assert_eq!((found.num_correct, found.count), (expected.num_correct, expected.count));
    }
}

#[test]
fn makes_no_update_after_a_loss_that_is_not_finite() {
    let config = config("resnet8");
    let mut found = deferred(&config, network(&config));
    let mut expected = eager(&config, network(&config));
    expected.forward_backward(&batch(0)).unwrap();
    done(expected.optimizer_step(0.05));
    let mut broken = batch(1);
    broken.images_mut()[5] = f32::NAN;
    for batch in [&batch(0), &broken, &batch(2)] {
        found.forward_backward(batch).unwrap();
        found.start_optimizer_step(0.05).unwrap();
    }
    assert_eq!(done(found.finish_optimizer_step()).count, 7);
    let Divergence { quantity, value } = divergence(found.finish_optimizer_step());
    assert_eq!((quantity, value.is_nan()), ("the loss", true));
    assert!(found.roll_back().unwrap());
    assert_eq!(max_difference(&found, &expected), 0.0);
    assert_eq!(found.steps(), 1);
    for step in [&mut found, &mut expected] {
        step.forward_backward(&batch(3)).unwrap();
        step.optimizer_step(0.05).unwrap();
    }
    assert_eq!(max_difference(&found, &expected), 0.0);
}
