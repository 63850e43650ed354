//! Baseline JPEG decoder, bit-exact with libjpeg-turbo's defaults, and so with Pillow and
//! torchvision. It rejects all other files (progressive, CMYK, RGB, more than 8 bits, damaged); the
//! fallback decoder decides whether a rejected file is valid.

mod coefficients;
mod entropy_data;
mod huffman;
mod planes;
mod scan;
mod segments;
#[cfg(test)]
pub(crate) mod synthetic;

use std::cell::RefCell;

use residual_kernels::SimdLevel;

use crate::{DecodeRequest, Image};
use coefficients::Coefficients;
use entropy_data::EntropyData;
use planes::PlaneDecoder;
use scan::{ScanDecoder, ScanTables};
use segments::Segments;

/// Maximum bytes of the variable-size buffers that a thread keeps for its next image.
const MAX_BUFFER_BYTES: usize = 32 << 20;

/// Decodes an image of `size` (width and height) into gray or RGB, at the scale of `request`. Only
/// the pixels of the requested region are written. The whole file is parsed for every request, so
/// that whether a file is accepted does not depend on the request. Returns false for a file that
/// needs the fallback decoder; the content of `image` is then unspecified.
pub(crate) fn decode(
    bytes: &[u8],
    size: [u32; 2],
    request: DecodeRequest,
    image: &mut Image,
) -> bool {
    decode_at(SimdLevel::best(), bytes, size, request, image).is_some()
}

/// Buffers of a thread, reused for its next image.
#[derive(Default)]
struct Buffers {
    entropy_data: EntropyData,
    tables: ScanTables,
    coefficients: Coefficients,
    planes: planes::Buffers,
}

impl Buffers {
    fn bytes(&self) -> usize {
        self.entropy_data.capacity() + self.planes.capacity()
    }
}

fn decode_at(
    level: SimdLevel,
    bytes: &[u8],
    size: [u32; 2],
    request: DecodeRequest,
    image: &mut Image,
) -> Option<()> {
    thread_local! {
        static BUFFERS: RefCell<Buffers> = RefCell::default();
    }
    let mut segments = Segments::new(bytes)?;
    let scan = segments.next_scan()??;
    let frame = segments.frame()?;
    // `size` is from the parsed header, against which the size limit was checked.
    if [frame.width, frame.height] != size.map(|side| side as usize)
        || !segments.has_known_color_space()
    {
        return None;
    }
    if frame.progressive || scan.components.len() != frame.components.len() {
        return None; // the scan has only some of the coefficients
    }
    let rest = BUFFERS.with_borrow_mut(|buffers| {
        let Buffers { entropy_data, tables, coefficients, planes } = &mut *buffers;
        let rest = entropy_data.read(scan.entropy_coded)?;
        let planes = PlaneDecoder::new(level, &segments, request, planes, image)?;
        let use_bmi = level > SimdLevel::Scalar;
        let decoder = ScanDecoder::new(use_bmi, &segments, &frame, &scan, entropy_data, tables)?;
        let decoded = decode_baseline(decoder, coefficients, planes);
        if buffers.bytes() > MAX_BUFFER_BYTES {
            *buffers = Buffers::default();
        }
        decoded.map(|()| rest)
    })?;
    // A second scan is not supported: the first already had all coefficients.
    segments.skip_to(rest);
    segments.next_scan()?.is_none().then_some(())
}

/// Decodes a scan that has all coefficients of the image, four MCUs at a time.
fn decode_baseline(
    mut decoder: ScanDecoder,
    coefficients: &mut Coefficients,
    mut planes: PlaneDecoder,
) -> Option<()> {
    for row in 0..decoder.mcu_rows {
        for group in 0..decoder.mcus_per_row.div_ceil(4) {
            let needed = planes.needs([row, group]);
            if needed {
                coefficients.clear(decoder.blocks_per_mcu());
            }
            // Parse skipped MCUs too, to find the start of the next MCU.
            decoder.decode_mcus((decoder.mcus_per_row - 4 * group).min(4), coefficients)?;
            if needed {
                planes.add_mcus([row, group], coefficients);
            }
        }
        planes.finish_row(row);
    }
    decoder.finish()
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::synthetic::{SyntheticJpeg, encode_synthetic};
    use super::*;
    use crate::decode::header::Header;
    use crate::{ImageSize, Region, SampleRng};

    fn read_fixture(name: &str) -> Vec<u8> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/images");
        std::fs::read(format!("{folder}/{name}.jpg")).unwrap()
    }

    fn decode_whole(level: SimdLevel, file: &[u8]) -> Option<Image> {
        let header = Header::read(&mut Cursor::new(file)).ok()?;
        let mut image = Image::default();
        let [width, height] = header.encoded_size();
        decode_at(
            level,
            file,
            [width, height],
            DecodeRequest::whole(ImageSize::unscalable(width, height)),
            &mut image,
        )?;
        Some(image)
    }

    /// Fixtures that this decoder accepts.
    const ACCEPTED: [&str; 8] = [
        "baseline",
        "yuv444",
        "gray",
        "restarts",
        "yuv422",
        "yuv440",
        "orientation-1",
        "orientation-6",
    ];

    #[test]
    fn accepts_baseline_files() {
        for name in ACCEPTED {
            assert!(decode_whole(SimdLevel::best(), &read_fixture(name)).is_some(), "{name}");
        }
    }

    #[test]
    fn scalar_and_simd_decoding_are_identical() {
        for name in ACCEPTED {
            let file = read_fixture(name);
            let scalar = decode_whole(SimdLevel::Scalar, &file);
            assert!(scalar == decode_whole(SimdLevel::best(), &file), "{name}");
        }
    }

    #[test]
    fn decodes_exactly_the_requested_region() {
        let mut rng = SampleRng::new(7, 0, 0);
        for _ in 0..300 {
            let params = SyntheticJpeg::random(&mut rng);
            let (file, _) = encode_synthetic(&params, &mut rng);
            let (width, height) = (params.width, params.height);
            let scale = [1, 1, 2, 4, 8][rng.below(5) as usize];
            let mut whole = Image::default();
            let size = [width, height];
            let whole_request =
                DecodeRequest::whole_at_scale(scale, ImageSize::unscalable(width, height));
            decode_at(SimdLevel::best(), &file, size, whole_request, &mut whole).unwrap();
            let mut random_range = |side: u32| {
                let length = rng.below(side) + 1;
                let start = rng.below(side - length + 1);
                start..start + length
            };
            let (columns, rows) = (random_range(whole.width), random_range(whole.height));
            let region = Region {
                left: columns.start,
                top: rows.start,
                width: columns.len() as u32,
                height: rows.len() as u32,
            };
            let request = DecodeRequest { scale, region };
            let channels = params.sampling.len();
            for level in [SimdLevel::Scalar, SimdLevel::best()] {
                for fill in [0, 255] {
                    let mut image = Image::default();
                    image.pixels.resize(whole.pixels.len(), fill);
                    decode_at(level, &file, size, request, &mut image).unwrap();
                    let pixels = image.pixels.chunks_exact(channels);
                    for (i, (pixel, decoded)) in
                        pixels.zip(whole.pixels.chunks_exact(channels)).enumerate()
                    {
                        let (x, y) = (i as u32 % whole.width, i as u32 / whole.width);
                        let is_inside = columns.contains(&x) && rows.contains(&y);
                        let unwritten = vec![fill; channels];
                        let expected = if is_inside { decoded } else { &unwritten };
                        assert_eq!(pixel, expected, "{x} {y} {request:?} {params:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn rejects_progressive_cmyk_and_rgb_files() {
        for name in ["progressive", "cmyk"] {
            assert_eq!(decode_whole(SimdLevel::best(), &read_fixture(name)), None, "{name}");
        }
        let mut rgb = read_fixture("yuv444");
        rgb.splice(2..20, []); // the JFIF segment
        assert!(decode_whole(SimdLevel::best(), &rgb).is_some());
        let frame = rgb.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
        let scan = rgb.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap();
        for (i, id) in b"RGB".iter().enumerate() {
            rgb[frame + 10 + 3 * i] = *id;
            rgb[scan + 5 + 2 * i] = *id;
        }
        assert_eq!(decode_whole(SimdLevel::best(), &rgb), None);
    }

    #[test]
    fn rejects_a_file_truncated_anywhere() {
        for name in ACCEPTED {
            let file = read_fixture(name);
            let size = Header::read(&mut Cursor::new(&file)).unwrap().encoded_size();
            for length in 0..file.len() {
                let (level, truncated) = (SimdLevel::best(), &file[..length]);
                assert!(decode_whole(level, truncated).is_none(), "{name} {length}");
                // Also if only one pixel is requested.
                let region = Region { left: 1, top: 1, width: 1, height: 1 };
                let request = DecodeRequest { scale: 1, region };
                let mut image = Image::default();
                assert_eq!(decode_at(level, truncated, size, request, &mut image), None);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 512,
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn damaged_files_decode_identically_at_every_simd_level(
            name in prop::sample::select(ACCEPTED.to_vec()),
            changes in prop::collection::vec((0.0..1.0, any::<u8>()), 1..4),
        ) {
            let mut bytes = read_fixture(name);
            for (position, value) in changes {
                let index = (bytes.len() as f64 * position) as usize;
                bytes[index] = value;
            }
            let whole = decode_whole(SimdLevel::best(), &bytes);
            prop_assert!(decode_whole(SimdLevel::Scalar, &bytes) == whole);
            // Whether the file is accepted does not depend on the request.
            if let Ok(header) = Header::read(&mut Cursor::new(&bytes)) {
                let region = Region { left: 0, top: 0, width: 1, height: 1 };
                let request = DecodeRequest { scale: 4, region };
                let (size, mut image) = (header.encoded_size(), Image::default());
                let decoded = decode_at(SimdLevel::best(), &bytes, size, request, &mut image);
                prop_assert_eq!(decoded.is_some(), whole.is_some());
            }
        }
    }
}
