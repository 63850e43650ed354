//! What this machine can do.

use residual_kernels::has_amx_bf16;
use residual_spec::MachineInfo;

use crate::free_memory::free_memory;

/// Asks the operating system, the CPU and libtorch.
pub fn machine_info() -> MachineInfo {
    MachineInfo {
        cores: cores(),
        bf16: multiplies_bf16(),
        cuda: residual_torch::cuda::is_available(),
        cuda_bf16: residual_torch::cuda::device_capability().is_some_and(|(major, _)| major >= 8),
        cuda_free_memory: residual_torch::cuda::free_memory(),
        free_memory: free_memory(),
    }
}

/// Physical cores that this process may use.
pub fn cores() -> u32 {
    num_cpus::get_physical().min(num_cpus::get()).max(1) as u32
}

/// Whether bfloat16 is faster than fp32 here: with AMX's tiles, or with AVX512_BF16 on AMD. Intel's
/// AVX512_BF16 alone multiplies no more numbers a second than its fp32 does, and the conversions make
/// it the slower choice (docs/results.md).
#[cfg(target_arch = "x86_64")]
fn multiplies_bf16() -> bool {
    let vendor = std::arch::x86_64::__cpuid(0);
    let amd = (vendor.ebx, vendor.edx, vendor.ecx) == (word(b"Auth"), word(b"enti"), word(b"cAMD"));
    has_amx_bf16() || (amd && std::arch::is_x86_feature_detected!("avx512bf16"))
}

#[cfg(target_arch = "x86_64")]
fn word(letters: &[u8; 4]) -> u32 {
    u32::from_le_bytes(*letters)
}

#[cfg(not(target_arch = "x86_64"))]
fn multiplies_bf16() -> bool {
    // ARM's bfloat16 is not measured yet, so it is not chosen unasked.
    false
}
