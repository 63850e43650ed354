//! Tests of the search for the first value that is not finite in a step that diverged.

use super::*;

/// Makes a step that diverges, and returns the first value that is not finite. Checks that the search
/// changes no tensor.
fn find(step: &mut TrainStep, batch: &Batch) -> NotFinite {
    let before = step.tensors();
    let is_diverged = match step.forward_backward(batch).unwrap() {
        StepOutcome::Done(()) => {
            matches!(step.optimizer_step(0.05).unwrap(), StepOutcome::Diverged(_))
        }
        StepOutcome::Diverged(_) => true,
    };
    assert!(is_diverged);
    step.roll_back().unwrap();
    let found = step.find_not_finite(batch, 0).unwrap().unwrap();
    step.roll_back().unwrap();
    for (before, after) in before.iter().zip(step.tensors()) {
        assert!(before.allclose(&after, 0.0, 0.0, true));
    }
    found
}

/// Fills a weight of the network.
fn fill(step: &TrainStep, name: &str, value: f64) {
    let (_, weight) = step.model().tensors().find(|(tensor, _)| *tensor == name).unwrap();
    let _ = weight.detach().fill_(value);
}

#[test]
fn names_the_images_whose_input_is_not_finite() {
    let config = config("resnet8");
    let values = 32 * 32 * 3;
    for engine in [eager, deferred] {
        let mut step = engine(&config, network(&config));
        let mut images = batch(0);
        for (image, value) in [(2, f32::NAN), (5, f32::NEG_INFINITY)] {
            Arc::make_mut(&mut images.images)[image * values + 7] = value;
        }
        images.indices = (10..17).collect();
        let found = find(&mut step, &images);
        assert_eq!(found, NotFinite { value: NotFiniteValue::Input, images: vec![12, 15] });
    }
}

#[test]
fn names_the_first_layer_whose_output_is_not_finite() {
    let config = config("resnet8");
    for engine in [eager, deferred] {
        for (weight, layer) in [
            ("conv1.weight", "conv1"),
            ("layer2.0.conv2.weight", "layer2.0.conv2"),
            ("layer2.0.bn1.weight", "layer2.0.bn1"),
            ("fc.weight", "fc"),
        ] {
            let mut step = engine(&config, network(&config));
            fill(&step, weight, f64::NAN);
            let found = find(&mut step, &batch(0));
            assert_eq!(found.value, NotFiniteValue::Output(layer.into()));
            assert_eq!(found.images, (0..7).collect::<Vec<u32>>());
            assert_eq!(step.not_finite_tensor().unwrap(), Some(weight));
        }
    }
}

#[test]
fn names_the_first_parameter_whose_gradient_is_not_finite() {
    let config = config("resnet8");
    for engine in [eager, deferred] {
        let mut step = engine(&config, network(&config));
        // The logits and the loss are finite, but the squares of the gradients before the head
        // are not.
        fill(&step, "fc.weight", 1e200);
        let (_, weight) = step.model().tensors().find(|(name, _)| *name == "fc.weight").unwrap();
        let _ = weight.detach().get(0).fill_(-1e200);
        let NotFiniteValue::Gradient(parameter) = find(&mut step, &batch(0)).value else {
            panic!("a value of the forward pass is not finite");
        };
        assert!(parameter.starts_with("layer3."), "{parameter}");
    }
}

#[test]
fn finds_no_value_in_a_step_that_does_not_diverge() {
    let config = config("resnet8");
    let mut step = eager(&config, network(&config));
    assert_eq!(step.find_not_finite(&batch(0), 0).unwrap(), None);
    step.roll_back().unwrap();
}
