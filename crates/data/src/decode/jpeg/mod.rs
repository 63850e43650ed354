//! JPEG decoder for sequential and progressive files with Huffman coding and 8-bit samples,
//! bit-exact with libjpeg-turbo's defaults, and so with Pillow and torchvision, also for damaged
//! coded data. Truncated files and files with damaged segments are rejected.
//!
//! Nearly all files have a single scan of one or three components, whose blocks are transformed as
//! they are read. For all other files, and for damaged coded data, the coefficients of the whole
//! image are collected first.

mod coefficients;
mod color_space;
mod entropy_data;
mod frame_coefficients;
mod huffman;
mod multi_scan;
mod planes;
mod scan;
mod segments;
mod standard_tables;
#[cfg(test)]
pub(crate) mod synthetic;

use std::cell::RefCell;

use residual_kernels::SimdLevel;

use crate::{DecodeRequest, Image};
use coefficients::Coefficients;
use entropy_data::EntropyData;
use planes::PlaneDecoder;
use scan::{ScanDecoder, ScanTables};
use segments::{Frame, Scan, Segments};

/// Maximum bytes of the variable-size buffers that a thread keeps for its next image.
const MAX_BUFFER_BYTES: usize = 32 << 20;

/// Decodes an image of `size` (width and height) into gray or RGB, at the scale of `request`. Only
/// the pixels of the requested region are written. The whole file is parsed for every request, so
/// that whether a file is accepted does not depend on the request. Returns false for a rejected
/// file; the content of `image` is then unspecified.
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
    if [frame.width, frame.height] != size.map(|side| side as usize) {
        return None;
    }
    // A block takes at least one bit. This check bounds the memory that a small file can claim.
    if frame.num_blocks() > 8 * bytes.len() {
        return None;
    }
    let can_be_single_scan = !frame.progressive
        && matches!(frame.components.len(), 1 | 3)
        && (0..frame.components.len()).eq(scan.components.iter().map(|&(index, _)| index));
    BUFFERS.with_borrow_mut(|buffers| {
        let mut decoded = None;
        if can_be_single_scan {
            decoded =
                decode_single_scan(level, &mut segments, &frame, scan, request, buffers, image);
        }
        if decoded.is_none() {
            decoded = decode_all_scans(level, bytes, request, buffers, image);
        }
        if buffers.bytes() > MAX_BUFFER_BYTES {
            *buffers = Buffers::default();
        }
        decoded
    })
}

/// Decodes an image whose only scan has all coefficients. Returns `None` if the coded data are
/// damaged or another scan follows, which [`decode_all_scans`] handles.
fn decode_single_scan<'a>(
    level: SimdLevel,
    segments: &mut Segments<'a>,
    frame: &Frame,
    scan: Scan<'a>,
    request: DecodeRequest,
    buffers: &mut Buffers,
    image: &mut Image,
) -> Option<()> {
    let Buffers { entropy_data, tables, coefficients, planes } = buffers;
    let rest = entropy_data.read(scan.entropy_coded)?;
    let color_space = segments.color_space()?;
    let quantization = segments.component_quantization_tables()?;
    let planes =
        PlaneDecoder::new(level, frame, color_space, &quantization, request, planes, image);
    let use_bmi = level > SimdLevel::Scalar;
    let decoder = ScanDecoder::new(use_bmi, segments, frame, &scan, entropy_data, tables)?;
    decode_baseline(decoder, coefficients, planes)?;
    segments.skip_to(rest);
    segments.next_scan()?.is_none().then_some(())
}

/// Decodes an image with any number and order of scans: collects all coefficients, then transforms
/// them.
fn decode_all_scans(
    level: SimdLevel,
    bytes: &[u8],
    request: DecodeRequest,
    buffers: &mut Buffers,
    image: &mut Image,
) -> Option<()> {
    let Buffers { entropy_data, coefficients, planes, .. } = buffers;
    let mut segments = Segments::new(bytes)?;
    let scan = segments.next_scan()??;
    let (frame, color_space) = (segments.frame()?, segments.color_space()?);
    let frame_coefficients = multi_scan::decode_scans(&mut segments, &frame, scan, entropy_data)?;
    let quantization = frame_coefficients.finish()?;
    let mut planes =
        PlaneDecoder::new(level, &frame, color_space, &quantization, request, planes, image);
    let [mcus_per_row, mcu_rows] = frame.mcus();
    for row in 0..mcu_rows {
        for group in 0..mcus_per_row.div_ceil(4) {
            if planes.needs([row, group]) {
                frame_coefficients.copy_mcus(&frame, [row, group], coefficients);
                planes.add_mcus([row, group], coefficients);
            }
        }
        planes.finish_row(row);
    }
    Some(())
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
    Some(())
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::synthetic::{SyntheticJpeg, encode_separate_scans, encode_synthetic};
    use super::*;
    use crate::decode::header::Header;
    use crate::{ImageSize, Region, SampleRng};

    pub(super) fn read_fixture(name: &str) -> Vec<u8> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/images");
        std::fs::read(format!("{folder}/{name}.jpg")).unwrap()
    }

    pub(super) fn decode_whole(level: SimdLevel, file: &[u8]) -> Option<Image> {
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

    /// Fixtures of all kinds of JPEGs that the decoder accepts.
    const ACCEPTED: [&str; 15] = [
        "baseline",
        "yuv444",
        "gray",
        "restarts",
        "yuv422",
        "yuv440",
        "orientation-1",
        "orientation-6",
        "progressive",
        "progressive-restarts",
        "scans",
        "scans-restarts",
        "cmyk",
        "ycck",
        "rgb",
    ];

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
    fn separate_scans_decode_like_a_single_scan() {
        let mut rng = SampleRng::new(11, 0, 0);
        for _ in 0..200 {
            let params = SyntheticJpeg::random(&mut rng);
            let (file, blocks) = encode_synthetic(&params, &mut rng);
            let mut order: Vec<usize> = (0..params.sampling.len()).collect();
            let shift = rng.below(order.len() as u32) as usize;
            order.rotate_left(shift);
            let scans = encode_separate_scans(&params, &blocks, &order);
            let expected = decode_whole(SimdLevel::best(), &file).unwrap();
            assert!(decode_whole(SimdLevel::best(), &scans) == Some(expected), "{params:?}");
        }
    }

    #[test]
    fn rejects_missing_and_repeated_scans() {
        let mut rng = SampleRng::new(13, 0, 0);
        let sampling = vec![[2, 2], [1, 1], [1, 1]];
        let params = SyntheticJpeg { width: 40, height: 30, sampling, restart_interval: 0 };
        let (file, blocks) = encode_synthetic(&params, &mut rng);
        let decode = |order: &[usize]| {
            let file = encode_separate_scans(&params, &blocks, order);
            decode_whole(SimdLevel::best(), &file)
        };
        assert!(decode(&[0, 2, 1]).is_some());
        assert_eq!(decode(&[0, 1]), None);
        assert_eq!(decode(&[0, 1, 2, 1]), None);
        // A second scan after one with all components.
        let scan = file.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap();
        let repeated = [&file[..file.len() - 2], &file[scan..]].concat();
        assert_eq!(decode_whole(SimdLevel::best(), &repeated), None);
        // A progressive file without one of its scans.
        let file = read_fixture("progressive");
        let scans: Vec<usize> =
            (0..file.len()).filter(|&i| file[i..].starts_with(&[0xff, 0xda])).collect();
        for pair in scans.windows(2) {
            let incomplete = [&file[..pair[0]], &file[pair[1]..]].concat();
            assert_eq!(decode_whole(SimdLevel::best(), &incomplete), None);
        }
    }

    #[test]
    fn rejects_sizes_that_the_file_cannot_have_before_allocating() {
        for name in ["baseline", "progressive", "scans"] {
            let mut file = read_fixture(name);
            let frame = file.windows(2).position(|pair| matches!(pair, [0xff, 0xc0 | 0xc2]));
            let size = frame.unwrap() + 5;
            file[size..size + 4].copy_from_slice(&[0x30, 0, 0x30, 0]);
            let mut image = Image::default();
            let request = DecodeRequest::whole(ImageSize::unscalable(0x3000, 0x3000));
            assert_eq!(
                decode_at(SimdLevel::best(), &file, [0x3000, 0x3000], request, &mut image),
                None
            );
            assert_eq!(image.pixels.capacity(), 0, "{name}");
        }
    }

    #[test]
    fn tolerates_the_same_stray_bytes_and_markers_as_libjpeg() {
        let file = read_fixture("restarts");
        let expected = decode_whole(SimdLevel::best(), &file).unwrap();
        let find = |marker: u8| file.windows(2).position(|pair| pair == [0xff, marker]).unwrap();
        let insert =
            |position: usize, bytes: &[u8]| [&file[..position], bytes, &file[position..]].concat();
        let end = file.len() - 2;
        for (edited, change) in [
            (insert(find(0xc4), b"\0\0\0"), "bytes between segments"),
            (insert(find(0xc0), b"\0\xff\0\x01"), "an escaped 0xff between segments"),
            (insert(find(0xda), b"\xff\xff"), "fill bytes"),
            (insert(find(0xc4), b"\xff\x01\xff\xd3"), "TEM and RST3 between segments"),
            (insert(end, b"\x12\x34"), "bytes before EOI"),
            (insert(end, b"\xff\xd0"), "a restart marker before EOI"),
            (insert(end, b"\xff\xdc\0\x04\0\x07"), "a DNL segment"),
            (insert(find(0xd1), b"\0"), "a byte before a restart marker"),
            (insert(end, b"\xff\xd6\xff\xd0"), "other restart markers before EOI"),
            (insert(2, b"\xff\xee\0\x09Adobe\0\x64"), "a short Adobe segment"),
        ] {
            assert!(
                decode_whole(SimdLevel::best(), &edited).as_ref() == Some(&expected),
                "{change}"
            );
        }
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
        #![proptest_config(crate::testing::mutate::config(512))]

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
