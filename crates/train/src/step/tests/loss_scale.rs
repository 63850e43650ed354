//! Steps in half precision, with loss scaling.

use super::*;

/// Returns an eager and a deferred step in half precision.
fn half_precision_steps() -> (TrainStep, TrainStep) {
    let (config, network) = half_precision_config();
    (eager(&config, network()), deferred(&config, network()))
}

#[test]
fn overflowing_gradients_skip_the_update_without_divergence() {
    let (mut eager, mut deferred) = half_precision_steps();
    for step in [&mut eager, &mut deferred] {
        let start = step.tensors();
        let weights = step.model().parameters().count();
        set_loss_scale(step, 2f64.powi(40));
        step.forward_backward(&small_batch(0)).unwrap();
        done(step.optimizer_step(0.01));
        assert_eq!(step.loss_scale(), Some(2f64.powi(39)));
        let num_unchanged = |step: &TrainStep| {
            let current = step.model().parameters().map(|(_, weight)| weight.detach().copy());
            let before = step.model().tensors().zip(&start);
            let names: Vec<&str> = step.model().parameters().map(|(name, _)| name).collect();
            let before = before.filter(|((name, _), _)| names.contains(name));
            current.zip(before).filter(|(now, (_, before))| now.f_equal(before).unwrap()).count()
        };
        assert_eq!(num_unchanged(step), weights);
        set_loss_scale(step, 1024.0);
        for seed in 1..3 {
            step.forward_backward(&small_batch(seed)).unwrap();
            done(step.optimizer_step(0.01));
        }
        assert_eq!(step.loss_scale(), Some(1024.0));
        assert!(num_unchanged(step) < weights);
        assert_eq!(step.steps(), 3);
    }
    assert_eq!(max_difference(&deferred, &eager), 0.0);
}

#[test]
fn moving_average_starts_with_the_first_update_that_is_not_skipped() {
    let (mut config, network) = half_precision_config();
    config.ema.decay = 0.75;
    let mut step = eager(&config, network());
    let name = format!("{}.weight", step.model().network().head.name);
    let head = |model: &Model| {
        let mut tensors = model.tensors();
        tensors.find(|(tensor, _)| *tensor == name).unwrap().1.detach().copy()
    };
    let heads =
        |step: &TrainStep| [head(step.model()), head(step.state().ema.as_ref().unwrap().model())];
    let [start, _] = heads(&step);
    set_loss_scale(&mut step, 2f64.powi(40));
    step.forward_backward(&small_batch(0)).unwrap();
    done(step.optimizer_step(0.01));
    assert!(heads(&step).iter().all(|head| head.equal(&start)));
    set_loss_scale(&mut step, 1024.0);
    step.forward_backward(&small_batch(1)).unwrap();
    done(step.optimizer_step(0.01));
    let [first, average] = heads(&step);
    assert!(average.equal(&first) && !first.equal(&start));
    step.forward_backward(&small_batch(2)).unwrap();
    done(step.optimizer_step(0.01));
    let [second, average] = heads(&step);
    let expected = first * 0.75 + second * 0.25;
    assert!(average.allclose(&expected, 1e-6, 1e-7, false));
}

#[test]
fn lars_uses_unscaled_gradients() {
    let (mut config, network) = half_precision_config();
    let lars = json!({ "optimizer": { "type": "lars", "lr": 0.5 } });
    let lars = TrainConfig::from_json(&lars).unwrap();
    let facts = DatasetInfo::unknown(["a", "b", "c"].map(String::from).to_vec(), 3, Some([32; 2]));
    let facts = DatasetInfo { train: 100, ..facts };
    config.optimizer = resolve(&lars, &facts, &MachineInfo::with_cores(1)).unwrap().optimizer;
    assert!(matches!(config.optimizer, residual_spec::Optimizer::Lars(_)));
    let changes = |scale: f64| {
        let mut step = eager(&config, network());
        let start = step.tensors();
        set_loss_scale(&mut step, scale);
        for seed in 0..3 {
            step.forward_backward(&small_batch(seed)).unwrap();
            done(step.optimizer_step(0.5));
        }
        assert_eq!(step.loss_scale(), Some(scale));
        let changes = step.tensors().into_iter().zip(start).map(|(now, then)| now - then);
        changes.collect::<Vec<Tensor>>()
    };
    let largest = |tensor: &Tensor| tensor.abs().max().double_value(&[]);
    let (low, high) = (changes(256.0), changes(4096.0));
    assert!(low.iter().map(largest).fold(0.0, f64::max) > 1e-3);
    for (low, high) in low.iter().zip(&high) {
        // Differences are due to underflow in fp16 at the lower scale.
        let bound = 0.05 * largest(low) + 1e-5;
        assert!(largest(&(low - high)) < bound, "{} {bound}", largest(&(low - high)));
    }
}

#[test]
fn a_scale_below_the_minimum_is_a_divergence() {
    let (eager, deferred) = half_precision_steps();
    for mut step in [eager, deferred] {
        set_loss_scale(&mut step, 1.0);
        let _ = enlarge_head(&step);
        let before = step.tensors();
        step.forward_backward(&small_batch(1)).unwrap();
        let Divergence { quantity, value } = divergence(step.optimizer_step(0.01));
        assert_eq!((quantity, value), (LOSS_SCALE, 0.5));
        assert!(step.roll_back().unwrap());
        let scale = step.state().scaler.as_ref().unwrap().scale().double_value(&[]);
        assert_eq!((scale, step.steps()), (1.0, 0));
        assert!(before.iter().zip(step.tensors()).all(|(a, b)| a.f_equal(&b).unwrap()));
    }
}
