//! Initial weights. They depend on the seed and on the index of the tensor in the network, not on
//! libtorch or the number of threads.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal, Uniform};

use crate::TensorSpec;

/// Distribution of initial values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    Zeros,
    Ones,
    /// Normal distribution with mean 0.
    Normal {
        std: f64,
    },
    /// Uniform distribution from `-bound` to `bound`.
    Uniform {
        bound: f64,
    },
}

/// Returns the initial values of `tensor`, the tensor at `index` of a network, in row-major order.
/// Each index has its own random stream, so that the size of one tensor, such as the head, does
/// not change the values of the others.
pub fn initial_values(tensor: &TensorSpec, seed: u64, index: u64) -> Vec<f32> {
    let count = tensor.numel() as usize;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(index);
    match tensor.init {
        Init::Zeros => vec![0.0; count],
        Init::Ones => vec![1.0; count],
        Init::Normal { std } => {
            let mut standard_normal = || -> f64 { StandardNormal.sample(&mut rng) };
            (0..count).map(|_| (standard_normal() * std) as f32).collect()
        }
        Init::Uniform { bound } => match Uniform::new(-bound, bound) {
            Ok(uniform) => (0..count).map(|_| uniform.sample(&mut rng) as f32).collect(),
            // The range is empty if `bound` is 0.
            Err(_) => vec![0.0; count],
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TensorKind;

    fn tensor(init: Init) -> TensorSpec {
        TensorSpec { name: "w".into(), shape: vec![100, 100], kind: TensorKind::Parameter, init }
    }

    #[test]
    fn values_depend_on_seed_and_index() {
        let normal = tensor(Init::Normal { std: 1.0 });
        assert_eq!(initial_values(&normal, 1, 0), initial_values(&normal, 1, 0));
        assert_ne!(initial_values(&normal, 1, 0), initial_values(&normal, 2, 0));
        assert_ne!(initial_values(&normal, 1, 0), initial_values(&normal, 1, 1));
    }

    #[test]
    fn values_have_the_requested_distribution() {
        let values = initial_values(&tensor(Init::Normal { std: 0.05 }), 3, 0);
        let variance = values.iter().map(|x| f64::from(x * x)).sum::<f64>() / values.len() as f64;
        assert!((variance.sqrt() - 0.05).abs() < 0.002);
        let values = initial_values(&tensor(Init::Uniform { bound: 0.1 }), 3, 0);
        assert!(values.iter().all(|x| x.abs() <= 0.1));
        assert!(values.iter().any(|x| x.abs() > 0.095));
    }
}
