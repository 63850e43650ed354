//! Device, precision, memory layout, threads and image cache.

use super::Reasons;
use super::ranges::{check_integer, check_range};
use crate::*;

const MIB: u64 = 1 << 20;
/// Maximum default size of the cache in MiB if the free memory is unknown.
const MAX_CACHE_WITHOUT_MEMORY_INFO: u64 = 1024;
/// Bytes of each cached image in addition to its pixels.
const CACHE_OVERHEAD: u64 = 128;

/// Settings that depend on the machine.
pub(super) struct Hardware {
    pub device: Device,
    pub precision: Precision,
    pub memory_format: MemoryFormat,
    pub threads: u32,
    pub workers: u32,
    /// Size of the cache of decoded images in MiB.
    pub cache: u32,
}

/// # Errors
/// `E_DEVICE` for CUDA on a machine without it; `E_CONFIG` for a value out of range.
pub(super) fn resolve_hardware(
    config: &TrainConfig,
    budget: &Budget,
    facts: &DatasetInfo,
    machine: &MachineInfo,
    reasons: &mut Reasons,
) -> Result<Hardware> {
    let device = reasons.resolve_auto("device", &config.device, || {
        if machine.cuda {
            (Device::Cuda, "a CUDA device is available".into())
        } else {
            (Device::Cpu, "no CUDA device is available".into())
        }
    });
    if device == Device::Cuda && !machine.cuda {
        return Err(Error::new(ErrorCode::Device, "no CUDA device is available")
            .key("device")
            .hint("Omit `device` to train on the CPU."));
    }
    let precision =
        reasons.resolve_auto("precision", &config.precision, || default_precision(device, machine));
    let memory_format =
        reasons.resolve_auto("memoryFormat", &config.memory_format, || match precision {
            Precision::Fp64 => (
                MemoryFormat::Contiguous,
                "fp64 convolutions are equally fast in both formats".into(),
            ),
            Precision::Fp32 | Precision::Bf16 | Precision::Fp16 => {
                (MemoryFormat::ChannelsLast, "convolutions are faster than in `contiguous`".into())
            }
        });
    let one_per_core = || (machine.cores, "one per physical core".to_string());
    let threads = reasons.resolve_auto("threads", &config.threads, one_per_core);
    check_integer("threads", threads)?;
    let workers = reasons.resolve_auto("workers", &config.workers, one_per_core);
    check_integer("workers", workers)?;
    let cache =
        reasons.resolve_auto("cache", &config.cache, || default_cache(budget, facts, machine));
    if let Some(fraction) = config.memory_fraction {
        let is_valid = fraction > 0.0 && fraction <= 1.0;
        check_range("memoryFraction", fraction, is_valid, "above 0 and at most 1")?;
    }
    Ok(Hardware { device, precision, memory_format, threads, workers, cache })
}

fn default_precision(device: Device, machine: &MachineInfo) -> (Precision, String) {
    let (supports_bf16, supported, unsupported) = match device {
        Device::Cuda => (
            machine.cuda_bf16,
            "the GPU supports bfloat16 (compute capability 8.0 or higher)",
            "the GPU does not support bfloat16 (compute capability below 8.0)",
        ),
        Device::Cpu => (
            machine.bf16,
            "bfloat16 is faster than fp32 on this CPU (AMX, or AVX512_BF16 on AMD)",
            "bfloat16 is not faster than fp32 on this CPU",
        ),
    };
    if supports_bf16 {
        (Precision::Bf16, supported.into())
    } else {
        (Precision::Fp32, unsupported.into())
    }
}

/// Returns the size of the cache in MiB and the reason.
fn default_cache(budget: &Budget, facts: &DatasetInfo, machine: &MachineInfo) -> (u32, String) {
    let Some(decoded_bytes) = facts.decoded_bytes else {
        return (0, "the images are already in memory".into());
    };
    if budget.epochs == Some(1) {
        return (0, "a single epoch decodes every image once".into());
    }
    let (max, limit) = match machine.free_memory {
        Some(free) => (free / 4 / MIB, "a quarter of the free memory"),
        None => (MAX_CACHE_WITHOUT_MEMORY_INFO, "the free memory is unknown"),
    };
    let images = u64::from(facts.train) + u64::from(facts.val);
    let required = (decoded_bytes + CACHE_OVERHEAD * images).div_ceil(MIB);
    if required <= max {
        (required as u32, "size of all training and validation images".into())
    } else {
        let reason = format!(
            "{limit}; all images take {required} MiB, the others are decoded in every epoch"
        );
        (max.min(u32::MAX.into()) as u32, reason)
    }
}
