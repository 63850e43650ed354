//! The memory and time that decoding of a malicious JPEG or PNG takes are bounded by its length.

mod mutate;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mutate::CpuTimer;
use proptest::prelude::*;
use residual_data::{Image, decode};

/// Counts the bytes in use and their peak.
struct CountingAllocator;

static IN_USE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all calls are forwarded to the system's allocator.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let in_use = IN_USE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(in_use, Ordering::Relaxed);
        // SAFETY: the caller's guarantees are those of this function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's guarantees are those of this function.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Decodes a file and returns the peak of allocated memory in bytes. Only one call runs at a time.
fn measure_peak(bytes: &[u8]) -> usize {
    static LOCK: Mutex<()> = Mutex::new(());
    let _guard = LOCK.lock();
    let before = IN_USE.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let started = CpuTimer::start();
    // Whether the file is accepted does not matter.
    let _ = decode(bytes, 3, &mut Image::default());
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    PEAK.load(Ordering::Relaxed) - before
}

/// Memory in bytes that does not depend on the file: tables, the buffers of a thread, and rows of
/// wide images.
const BASE_BYTES: usize = 64 << 20;
/// Memory in bytes per byte of a JPEG: 8 blocks with coefficients, samples and pixels.
const JPEG_BYTES_PER_BYTE: usize = 8 * 640;
/// Memory in bytes per byte of a PNG: deflate's maximum compression ratio, times 8 palette indices
/// per byte, times 4 bytes per pixel.
const PNG_BYTES_PER_BYTE: usize = 1032 * 8 * 4;

fn segment(marker: u8, content: &[u8]) -> Vec<u8> {
    [&[0xff, marker][..], &(content.len() as u16 + 2).to_be_bytes(), content].concat()
}

/// A scan that may be invalid.
#[derive(Debug, Clone)]
struct HostileScan {
    /// Component ids.
    components: Vec<u8>,
    /// Spectral selection: the first and last zigzag index (Ss, Se).
    band: [u8; 2],
    /// Successive approximation: the high and low bit position (Ah, Al), 4 bits each.
    approximation: u8,
    data: Vec<u8>,
}

fn scans() -> impl Strategy<Value = Vec<HostileScan>> {
    let components = prop::sample::subsequence(vec![1u8, 2, 3, 4], 1..=4);
    let band =
        prop_oneof![Just([0, 0]), Just([0, 63]), (1u8..64, 1u8..64).prop_map(<[u8; 2]>::from)];
    let approximation = prop_oneof![Just(0u8), Just(0x10), Just(0x01), any::<u8>()];
    let data = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        (any::<u8>(), 0usize..2000).prop_map(|(byte, count)| vec![byte & 0xfe; count]),
    ];
    let scan = (components, band, approximation, data).prop_map(
        |(components, band, approximation, data)| HostileScan {
            components,
            band,
            approximation,
            data,
        },
    );
    prop::collection::vec(scan, 1..12)
}

/// Returns a JPEG with valid tables and any frame and scans.
fn jpeg(
    marker: u8,
    [width, height]: [u16; 2],
    sampling: &[u8],
    restart_interval: u16,
    scans: &[HostileScan],
) -> Vec<u8> {
    let mut frame = [&[8][..], &height.to_be_bytes(), &width.to_be_bytes()].concat();
    frame.push(sampling.len() as u8);
    for (id, sampling) in sampling.iter().enumerate() {
        frame.extend([id as u8 + 1, *sampling, 0]);
    }
    let counts = [1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let table = |class: u8, symbols: [u8; 4]| {
        segment(0xc4, &[&[class << 4][..], &counts, &symbols].concat())
    };
    let mut file = [
        vec![0xff, 0xd8],
        segment(0xdb, &[&[0][..], &[1; 64]].concat()),
        segment(marker, &frame),
        table(0, [0, 1, 11, 15]),
        table(1, [0, 0xe0, 0xf0, 0x01]),
        segment(0xdd, &restart_interval.to_be_bytes()),
    ]
    .concat();
    for scan in scans {
        let mut header = vec![scan.components.len() as u8];
        header.extend(scan.components.iter().flat_map(|id| [*id, 0]));
        header.extend(scan.band);
        header.push(scan.approximation);
        file.extend(segment(0xda, &header));
        file.extend(&scan.data);
    }
    file.extend([0xff, 0xd9]);
    file
}

proptest! {
    #![proptest_config(mutate::config(256))]

    #[test]
    fn memory_of_a_jpeg_is_bounded_by_its_length(
        marker in prop::sample::select(vec![0xc0u8, 0xc1, 0xc2]),
        size in prop_oneof![(1u16..200, 1u16..200), (any::<u16>(), any::<u16>())],
        sampling in prop::collection::vec(
            prop_oneof![Just(0x11u8), Just(0x22), Just(0x44), Just(0x12), Just(0x41), any::<u8>()],
            1..=4,
        ),
        restart_interval in prop_oneof![Just(0u16), 1u16..9, any::<u16>()],
        scans in scans(),
    ) {
        let file = jpeg(marker, size.into(), &sampling, restart_interval, &scans);
        let peak = measure_peak(&file);
        let limit = BASE_BYTES + JPEG_BYTES_PER_BYTE * file.len();
        prop_assert!(peak <= limit, "{} bytes for a file of {}", peak, file.len());
    }

    #[test]
    fn memory_of_a_png_is_bounded_by_its_length(
        width in any::<u16>(),
        height in any::<u16>(),
        format in prop::sample::select(vec![(1u8, 0u8), (8, 0), (16, 0), (8, 2), (1, 3), (16, 6)]),
        is_interlaced in any::<bool>(),
        data in prop::collection::vec(any::<u8>(), 0..500),
    ) {
        let chunk = |chunk_type: &[u8; 4], content: &[u8]| {
            let mut crc = flate2::Crc::new();
            crc.update(chunk_type);
            crc.update(content);
            let length = (content.len() as u32).to_be_bytes();
            [&length, &chunk_type[..], content, &crc.sum().to_be_bytes()].concat()
        };
        let size = [width, height].map(|side| u32::from(side).to_be_bytes());
        let (bit_depth, color_type) = format;
        let kind = [bit_depth, color_type, 0, 0, u8::from(is_interlaced)];
        let file = [
            b"\x89PNG\r\n\x1a\n".to_vec(),
            chunk(b"IHDR", &[size.as_flattened(), &kind].concat()),
            chunk(b"PLTE", &[7; 6]),
            chunk(b"IDAT", &data),
            chunk(b"IEND", b""),
        ]
        .concat();
        let peak = measure_peak(&file);
        let limit = BASE_BYTES + PNG_BYTES_PER_BYTE * file.len();
        prop_assert!(peak <= limit, "{} bytes for a file of {}", peak, file.len());
    }
}
