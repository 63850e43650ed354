//! What this CPU can do.

use std::sync::OnceLock;

/// The instructions that a kernel is compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SimdLevel {
    /// One number at a time: the reference, and no faster than ATen.
    Scalar,
    /// 8 numbers at a time.
    Avx2,
    /// 16 numbers at a time.
    Avx512,
}

impl SimdLevel {
    /// The best level of this CPU, found once. As in ATen, the environment variable
    /// `ATEN_CPU_CAPABILITY` (`default`, `avx2`, `avx512`) lowers it.
    pub fn best() -> SimdLevel {
        static BEST: OnceLock<SimdLevel> = OnceLock::new();
        *BEST.get_or_init(|| {
            let asked = std::env::var("ATEN_CPU_CAPABILITY").unwrap_or_default();
            let most = match asked.to_ascii_lowercase().as_str() {
                "default" => SimdLevel::Scalar,
                "avx2" => SimdLevel::Avx2,
                _ => SimdLevel::Avx512,
            };
            SimdLevel::found().min(most)
        })
    }

    #[cfg(target_arch = "x86_64")]
    fn found() -> SimdLevel {
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw") {
            SimdLevel::Avx512
        } else if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            SimdLevel::Avx2
        } else {
            SimdLevel::Scalar
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn found() -> SimdLevel {
        SimdLevel::Scalar
    }

    /// Every level that this CPU has, for tests.
    #[cfg(test)]
    pub(crate) fn all() -> impl Iterator<Item = SimdLevel> {
        [SimdLevel::Scalar, SimdLevel::Avx2, SimdLevel::Avx512]
            .into_iter()
            .filter(|&level| level <= SimdLevel::found())
    }
}

/// Whether the CPU multiplies tiles of bfloat16 (AMX-BF16).
#[cfg(target_arch = "x86_64")]
pub fn has_amx_bf16() -> bool {
    use std::arch::x86_64::{__cpuid, __cpuid_count};

    __cpuid(0).eax >= 7 && __cpuid_count(7, 0).edx & (1 << 22) != 0
}

#[cfg(not(target_arch = "x86_64"))]
pub fn has_amx_bf16() -> bool {
    false
}

/// Compiles `$kernel::<V>(...)` or `$kernel::<V, T>(...)` for each level and calls the one asked for.
macro_rules! at_level {
    ($level:expr, $kernel:ident$(::<$T:ident>)?($($name:ident: $type:ty),* $(,)?)) => {{
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx512bw")]
        unsafe fn avx512$(<$T: $crate::Scalar>)?($($name: $type),*) {
            $kernel::<$crate::vector::Avx512 $(, $T)?>($($name),*)
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma")]
        unsafe fn avx2$(<$T: $crate::Scalar>)?($($name: $type),*) {
            $kernel::<$crate::vector::Avx2 $(, $T)?>($($name),*)
        }
        assert!($level <= SimdLevel::best() || $level == SimdLevel::Scalar || cfg!(test));
        // SAFETY: the CPU has the level's instructions; the kernels check their slices' lengths.
        unsafe {
            match $level {
                #[cfg(target_arch = "x86_64")]
                SimdLevel::Avx512 => avx512$(::<$T>)?($($name),*),
                #[cfg(target_arch = "x86_64")]
                SimdLevel::Avx2 => avx2$(::<$T>)?($($name),*),
                _ => $kernel::<f32 $(, $T)?>($($name),*),
            }
        }
    }};
}
pub(crate) use at_level;
