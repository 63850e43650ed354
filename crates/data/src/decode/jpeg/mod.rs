//! Baseline JPEG decoder, bit-exact with libjpeg-turbo's defaults, and so with Pillow and
//! torchvision. It rejects everything else (progressive, CMYK, RGB, more than 8 bits, damaged
//! files) without judging it; the fallback decoder decides whether such a file is valid.

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
const MAX_BUFFERS: usize = 32 << 20;

/// Decodes an image of `size` (width and height) into gray or RGB, at the scale of `request`. Only
/// the pixels of the requested region are written. The whole file is parsed in any case, so the
/// request does not influence the result. Returns false for a file that the fallback decoder must
/// judge; the content of `into` is then unspecified.
pub(crate) fn decode(
    bytes: &[u8],
    size: [u32; 2],
    request: DecodeRequest,
    into: &mut Image,
) -> bool {
    decode_at(SimdLevel::best(), bytes, size, request, into).is_some()
}

/// Buffers of a thread, reused for its next image.
#[derive(Default)]
struct Buffers {
    coded: EntropyData,
    tables: ScanTables,
    coefficients: Coefficients,
    planes: planes::Buffers,
}

impl Buffers {
    fn bytes(&self) -> usize {
        self.coded.capacity() + self.planes.capacity()
    }
}

fn decode_at(
    level: SimdLevel,
    bytes: &[u8],
    size: [u32; 2],
    request: DecodeRequest,
    into: &mut Image,
) -> Option<()> {
    thread_local! {
        static BUFFERS: RefCell<Buffers> = RefCell::default();
    }
    let mut segments = Segments::new(bytes)?;
    let scan = segments.next_scan()??;
    let frame = segments.frame()?;
    // The size limit was checked against the size in the parsed header.
    if [frame.width, frame.height] != size.map(|side| side as usize)
        || !segments.has_known_color_space()
    {
        return None;
    }
    if frame.progressive || scan.components.len() != frame.components.len() {
        return None; // a scan with some of the coefficients only
    }
    let rest = BUFFERS.with_borrow_mut(|buffers| {
        let Buffers { coded, tables, coefficients, planes } = &mut *buffers;
        let rest = coded.read(scan.entropy_coded)?;
        let planes = PlaneDecoder::new(level, &segments, request, planes, into)?;
        let fast = level > SimdLevel::Scalar;
        let decoder = ScanDecoder::new(fast, &segments, &frame, &scan, coded, tables)?;
        let decoded = decode_baseline(decoder, coefficients, planes);
        if buffers.bytes() > MAX_BUFFERS {
            *buffers = Buffers::default();
        }
        decoded.map(|()| rest)
    })?;
    // More scans would mean that this image is not baseline with one scan.
    segments.skip_to(rest);
    segments.next_scan()?.is_none().then_some(())
}

/// Decodes an image whose only scan has all coefficients, four MCUs at a time.
fn decode_baseline(
    mut decoder: ScanDecoder,
    coefficients: &mut Coefficients,
    mut planes: PlaneDecoder,
) -> Option<()> {
    let [across, down] = decoder.size;
    for row in 0..down {
        for column in 0..across.div_ceil(4) {
            let needed = planes.needs([row, column]);
            if needed {
                coefficients.clear(decoder.blocks());
            }
            // Skipped MCUs are parsed too: only then the start of the next block is known.
            decoder.decode_mcus((across - 4 * column).min(4), coefficients)?;
            if needed {
                planes.add_mcus([row, column], coefficients);
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

    fn file(name: &str) -> Vec<u8> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/images");
        std::fs::read(format!("{folder}/{name}.jpg")).unwrap()
    }

    fn decoded(level: SimdLevel, file: &[u8]) -> Option<Image> {
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
    const OWN: [&str; 8] = [
        "baseline",
        "full-color",
        "gray",
        "restarts",
        "wide",
        "tall",
        "orientation-1",
        "orientation-6",
    ];

    #[test]
    fn ordinary_files_are_decoded_here() {
        for name in OWN {
            assert!(decoded(SimdLevel::best(), &file(name)).is_some(), "{name}");
        }
    }

    #[test]
    fn scalar_and_simd_decoding_are_identical() {
        for name in OWN {
            let file = file(name);
            assert!(
                decoded(SimdLevel::Scalar, &file) == decoded(SimdLevel::best(), &file),
                "{name}"
            );
        }
    }

    #[test]
    fn decodes_exactly_the_requested_region() {
        let mut rng = SampleRng::new(7, 0, 0);
        for _ in 0..300 {
            let kind = SyntheticJpeg::any(&mut rng);
            let (file, _) = encode_synthetic(&kind, &mut rng);
            let (width, height) = (kind.width, kind.height);
            let scale = [1, 1, 2, 4, 8][rng.below(5) as usize];
            let mut whole = Image::default();
            let size = [width, height];
            let all = DecodeRequest::whole_at_scale(scale, ImageSize::unscalable(width, height));
            decode_at(SimdLevel::best(), &file, size, all, &mut whole).unwrap();
            let [width, height] = [whole.width, whole.height];
            let mut side = |most: u32| {
                let length = rng.below(most) + 1;
                (rng.below(most - length + 1), length)
            };
            let ((left, across), (top, down)) = (side(width), side(height));
            let part = Region { left, top, width: across, height: down };
            let part = DecodeRequest { scale, region: part };
            let channels = kind.sampling.len();
            for level in [SimdLevel::Scalar, SimdLevel::best()] {
                for before in [0, 255] {
                    let mut image = Image::default();
                    image.pixels.resize(whole.pixels.len(), before);
                    decode_at(level, &file, size, part, &mut image).unwrap();
                    let pixels = image.pixels.chunks_exact(channels);
                    for (i, (pixel, of_whole)) in
                        pixels.zip(whole.pixels.chunks_exact(channels)).enumerate()
                    {
                        let (x, y) = (i as u32 % width, i as u32 / width);
                        let inside =
                            (left..left + across).contains(&x) && (top..top + down).contains(&y);
                        if inside {
                            assert_eq!(pixel, of_whole, "{x} {y} of {part:?} of {kind:?}");
                        } else {
                            assert_eq!(pixel, vec![before; channels], "{x} {y} {part:?} {kind:?}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn rejects_progressive_cmyk_and_rgb_files() {
        for name in ["progressive", "cmyk"] {
            assert_eq!(decoded(SimdLevel::best(), &file(name)), None, "{name}");
        }
        let mut rgb = file("full-color");
        rgb.splice(2..20, []); // the JFIF segment
        assert!(decoded(SimdLevel::best(), &rgb).is_some());
        let frame = rgb.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
        let scan = rgb.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap();
        for (i, id) in b"RGB".iter().enumerate() {
            rgb[frame + 10 + 3 * i] = *id;
            rgb[scan + 5 + 2 * i] = *id;
        }
        assert_eq!(decoded(SimdLevel::best(), &rgb), None);
    }

    #[test]
    fn rejects_a_file_truncated_anywhere() {
        for name in OWN {
            let whole = file(name);
            for length in 0..whole.len() {
                assert!(decoded(SimdLevel::best(), &whole[..length]).is_none(), "{name} {length}");
                // Also if only one pixel is requested.
                let part = Region { left: 1, top: 1, width: 1, height: 1 };
                let part = DecodeRequest { scale: 1, region: part };
                let mut image = Image::default();
                let size =
                    [Header::read(&mut Cursor::new(&whole)).unwrap()].map(|h| h.encoded_size())[0];
                assert_eq!(
                    decode_at(SimdLevel::best(), &whole[..length], size, part, &mut image),
                    None
                );
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn damaged_files_decode_identically_at_every_simd_level(
            name in prop::sample::select(OWN.to_vec()),
            places in prop::collection::vec((0.0..1.0, any::<u8>()), 1..4),
        ) {
            let mut bytes = file(name);
            for (place, value) in places {
                let at = (bytes.len() as f64 * place) as usize;
                bytes[at] = value;
            }
            let whole = decoded(SimdLevel::best(), &bytes);
            prop_assert!(decoded(SimdLevel::Scalar, &bytes) == whole);
            // The request does not influence whether the file is accepted.
            if let Ok(header) = Header::read(&mut Cursor::new(&bytes)) {
                let part = Region { left: 0, top: 0, width: 1, height: 1 };
                let part = DecodeRequest { scale: 4, region: part };
                let (size, mut image) = (header.encoded_size(), Image::default());
                let decoded = decode_at(SimdLevel::best(), &bytes, size, part, &mut image);
                prop_assert_eq!(decoded.is_some(), whole.is_some());
            }
        }
    }
}
