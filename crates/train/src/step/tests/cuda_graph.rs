//! Comparison of the CUDA graph engine with the deferred engine.

use super::*;
use crate::step::micro_batches::MicroBatches;

/// Returns nine batches of one shape and a smaller seventh batch.
fn batches_of_two_sizes(mut batch: impl FnMut(usize) -> Batch) -> Vec<Batch> {
    let smaller = |batch: Batch| MicroBatches::with_max_size(4).first(&batch);
    let mut batches: Vec<Batch> = (0..6).map(&mut batch).collect();
    batches.push(smaller(batch(6)));
    batches.extend((7..10).map(&mut batch));
    batches
}

/// Trains with and without graphs, and asserts that weights, state and metrics are bitwise
/// identical. Returns the step with the graph.
fn assert_bitwise_identical(
    config: &ResolvedConfig,
    image_size: u32,
    batches: &[Batch],
) -> TrainStep {
    let network = || residual_arch::build(&config.model, 3, image_size, 3).unwrap();
    let mut deferred = deferred(config, network());
    let mut captured = cuda_graph(config, network());
    let expected = train(&mut deferred, batches, 0);
    let found = train(&mut captured, batches, 0);
    let bits = |metrics: &[RunningMetrics]| -> Vec<_> {
        metrics.iter().map(|m| (m.loss_sum.to_bits(), m.num_correct, m.count)).collect()
    };
    assert_eq!(bits(&found), bits(&expected));
    assert_eq!(max_difference(&captured, &deferred), 0.0);
    assert_eq!(captured.loss_scale(), deferred.loss_scale());
    assert!(captured.has_captured());
    assert!(captured.take_graph_failure().is_none());
    captured
}

#[test]
fn replays_match_with_changing_learning_rates_and_a_smaller_batch() {
    let mut config = config("resnet8");
    config.gradient.clip_value = Some(0.05);
    let captured = assert_bitwise_identical(&config, 32, &batches_of_two_sizes(batch));
    // The first step, three warm-up steps, the captured step and the smaller batch.
    assert_eq!(captured.num_forward_passes(), 1 + 3 + 1 + 1);
    assert_eq!(captured.steps(), 10);
}

#[test]
fn replays_read_the_labels_and_shares_of_mixed_batches() {
    let mixed = |seed: usize| {
        let labels = (0..7).map(|i| (2 * i + seed as i64) % 3).collect();
        let lambda = 0.2 + 0.07 * seed as f64;
        Batch { mixed: Some(residual_data::MixedLabels { labels, lambda }), ..batch(seed) }
    };
    // A batch without mixed labels has another shape.
    let mut batches = batches_of_two_sizes(mixed);
    batches.push(batch(11));
    batches.push(mixed(12));
    assert_bitwise_identical(&config("resnet8"), 32, &batches);
}

#[test]
fn replays_advance_adams_step_and_the_loss_scale() {
    let (config, _) = half_precision_config();
    let captured = assert_bitwise_identical(&config, 8, &batches_of_two_sizes(small_batch));
    assert_eq!(captured.num_forward_passes(), 6);
    assert_eq!(captured.loss_scale(), Some(65536.0));
}

#[test]
fn replays_read_crops_of_device_images() {
    let config = config("resnet8");
    let (pixels, crops, images) = device_batches(&config, 7);
    let mut deferred = deferred(&config, network(&config));
    let mut captured = cuda_graph(&config, network(&config));
    captured.set_images(Some(images));
    train(&mut deferred, &pixels, 0);
    train(&mut captured, &crops, 0);
    assert!(captured.has_captured());
    assert_eq!(max_difference(&captured, &deferred), 0.0);
}

#[test]
fn replays_skip_overflows_and_report_a_scale_that_is_too_low() {
    let (config, network) = half_precision_config();
    let mut deferred = deferred(&config, network());
    let mut captured = cuda_graph(&config, network());
    let batches: Vec<Batch> = (0..5).map(small_batch).collect();
    for step in [&mut deferred, &mut captured] {
        train(step, &batches, 0);
        set_loss_scale(step, 2f64.powi(40));
        train(step, &[small_batch(5), small_batch(6)], 5);
        assert_eq!(step.loss_scale(), Some(2f64.powi(38)));
        set_loss_scale(step, 1024.0);
        train(step, &[small_batch(7)], 7);
    }
    assert_eq!(max_difference(&captured, &deferred), 0.0);
    assert_eq!(captured.num_forward_passes(), 5);

    let before = captured.tensors();
    set_loss_scale(&mut captured, 2.0);
    let name = format!("{}.weight", captured.model().network().head.name);
    let original = captured.model().tensors().find(|(tensor, _)| *tensor == name).unwrap();
    let original = original.1.detach().copy();
    let weight = enlarge_head(&captured);
    for seed in 8..10 {
        captured.forward_backward(&small_batch(seed)).unwrap();
        captured.start_optimizer_step(0.01).unwrap();
    }
    assert_eq!(done(captured.finish_optimizer_step()).count, 7);
    let Divergence { quantity, value } = divergence(captured.finish_optimizer_step());
    assert_eq!((quantity, value), (LOSS_SCALE, 0.5));
    assert!(captured.roll_back().unwrap());
    assert_eq!(captured.state().scaler.as_ref().unwrap().scale().double_value(&[]), 1.0);
    weight.shallow_clone().copy_(&original);
    let parameters = captured.model().tensors().zip(&before);
    let parameters = parameters.filter(|((name, _), _)| !name.contains("running"));
    assert!(parameters.into_iter().all(|((_, after), before)| after.f_equal(before).unwrap()));
}

#[test]
fn a_divergence_rolls_back_to_the_last_finite_step_and_replays_continue() {
    let config = config("resnet8");
    let mut deferred = deferred(&config, network(&config));
    let mut captured = cuda_graph(&config, network(&config));
    let batches: Vec<Batch> = (0..6).map(batch).collect();
    let mut broken = batch(6);
    broken.images_mut()[5] = f32::NAN;
    for step in [&mut deferred, &mut captured] {
        train(step, &batches, 0);
        step.forward_backward(&batch(10)).unwrap();
        step.start_optimizer_step(lr(6)).unwrap();
        let before = step.tensors();
        for batch in [&broken, &batch(7)] {
            step.forward_backward(batch).unwrap();
            step.start_optimizer_step(lr(7)).unwrap();
        }
        assert_eq!(done(step.finish_optimizer_step()).count, 7);
        divergence(step.finish_optimizer_step());
        assert!(step.roll_back().unwrap());
        assert!(before.iter().zip(step.tensors()).all(|(a, b)| a.f_equal(&b).unwrap()));
        assert_eq!(step.steps(), 7);
        assert!(!step.has_gradients());
        train(step, &[batch(8), batch(9)], 8);
    }
    assert_eq!(max_difference(&captured, &deferred), 0.0);
    assert!(captured.has_captured());
    assert_eq!(captured.num_forward_passes(), 5);
}

#[test]
fn rolling_back_discards_a_pending_replay() {
    let config = config("resnet8");
    let mut captured = cuda_graph(&config, network(&config));
    let batches: Vec<Batch> = (0..6).map(batch).collect();
    train(&mut captured, &batches, 0);
    let before = captured.tensors();
    captured.forward_backward(&batch(7)).unwrap();
    assert!(captured.has_gradients());
    assert!(captured.roll_back().unwrap());
    assert!(!captured.has_gradients() && !captured.is_full());
    assert!(before.iter().zip(captured.tensors()).all(|(a, b)| a.f_equal(&b).unwrap()));
}

#[test]
fn a_resumed_run_captures_again_and_is_bitwise_identical() {
    let (config, network) = half_precision_config();
    let batches: Vec<Batch> = (0..12).map(small_batch).collect();
    let mut expected = deferred(&config, network());
    train(&mut expected, &batches, 0);

    let mut first = cuda_graph(&config, network());
    train(&mut first, &batches[..6], 0);
    assert!(first.has_captured());
    let mut second = cuda_graph(&config, network());
    let weights = second.model().tensors().zip(first.model().tensors());
    tch::no_grad(|| weights.for_each(|((_, to), (_, from))| to.shallow_clone().copy_(from)));
    let saved: Vec<(String, Tensor)> = first
        .state()
        .optimizer
        .state()
        .chain(first.state().scaler.as_ref().unwrap().state())
        .map(|(name, tensor)| (name, tensor.copy()))
        .collect();
    let load_tensor = |name: &str| Ok(saved.iter().find(|(key, _)| key == name).unwrap().1.copy());
    let steps = first.steps();
    second.state_mut().optimizer.load_state(steps, load_tensor).unwrap();
    second.state_mut().scaler.as_mut().unwrap().load_state(load_tensor).unwrap();
    train(&mut second, &batches[6..], 6);
    assert!(second.has_captured());
    assert_eq!(second.num_forward_passes(), 3 + 1);
    assert_eq!(max_difference(&second, &expected), 0.0);
}

#[test]
fn a_failed_capture_is_reported_once_and_does_not_change_results() {
    let config = config("resnet8");
    let mut expected = eager(&config, network(&config));
    let mut failing = cuda_graph(&config, network(&config));
    failing.engine.graph_runner().unwrap().complete_warm_up(&batch(0));
    for index in 0..7 {
        if index == 1 {
            failing.context.faults.next_error.set(Some(ErrorCode::Internal));
        }
        for step in [&mut expected, &mut failing] {
            step.forward_backward(&batch(index)).unwrap();
            done(step.optimizer_step(lr(index)));
        }
        assert_eq!(
            failing.take_graph_failure().map(|error| error.code),
            (index == 1).then_some(ErrorCode::Internal)
        );
    }
    assert_eq!(max_difference(&failing, &expected), 0.0);
}

#[test]
fn falls_back_to_micro_batches_when_graph_memory_is_exhausted() {
    let config = config("resnet8");
    let mut expected = deferred(&config, network(&config));
    let mut captured = cuda_graph(&config, network(&config));
    let batches: Vec<Batch> = (0..6).map(batch).collect();
    for step in [&mut expected, &mut captured] {
        train(step, &batches[..4], 0);
        step.context.faults.memory_limit = Some(4);
        train(step, &batches[4..], 4);
        assert_eq!(step.max_micro_batch(), Some(4));
    }
    assert_eq!(captured.take_graph_failure().unwrap().code, ErrorCode::Memory);
    assert_eq!(max_difference(&captured, &expected), 0.0);
}

#[test]
fn frees_the_graph_before_it_splits_a_batch() {
    let config = config("resnet8");
    let mut expected = deferred(&config, network(&config));
    let mut captured = cuda_graph(&config, network(&config));
    let batches = batches_of_two_sizes(batch);
    train(&mut expected, &batches, 0);
    train(&mut captured, &batches[..6], 0);
    captured.context.faults.next_error.set(Some(ErrorCode::Memory));
    train(&mut captured, &batches[6..], 6);
    assert_eq!(captured.take_graph_failure().unwrap().code, ErrorCode::Memory);
    assert_eq!((captured.has_captured(), captured.max_micro_batch()), (false, None));
    assert_eq!(max_difference(&captured, &expected), 0.0);
}

#[test]
fn a_released_graph_is_not_captured_again() {
    let config = config("resnet8");
    let mut expected = deferred(&config, network(&config));
    let mut captured = cuda_graph(&config, network(&config));
    let batches: Vec<Batch> = (0..12).map(batch).collect();
    train(&mut expected, &batches, 0);
    train(&mut captured, &batches[..6], 0);
    let out_of_memory = Error::new(ErrorCode::Memory, "out of memory");
    assert!(captured.release_graph(&out_of_memory));
    assert!(!captured.release_graph(&out_of_memory));
    assert_eq!(captured.take_graph_failure().unwrap().code, ErrorCode::Memory);
    train(&mut captured, &batches[6..], 6);
    assert!(!captured.has_captured());
    assert_eq!(max_difference(&captured, &expected), 0.0);
}

#[test]
fn unsupported_configurations_train_without_graphs_and_report_the_reason() {
    let mut config = config("resnet8");
    (config.cuda_graphs, config.gradient.accumulate) = (true, 2);
    let on_cuda = |config: &ResolvedConfig| {
        let network = network(config);
        let (engine, graph_failure) = cuda_engine(config, &network, tch::Device::Cpu).unwrap();
        let model = Model::new(network, ComputeOptions::from_config(config), 1).unwrap();
        TrainStep::with_engine(config, model, &[], engine, graph_failure).unwrap()
    };
    let mut expected = deferred(&config, network(&config));
    let mut found = on_cuda(&config);
    let reason = found.take_graph_failure().unwrap();
    assert_eq!(reason.code, ErrorCode::Config);
    assert!(reason.message.contains("gradient.accumulate"), "{reason}");
    for index in 0..12 {
        for step in [&mut expected, &mut found] {
            step.forward_backward(&batch(index)).unwrap();
            if step.is_full() {
                done(step.optimizer_step(lr(index)));
            }
        }
    }
    assert_eq!(max_difference(&found, &expected), 0.0);
    assert!(found.take_graph_failure().is_none());

    config.gradient.accumulate = 1;
    let mut supported = on_cuda(&config);
    assert!(supported.take_graph_failure().is_none());
    assert!(supported.engine.graph_runner().is_some());
    config.cuda_graphs = false;
    assert!(on_cuda(&config).engine.graph_runner().is_none());
}
