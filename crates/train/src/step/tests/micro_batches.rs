//! Steps whose batches do not fit into memory.

use super::*;
use crate::step::micro_batches::MicroBatches;

/// Returns VGG-11 without dropout and batch normalization, for which micro-batches do not change
/// the results.
fn network_without_norms(config: &ResolvedConfig) -> Network {
    let mut network = network(config);
    let mut features = None;
    for hidden in &mut network.hidden {
        hidden.dropout = 0.0;
        hidden.linear.in_features = features.unwrap_or(hidden.linear.in_features);
        hidden.linear.out_features = 8;
        features = Some(8);
    }
    network.head.in_features = features.unwrap_or(network.head.in_features);
    network
}

#[test]
fn micro_batches_compute_the_update_of_the_whole_batch() {
    let config = config("vgg11");
    let network = || network_without_norms(&config);
    let (mut whole, mut split) = (eager(&config, network()), eager(&config, network()));
    split.context.faults.memory_limit = Some(3);
    for seed in 0..2 {
        let [whole, split] = [&mut whole, &mut split].map(|step| {
            assert!(matches!(step.forward_backward(&batch(seed)).unwrap(), StepOutcome::Done(())));
            done(step.optimizer_step(0.05))
        });
        assert_eq!((split.num_correct, split.count), (whole.num_correct, whole.count));
    }
    assert_eq!((whole.max_micro_batch(), split.max_micro_batch()), (None, Some(2)));
    let difference = max_difference(&whole, &split);
    assert!(difference < 1e-12, "{difference}");
}

#[test]
fn crops_of_device_images_match_pixels_even_in_micro_batches() {
    let config = config("resnet8");
    let (pixels, crops, images) = device_batches(&config, 1);
    assert!(crops[0].images.is_empty() && crops[0].len() == 7);
    for memory_limit in [None, Some(3)] {
        let mut expected = eager(&config, network(&config));
        let mut found = eager(&config, network(&config));
        found.set_images(Some(Rc::clone(&images)));
        for (step, batch) in [(&mut expected, &pixels[0]), (&mut found, &crops[0])] {
            step.context.faults.memory_limit = memory_limit;
            assert!(matches!(step.forward_backward(batch).unwrap(), StepOutcome::Done(())));
            done(step.optimizer_step(0.05));
        }
        assert_eq!(found.max_micro_batch(), expected.max_micro_batch());
        assert_eq!(max_difference(&found, &expected), 0.0);
    }
}

#[test]
fn a_pass_that_runs_out_of_memory_does_not_change_the_running_statistics() {
    let config = config("resnet8");
    let mut failed = eager(&config, network(&config));
    let mut split_from_the_start = eager(&config, network(&config));
    failed.context.faults.memory_limit = Some(3);
    split_from_the_start.context.micro_batches = MicroBatches::with_max_size(2);
    for step in [&mut failed, &mut split_from_the_start] {
        assert!(matches!(step.forward_backward(&batch(0)).unwrap(), StepOutcome::Done(())));
        done(step.optimizer_step(0.05));
    }
    assert_eq!(failed.max_micro_batch(), Some(2));
    assert_eq!(max_difference(&failed, &split_from_the_start), 0.0);
}
