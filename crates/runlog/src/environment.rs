//! environment.json: what a run ran on, for whoever compares its numbers later.

use std::fs;
use std::thread::available_parallelism;

use residual_spec::{Device, ResolvedConfig};
use serde::{Deserialize, Serialize};
use time::UtcDateTime;
use time::format_description::well_known::Rfc3339;

/// Of the session that wrote to the folder last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Environment {
    /// Version of this package.
    pub residual: String,
    /// Version of libtorch.
    pub libtorch: String,
    /// `linux`, `macos`, `windows`.
    pub os: String,
    /// The kernel's release, where the system tells.
    pub kernel: Option<String>,
    /// `x86_64`, `aarch64`.
    pub arch: String,
    /// The processor's name, or `unknown`.
    pub cpu: String,
    /// The instruction set that libtorch chose: `AVX512`, `AVX2`, `DEFAULT`.
    pub cpu_capability: String,
    /// Logical processors that this process may use.
    pub cores: usize,
    /// Threads for the arithmetic.
    pub threads: u32,
    pub device: Device,
    pub seed: u64,
    /// When the session began, UTC, ISO 8601.
    pub started_at: String,
}

impl Environment {
    /// What this process finds, beside what only libtorch can say.
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

/// The processor's name out of Linux's /proc/cpuinfo.
fn cpu_name(info: &str) -> Option<String> {
    info.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| matches!(key.trim(), "model name" | "Model" | "cpu model"))
        .map(|(_, name)| name.trim().to_string())
        .filter(|name| !name.is_empty())
}

fn now() -> String {
    let now = UtcDateTime::now();
    now.truncate_to_second().format(&Rfc3339).expect("a time of this era has this form")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_named_by_its_model() {
        let info = "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel\t\t: 143\n\
                    model name\t: Intel(R) Xeon(R) @ 2.0GHz: x\n";
        assert_eq!(cpu_name(info).unwrap(), "Intel(R) Xeon(R) @ 2.0GHz: x");
        assert_eq!(cpu_name("model name :\n"), None);
        assert_eq!(cpu_name(""), None);
    }

    #[test]
    fn the_time_is_one_that_javascript_reads() {
        let now = now();
        assert_eq!((now.len(), &now[10..11], &now[19..]), (20, "T", "Z"), "{now}");
    }
}
