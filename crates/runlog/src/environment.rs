//! environment.json: machine and software versions of a run, to interpret its measurements.

use std::fs;
use std::thread::available_parallelism;

use residual_spec::{Device, ResolvedConfig};
use serde::{Deserialize, Serialize};
use time::UtcDateTime;
use time::format_description::well_known::Rfc3339;

/// Environment of the process that last wrote to the run folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Environment {
    /// Version of residual.
    pub residual: String,
    /// Version of libtorch.
    pub libtorch: String,
    /// `linux`, `macos`, `windows`.
    pub os: String,
    /// Kernel release, on Linux.
    pub kernel: Option<String>,
    /// `x86_64`, `aarch64`.
    pub arch: String,
    /// Processor name, or `unknown`.
    pub cpu: String,
    /// Instruction set that libtorch uses: `AVX512`, `AVX2` or `DEFAULT`.
    pub cpu_capability: String,
    /// Logical processors available to this process.
    pub cores: usize,
    /// Intra-op threads of libtorch.
    pub threads: u32,
    pub device: Device,
    pub seed: u64,
    /// Time at which the process started or resumed the run: UTC, ISO 8601.
    pub started_at: String,
}

impl Environment {
    /// Detects the environment of this process. `libtorch` and `cpu_capability` come from libtorch.
    pub fn detect(libtorch: &str, cpu_capability: &str, config: &ResolvedConfig) -> Environment {
        Environment {
            residual: env!("CARGO_PKG_VERSION").into(),
            libtorch: libtorch.into(),
            os: std::env::consts::OS.into(),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")
                .ok()
                .map(|release| release.trim().into()),
            arch: std::env::consts::ARCH.into(),
            cpu: fs::read_to_string("/proc/cpuinfo")
                .ok()
                .and_then(|info| cpu_name(&info))
                .unwrap_or_else(|| "unknown".into()),
            cpu_capability: cpu_capability.into(),
            cores: available_parallelism().map_or(1, usize::from),
            threads: config.threads,
            device: config.device,
            seed: config.seed,
            started_at: now(),
        }
    }
}

/// Returns the processor name from the text of Linux's /proc/cpuinfo.
fn cpu_name(info: &str) -> Option<String> {
    info.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| matches!(key.trim(), "model name" | "Model" | "cpu model"))
        .map(|(_, name)| name.trim().to_string())
        .filter(|name| !name.is_empty())
}

fn now() -> String {
    let now = UtcDateTime::now();
    now.truncate_to_second().format(&Rfc3339).expect("the current year has four digits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_model_name_from_cpuinfo() {
        let info = "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel\t\t: 143\n\
                    model name\t: Intel(R) Xeon(R) @ 2.0GHz: x\n";
        assert_eq!(cpu_name(info).unwrap(), "Intel(R) Xeon(R) @ 2.0GHz: x");
        assert_eq!(cpu_name("model name :\n"), None);
        assert_eq!(cpu_name(""), None);
    }

    #[test]
    fn the_start_time_is_iso_8601_in_seconds() {
        let now = now();
        assert_eq!((now.len(), &now[10..11], &now[19..]), (20, "T", "Z"), "{now}");
    }
}
