//! Weights after 100 updates in float64, compared with the results of PyTorch's optimizers that
//! `scripts/fixtures/training.py` recorded. LARS is compared with the reference implementation in
//! this script.

use residual_optim::Optimizer;
use residual_spec::{Adam, Lars, Optimizer as Rule, Sgd};
use serde_json::Value;
use tch::Tensor;

mod oracle;

use oracle::{c, fixture, number, numbers};

fn rule(case: &Value) -> Rule {
    let value = |key: &str| number(&case[key]);
    let (lr, decay_norms) = (value("lr"), case["decay_norms"].as_bool().unwrap());
    let adam = || Adam {
        lr,
        betas: numbers(&case["betas"]).try_into().unwrap(),
        eps: value("eps"),
        weight_decay: value("weight_decay"),
        decay_norms,
    };
    match case["name"].as_str().unwrap() {
        "adam" => Rule::Adam(adam()),
        "adamw" => Rule::AdamW(adam()),
        "lars" => Rule::Lars(Lars {
            lr,
            momentum: value("momentum"),
            weight_decay: value("weight_decay"),
            trust_coefficient: value("trust_coefficient"),
            eps: value("eps"),
            decay_norms,
        }),
        "sgd" => Rule::Sgd(Sgd {
            lr,
            momentum: value("momentum"),
            weight_decay: value("weight_decay"),
            nesterov: case["nesterov"].as_bool().unwrap(),
            decay_norms,
        }),
        name => panic!("unknown optimizer in the fixture: {name}"),
    }
}

/// Returns the initial parameters of the fixtures, `c(5000 + k)`, by name.
fn initial_parameters(shapes: &Value) -> Vec<(String, Tensor)> {
    let shapes = shapes.as_object().unwrap();
    shapes
        .iter()
        .enumerate()
        .map(|(k, (name, shape))| {
            let shape: Vec<i64> = numbers(shape).iter().map(|n| *n as i64).collect();
            (name.clone(), hashed(5000 + k as u64, &shape).set_requires_grad(true))
        })
        .collect()
}

fn hashed(k: u64, shape: &[i64]) -> Tensor {
    let count = shape.iter().product::<i64>() as u64;
    Tensor::from_slice(&(0..count).map(|i| c(k, i)).collect::<Vec<_>>()).view(shape)
}

/// Makes update `step` (from 0) with the gradients and the learning rate of the fixtures.
fn update(optimizer: &mut Optimizer, parameters: &[(String, Tensor)], lr: f64, step: u64) {
    let gradients: Vec<Tensor> = parameters
        .iter()
        .enumerate()
        .map(|(k, (_, p))| p.detach() * 0.3 + hashed(6000 + 10 * step + k as u64, &p.size()))
        .collect();
    optimizer.step(&gradients, lr * (1.0 - step as f64 / 200.0), None).unwrap();
}

fn optimizer(rule: &Rule, parameters: &[(String, Tensor)]) -> Optimizer {
    Optimizer::new(rule, parameters.iter().map(|(name, p)| (name.as_str(), p))).unwrap()
}

#[test]
fn every_optimizer_matches_pytorch_after_100_updates() {
    let fixture = fixture("optimizers");
    for case in fixture["cases"].as_array().unwrap() {
        let (rule, parameters) = (rule(case), initial_parameters(&fixture["shapes"]));
        let mut optimizer = optimizer(&rule, &parameters);
        for step in 0..fixture["updates"].as_u64().unwrap() {
            update(&mut optimizer, &parameters, number(&case["lr"]), step);
        }
        for ((name, found), expected) in
            parameters.iter().zip(case["parameters"].as_array().unwrap())
        {
            let found: Vec<f64> = Vec::try_from(found.detach().view([-1])).unwrap();
            let expected = numbers(expected);
            assert_eq!(found.len(), expected.len());
            for (a, b) in found.iter().zip(&expected) {
                assert!((a - b).abs() <= 1e-9 * b.abs().max(1e-3), "{rule:?} {name}: {a} {b}");
            }
        }
    }
}

#[test]
fn a_restored_optimizer_continues_bit_for_bit() {
    let fixture = fixture("optimizers");
    for case in fixture["cases"].as_array().unwrap() {
        let (rule, lr) = (rule(case), number(&case["lr"]));
        let parameters = initial_parameters(&fixture["shapes"]);
        let mut original = optimizer(&rule, &parameters);
        (0..7).for_each(|step| update(&mut original, &parameters, lr, step));

        let restored_parameters: Vec<_> =
            parameters.iter().map(|(name, p)| (name.clone(), p.detach().copy())).collect();
        let mut resumed = optimizer(&rule, &restored_parameters);
        let saved: std::collections::BTreeMap<String, Tensor> =
            original.state().map(|(name, tensor)| (name, tensor.copy())).collect();
        resumed.load_state(7, |name| Ok(saved[name].copy())).unwrap();

        for step in 7..10 {
            update(&mut original, &parameters, lr, step);
            update(&mut resumed, &restored_parameters, lr, step);
        }
        for ((name, a), (_, b)) in parameters.iter().zip(&restored_parameters) {
            assert!(a.equal(b), "{rule:?} {name}");
        }
    }
}
