//! Detection of the hardware, for the defaults of a configuration.

#[cfg(target_arch = "x86_64")]
use residual_kernels::has_bf16_matrix_unit;
use residual_spec::MachineInfo;
use residual_torch::distributed::Rendezvous;

use crate::free_memory::free_memory;

/// Detects cores, memory and devices, from the operating system, the CPU and libtorch.
pub fn machine_info() -> MachineInfo {
    MachineInfo {
        cores: cores(),
        bf16: has_fast_bf16(),
        cuda: residual_torch::cuda::is_available(),
        cuda_bf16: residual_torch::cuda::device_capability().is_some_and(|(major, _)| major >= 8),
        cuda_free_memory: residual_torch::cuda::free_memory(),
        free_memory: free_memory(),
    }
}

/// Returns the number of physical cores that this process may use. Processes that train together on
/// this machine share its cores.
pub fn cores() -> u32 {
    let cores = num_cpus::get_physical().min(num_cpus::get()) as u32;
    // An invalid environment is reported when the processes connect.
    let processes = Rendezvous::from_env().ok().flatten().map_or(1, |place| place.local_world_size);
    (cores / processes).max(1)
}

/// Returns whether bfloat16 is faster than fp32 on this CPU: with AMX, or with AVX512_BF16 on AMD.
/// Intel's AVX512_BF16 without AMX has the throughput of fp32, and the conversions make bfloat16
/// slower (docs/results.md).
#[cfg(target_arch = "x86_64")]
fn has_fast_bf16() -> bool {
    let vendor = std::arch::x86_64::__cpuid(0);
    let amd = (register(b"Auth"), register(b"enti"), register(b"cAMD"));
    let is_amd = (vendor.ebx, vendor.edx, vendor.ecx) == amd;
    has_bf16_matrix_unit() || (is_amd && std::arch::is_x86_feature_detected!("avx512bf16"))
}

/// Returns the value of a CPUID register that contains these ASCII letters.
#[cfg(target_arch = "x86_64")]
fn register(letters: &[u8; 4]) -> u32 {
    u32::from_le_bytes(*letters)
}

#[cfg(not(target_arch = "x86_64"))]
fn has_fast_bf16() -> bool {
    // The speed of bfloat16 on ARM has not been measured, so bfloat16 is not the default.
    false
}
