//! What this machine can do.

use residual_spec::MachineFacts;

/// Asks the operating system, the CPU and libtorch.
pub fn machine_facts() -> MachineFacts {
    MachineFacts {
        cores: num_cpus::get_physical().min(num_cpus::get()).max(1) as u32,
        bf16: multiplies_bf16(),
        cuda: tch::Cuda::is_available(),
    }
}

#[cfg(target_arch = "x86_64")]
fn multiplies_bf16() -> bool {
    // Every CPU with AMX has AVX512_BF16 too.
    std::arch::is_x86_feature_detected!("avx512bf16")
}

#[cfg(not(target_arch = "x86_64"))]
fn multiplies_bf16() -> bool {
    // ARM's bfloat16 is not measured yet, so it is not chosen unasked.
    false
}
