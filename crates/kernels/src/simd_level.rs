//! SIMD instruction sets and their detection.

use std::sync::OnceLock;

/// Instruction set that a kernel is compiled for, from slowest to fastest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SimdLevel {
    /// Scalar code: the reference for tests, not faster than ATen.
    Scalar,
    /// AVX2 and FMA: 8 f32 values at a time.
    Avx2,
    /// AVX-512 F and BW: 16 f32 values at a time.
    Avx512,
}

impl SimdLevel {
    /// Returns the best level of this CPU, detected once. As in ATen, the environment variable
    /// `ATEN_CPU_CAPABILITY` (`default`, `avx2`, `avx512`) is an upper limit.
    pub fn best() -> SimdLevel {
        static BEST: OnceLock<SimdLevel> = OnceLock::new();
        *BEST.get_or_init(|| {
            let limit = std::env::var("ATEN_CPU_CAPABILITY").unwrap_or_default();
            let limit = match limit.to_ascii_lowercase().as_str() {
                "default" => SimdLevel::Scalar,
                "avx2" => SimdLevel::Avx2,
                _ => SimdLevel::Avx512,
            };
            SimdLevel::detect().min(limit)
        })
    }

    #[cfg(target_arch = "x86_64")]
    fn detect() -> SimdLevel {
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw") {
            SimdLevel::Avx512
        } else if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            SimdLevel::Avx2
        } else {
            SimdLevel::Scalar
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn detect() -> SimdLevel {
        SimdLevel::Scalar
    }

    /// Panics if the CPU lacks this level. Tests may exceed `ATEN_CPU_CAPABILITY`.
    pub(crate) fn assert_available(self) {
        assert!(self <= SimdLevel::best() || self == SimdLevel::Scalar || cfg!(test));
    }

    /// Iterates over the levels that this CPU supports.
    #[cfg(test)]
    pub(crate) fn available() -> impl Iterator<Item = SimdLevel> {
        [SimdLevel::Scalar, SimdLevel::Avx2, SimdLevel::Avx512]
            .into_iter()
            .filter(|&level| level <= SimdLevel::detect())
    }
}

/// Returns whether the CPU multiplies bfloat16 tiles (AMX-BF16).
#[cfg(target_arch = "x86_64")]
pub fn has_amx_bf16() -> bool {
    use std::arch::x86_64::{__cpuid, __cpuid_count};

    __cpuid(0).eax >= 7 && __cpuid_count(7, 0).edx & (1 << 22) != 0
}

#[cfg(not(target_arch = "x86_64"))]
pub fn has_amx_bf16() -> bool {
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
        let level: SimdLevel = $level;
        level.assert_available();
        // SAFETY: the CPU has the level's instructions, and the caller of the macro has checked the
        // lengths of the slices.
        unsafe {
            match level {
                SimdLevel::Scalar => $kernel::<f32 $(, $T)?>($($name),*),
                #[cfg(target_arch = "x86_64")]
                SimdLevel::Avx2 => avx2$(::<$T>)?($($name),*),
                #[cfg(target_arch = "x86_64")]
                SimdLevel::Avx512 => avx512$(::<$T>)?($($name),*),
                #[cfg(not(target_arch = "x86_64"))]
                SimdLevel::Avx2 | SimdLevel::Avx512 => unreachable!("only x86-64 has this level"),
            }
        }
    }};
}
pub(crate) use dispatch;
