//! JPEG as photographs have it, to the bit as libjpeg-turbo decodes it by default, and so Pillow and
//! torchvision. What is unusual in any way (progressive, CMYK, RGB, more than 8 bits, damaged) is left
//! to a decoder that knows more: [`decode`] says so, and gives no opinion on what is wrong.

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

use crate::{Image, Look};
use coefficients::Coefficients;
use entropy_data::Coded;
use planes::Picture;
use scan::{Tables, Walk};
use segments::Segments;

/// Room that a thread keeps for its next image, at most, beyond a fixed size.
const MAX_ROOM: usize = 32 << 20;

/// Decodes an image of `size` (width and height) into grey or RGB, at the scale of `look`: those pixels of it
/// that lie in its region; the others are left as they are. All of the file is read in any case, and all that is wrong
/// with it found. False for a file that another decoder has to judge; what is in `into` is of no use
/// then.
pub(crate) fn decode(bytes: &[u8], size: [u32; 2], look: Look, into: &mut Image) -> bool {
    decode_at(SimdLevel::best(), bytes, size, look, into).is_some()
}

/// What is used again for the thread's next image.
#[derive(Default)]
struct Room {
    coded: Coded,
    tables: Tables,
    coefficients: Coefficients,
    picture: planes::Room,
}

impl Room {
    fn bytes(&self) -> usize {
        self.coded.room() + self.picture.room()
    }
}

fn decode_at(
    level: SimdLevel,
    bytes: &[u8],
    size: [u32; 2],
    look: Look,
    into: &mut Image,
) -> Option<()> {
    thread_local! {
        static ROOM: RefCell<Room> = RefCell::default();
    }
    let mut segments = Segments::new(bytes)?;
    let scan = segments.next_scan()??;
    let frame = segments.frame()?;
    // What is allowed was decided by the size that the header said.
    if [frame.width, frame.height] != size.map(|side| side as usize)
        || !segments.colours_are_known()
    {
        return None;
    }
    if frame.progressive || scan.components.len() != frame.components.len() {
        return None; // the coefficients of an image that comes in parts
    }
    let rest = ROOM.with_borrow_mut(|room| {
        let Room { coded, tables, coefficients, picture } = &mut *room;
        let rest = coded.read(scan.coded)?;
        let picture = Picture::new(level, &segments, look, picture, into)?;
        let fast = level > SimdLevel::Scalar;
        let walk = Walk::new(fast, &segments, &frame, &scan, coded, tables)?;
        let decoded = at_once(walk, coefficients, picture);
        if room.bytes() > MAX_ROOM {
            *room = Room::default();
        }
        decoded.map(|()| rest)
    })?;
    // An image that goes on is none of those.
    segments.skip_to(rest);
    segments.next_scan()?.is_none().then_some(())
}

/// Decodes an image whose only scan has all coefficients: four groups of blocks after another.
fn at_once(mut walk: Walk, coefficients: &mut Coefficients, mut picture: Picture) -> Option<()> {
    let [across, down] = walk.size;
    for row in 0..down {
        for column in 0..across.div_ceil(4) {
            let needed = picture.needs([row, column]);
            if needed {
                coefficients.clear(walk.blocks());
            }
            // Where a block begins is known once the one before is read.
            walk.groups((across - 4 * column).min(4), coefficients)?;
            if needed {
                picture.groups([row, column], coefficients);
            }
        }
        picture.finish_row(row);
    }
    walk.finish()
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::synthetic::{Kind, made_up};
    use super::*;
    use crate::decode::header::Header;
    use crate::{Region, SampleRng};

    fn file(name: &str) -> Vec<u8> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/images");
        std::fs::read(format!("{folder}/{name}.jpg")).unwrap()
    }

    fn decoded(level: SimdLevel, file: &[u8]) -> Option<Image> {
        let header = Header::read(&mut Cursor::new(file)).ok()?;
        let mut image = Image::default();
        let [width, height] = header.stored();
        decode_at(level, file, [width, height], Look::whole(width, height), &mut image)?;
        Some(image)
    }

    /// All of a kind that is decoded here.
    const OWN: [&str; 8] =
        ["baseline", "full-colour", "grey", "restarts", "wide", "tall", "turned-1", "turned-6"];

    #[test]
    fn ordinary_files_are_decoded_here() {
        for name in OWN {
            assert!(decoded(SimdLevel::best(), &file(name)).is_some(), "{name}");
        }
    }

    #[test]
    fn without_wide_registers_the_pixels_are_the_same() {
        for name in OWN {
            let file = file(name);
            assert!(
                decoded(SimdLevel::Scalar, &file) == decoded(SimdLevel::best(), &file),
                "{name}"
            );
        }
    }

    #[test]
    fn part_of_an_image_is_that_part_of_the_whole_and_nothing_else() {
        let mut rng = SampleRng::new(7, 0, 0);
        for _ in 0..300 {
            let kind = Kind::any(&mut rng);
            let (file, _) = made_up(&kind, &mut rng);
            let (width, height) = (kind.width, kind.height);
            let scale = [1, 1, 2, 4, 8][rng.below(5) as usize];
            let mut whole = Image::default();
            let size = [width, height];
            let all = Look::all_at(scale, width, height);
            decode_at(SimdLevel::best(), &file, size, all, &mut whole).unwrap();
            let [width, height] = [whole.width, whole.height];
            let mut side = |most: u32| {
                let length = rng.below(most) + 1;
                (rng.below(most - length + 1), length)
            };
            let ((left, across), (top, down)) = (side(width), side(height));
            let part = Region { left, top, width: across, height: down };
            let part = Look { scale, region: part };
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
    fn what_is_unusual_is_left_to_the_other_decoder() {
        for name in ["progressive", "cmyk"] {
            assert_eq!(decoded(SimdLevel::best(), &file(name)), None, "{name}");
        }
        let mut rgb = file("full-colour");
        rgb.splice(2..20, []); // what says JFIF
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
    fn a_file_cut_short_anywhere_is_left_to_the_other_decoder() {
        for name in OWN {
            let whole = file(name);
            for length in 0..whole.len() {
                assert!(decoded(SimdLevel::best(), &whole[..length]).is_none(), "{name} {length}");
                // However little is wanted of it.
                let part = Region { left: 1, top: 1, width: 1, height: 1 };
                let part = Look { scale: 1, region: part };
                let mut image = Image::default();
                let size = [Header::read(&mut Cursor::new(&whole)).unwrap()].map(|h| h.stored())[0];
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
        fn a_damaged_file_is_the_same_image_at_every_level_or_none(
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
            // What is wanted of it changes nothing.
            if let Ok(header) = Header::read(&mut Cursor::new(&bytes)) {
                let part = Region { left: 0, top: 0, width: 1, height: 1 };
                let part = Look { scale: 4, region: part };
                let (size, mut image) = (header.stored(), Image::default());
                let decoded = decode_at(SimdLevel::best(), &bytes, size, part, &mut image);
                prop_assert_eq!(decoded.is_some(), whole.is_some());
            }
        }
    }
}
