//! SIMD instruction sets and their detection.

use std::sync::OnceLock;

/// Instruction set that a kernel is compiled for, from slowest to fastest. Each architecture has
/// only its own levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SimdLevel {
    /// Scalar code: the reference for tests, not faster than ATen.
    Scalar,
    /// NEON, which every 64-bit Arm CPU has: 8 f32 values at a time, in pairs of registers.
    #[cfg(target_arch = "aarch64")]
    Neon,
    /// AVX2 and FMA: 8 f32 values at a time.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512 F and BW: 16 f32 values at a time.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl SimdLevel {
    /// Every level of this architecture, from slowest to fastest.
    const ALL: &[SimdLevel] = &[
        SimdLevel::Scalar,
        #[cfg(target_arch = "aarch64")]
        SimdLevel::Neon,
        #[cfg(target_arch = "x86_64")]
        SimdLevel::Avx2,
        #[cfg(target_arch = "x86_64")]
        SimdLevel::Avx512,
    ];

    /// Returns the best level of this CPU, detected once. As in ATen, the environment variable
    /// `ATEN_CPU_CAPABILITY` is an upper limit: `default` (no SIMD), or on x86-64 `avx2`.
    pub fn best() -> SimdLevel {
        static BEST: OnceLock<SimdLevel> = OnceLock::new();
        *BEST.get_or_init(|| {
            let limit = std::env::var("ATEN_CPU_CAPABILITY").unwrap_or_default();
            let limit = match limit.to_ascii_lowercase().as_str() {
                "default" => SimdLevel::Scalar,
                #[cfg(target_arch = "x86_64")]
                "avx2" => SimdLevel::Avx2,
                _ => SimdLevel::ALL[SimdLevel::ALL.len() - 1],
            };
            SimdLevel::detect().min(limit)
        })
    }

    fn detect() -> SimdLevel {
        let is_detected = |&&level: &&SimdLevel| level.is_detected();
        *SimdLevel::ALL.iter().rev().find(is_detected).expect("scalar code needs no detection")
    }

    /// Returns whether the CPU has the instructions of this level.
    fn is_detected(self) -> bool {
        match self {
            SimdLevel::Scalar => true,
            #[cfg(target_arch = "aarch64")]
            SimdLevel::Neon => true,
            #[cfg(target_arch = "x86_64")]
            SimdLevel::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            SimdLevel::Avx512 => {
                is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw")
            }
        }
    }

    /// Panics if the CPU lacks this level. Tests may exceed `ATEN_CPU_CAPABILITY`.
    pub(crate) fn assert_available(self) {
        assert!(self <= SimdLevel::best() || self == SimdLevel::Scalar || cfg!(test));
    }

    /// Iterates over the levels that this CPU supports.
    #[cfg(test)]
    pub(crate) fn available() -> impl Iterator<Item = SimdLevel> {
        SimdLevel::ALL.iter().copied().filter(|level| level.is_detected())
    }
}

/// Returns whether the CPU has instructions that multiply bfloat16 matrices: AMX-BF16 of x86-64, or
/// BF16 of Arm (BFMMLA, four times the multiplications of an fp32 instruction).
#[cfg(target_arch = "x86_64")]
pub fn has_bf16_matrix_unit() -> bool {
    use std::arch::x86_64::{__cpuid, __cpuid_count};

    __cpuid(0).eax >= 7 && __cpuid_count(7, 0).edx & (1 << 22) != 0
}

#[cfg(target_arch = "aarch64")]
pub fn has_bf16_matrix_unit() -> bool {
    std::arch::is_aarch64_feature_detected!("bf16")
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub fn has_bf16_matrix_unit() -> bool {
    false
}

/// Compiles the unsafe function `$kernel::<V>(...)` or `$kernel::<V, T>(...)` for each level and
/// calls the variant for `$level`. The kernel must require only the instructions of `V`, and
/// lengths that the caller of the macro has checked.
macro_rules! dispatch {
    ($level:expr, $kernel:ident$(::<$T:ident>)?($($name:ident: $type:ty),* $(,)?)) => {{
        use $crate::SimdLevel;

        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx512bw")]
        fn avx512$(<$T: $crate::Scalar>)?($($name: $type),*) {
            // SAFETY: the function is compiled for the instructions of the register type.
            unsafe { $kernel::<$crate::vector::Avx512 $(, $T)?>($($name),*) }
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma")]
        fn avx2$(<$T: $crate::Scalar>)?($($name: $type),*) {
            // SAFETY: the function is compiled for the instructions of the register type.
            unsafe { $kernel::<$crate::vector::Avx2 $(, $T)?>($($name),*) }
        }
        #[cfg(target_arch = "aarch64")]
        #[target_feature(enable = "neon")]
        fn neon$(<$T: $crate::Scalar>)?($($name: $type),*) {
            // SAFETY: the function is compiled for the instructions of the register type.
            unsafe { $kernel::<$crate::vector::Neon $(, $T)?>($($name),*) }
        }
        let level: SimdLevel = $level;
        level.assert_available();
        // SAFETY: the CPU has the level's instructions, and the caller of the macro has checked the
        // lengths of the slices.
        unsafe {
            match level {
                SimdLevel::Scalar => $kernel::<f32 $(, $T)?>($($name),*),
                #[cfg(target_arch = "aarch64")]
                SimdLevel::Neon => neon$(::<$T>)?($($name),*),
                #[cfg(target_arch = "x86_64")]
                SimdLevel::Avx2 => avx2$(::<$T>)?($($name),*),
                #[cfg(target_arch = "x86_64")]
                SimdLevel::Avx512 => avx512$(::<$T>)?($($name),*),
            }
        }
    }};
}
pub(crate) use dispatch;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalar_code_is_always_available_and_best_is_the_fastest_available() {
        let available: Vec<SimdLevel> = SimdLevel::available().collect();
        assert_eq!(available[0], SimdLevel::Scalar);
        assert!(available.is_sorted() && available.contains(&SimdLevel::best()));
        if std::env::var_os("ATEN_CPU_CAPABILITY").is_none() {
            assert_eq!(available.last(), Some(&SimdLevel::best()));
        }
    }

    #[cfg(target_arch = "aarch64")]
    #[test]
    fn neon_is_always_available() {
        assert!(SimdLevel::available().any(|level| level == SimdLevel::Neon));
    }
}
