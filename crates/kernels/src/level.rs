//! What this CPU can do.

use std::sync::OnceLock;

/// The instructions that a kernel is compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// One number at a time: the reference, and no faster than ATen.
    Plain,
    /// 8 numbers at a time.
    Avx2,
    /// 16 numbers at a time.
    Avx512,
}

impl Level {
    /// The best level of this CPU, found once. As in ATen, the environment variable
    /// `ATEN_CPU_CAPABILITY` (`default`, `avx2`, `avx512`) lowers it.
    pub fn best() -> Level {
        static BEST: OnceLock<Level> = OnceLock::new();
        *BEST.get_or_init(|| {
            let asked = std::env::var("ATEN_CPU_CAPABILITY").unwrap_or_default();
            let most = match asked.to_ascii_lowercase().as_str() {
                "default" => Level::Plain,
                "avx2" => Level::Avx2,
                _ => Level::Avx512,
            };
            Level::found().min(most)
        })
    }

    #[cfg(target_arch = "x86_64")]
    fn found() -> Level {
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw") {
            Level::Avx512
        } else if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            Level::Avx2
        } else {
            Level::Plain
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn found() -> Level {
        Level::Plain
    }

    /// Every level that this CPU has, for tests.
    #[cfg(test)]
    pub(crate) fn all() -> impl Iterator<Item = Level> {
        [Level::Plain, Level::Avx2, Level::Avx512]
            .into_iter()
            .filter(|&level| level <= Level::found())
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
        unsafe fn avx512$(<$T: $crate::Element>)?($($name: $type),*) {
            $kernel::<$crate::vector::Avx512 $(, $T)?>($($name),*)
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma")]
        unsafe fn avx2$(<$T: $crate::Element>)?($($name: $type),*) {
            $kernel::<$crate::vector::Avx2 $(, $T)?>($($name),*)
        }
        assert!($level <= Level::best() || $level == Level::Plain || cfg!(test));
        // SAFETY: the CPU has the level's instructions; the kernels check their slices' lengths.
        unsafe {
            match $level {
                #[cfg(target_arch = "x86_64")]
                Level::Avx512 => avx512$(::<$T>)?($($name),*),
                #[cfg(target_arch = "x86_64")]
                Level::Avx2 => avx2$(::<$T>)?($($name),*),
                _ => $kernel::<f32 $(, $T)?>($($name),*),
            }
        }
    }};
}
pub(crate) use at_level;
