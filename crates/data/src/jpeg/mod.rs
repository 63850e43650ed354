//! JPEG as photographs have it, to the bit as libjpeg-turbo decodes it by default, and so Pillow and
//! torchvision. What is unusual in any way (progressive, CMYK, RGB, more than 8 bits, damaged) is left
//! to a decoder that knows more: [`decode`] says so, and gives no opinion on what is wrong.

mod coded;
mod coefficients;
mod huffman;
mod picture;
mod scan;
mod segments;

use std::cell::RefCell;

use residual_kernels::Level;

use crate::Image;
use coded::Coded;
use picture::Picture;
use scan::{has_fast_shifts, Sequential, Walk};
use segments::{Frame, Scan, Segments};

/// Room that a thread keeps for its next image, at most.
const MOST_ROOM: usize = 32 << 20;

/// Decodes an image of `size` (width and height) into grey or RGB. False for a file that another
/// decoder has to judge; what is in `into` is of no use then.
pub(crate) fn decode(bytes: &[u8], size: [usize; 2], into: &mut Image) -> bool {
    decode_at(Level::best(), bytes, size, into).is_some()
}

/// What is used again for the thread's next image.
#[derive(Default)]
struct Room {
    coded: Coded,
    coefficients: [coefficients::Plane; 3],
    picture: picture::Room,
}

impl Room {
    fn bytes(&self) -> usize {
        let coefficients: usize = self.coefficients.iter().map(|plane| plane.room()).sum();
        self.coded.room() + coefficients + self.picture.room()
    }
}

fn decode_at(level: Level, bytes: &[u8], size: [usize; 2], into: &mut Image) -> Option<()> {
    thread_local! {
        static ROOM: RefCell<Room> = RefCell::default();
    }
    let mut segments = Segments::new(bytes)?;
    let scan = segments.next_scan()??;
    let frame = segments.frame()?;
    // What is allowed was decided by the size that the header said.
    if [frame.width, frame.height] != size || !segments.colours_are_known() {
        return None;
    }
    if frame.progressive || scan.components.len() != frame.components.len() {
        return None; // the coefficients of an image that comes in parts
    }
    let rest = ROOM.with_borrow_mut(|room| {
        let Room { coded, coefficients, picture } = &mut *room;
        let rest = coded.read(scan.coded)?;
        let picture = Picture::new(level, &segments, picture, into)?;
        let decoded = match has_fast_shifts() {
            true => at_once::<true>(&segments, &frame, &scan, coded, coefficients, picture),
            false => at_once::<false>(&segments, &frame, &scan, coded, coefficients, picture),
        };
        if room.bytes() > MOST_ROOM {
            *room = Room::default();
        }
        decoded.map(|()| rest)
    })?;
    // An image that goes on is none of those.
    segments.go_on(rest);
    segments.next_scan()?.is_none().then_some(())
}

/// Decodes an image whose only scan has all coefficients: four groups of blocks after another.
fn at_once<const FAST: bool>(
    segments: &Segments,
    frame: &Frame,
    scan: &Scan,
    coded: &Coded,
    coefficients: &mut [coefficients::Plane; 3],
    mut picture: Picture,
) -> Option<()> {
    let reader = Sequential::<FAST>::new(segments, scan)?;
    let mut walk = Walk::new(frame, scan, coded, segments.restart, reader)?;
    let [across, down] = walk.size;
    for row in 0..down {
        for column in 0..across.div_ceil(4) {
            for (plane, component) in coefficients.iter_mut().zip(&frame.components) {
                plane.clear(component.across, component.down);
            }
            walk.groups((across - 4 * column).min(4), coefficients)?;
            picture.groups([row, column], coefficients);
        }
        picture.finish_row(row);
    }
    walk.finish()
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;
    use crate::header::Header;

    fn file(name: &str) -> Vec<u8> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/images");
        std::fs::read(format!("{folder}/{name}.jpg")).unwrap()
    }

    fn decoded(level: Level, file: &[u8]) -> Option<Image> {
        let header = Header::read(&mut Cursor::new(file)).ok()?;
        let mut image = Image::default();
        decode_at(level, file, header.stored().map(|side| side as usize), &mut image)?;
        Some(image)
    }

    /// All of a kind that is decoded here.
    const OWN: [&str; 8] =
        ["baseline", "full-colour", "grey", "restarts", "wide", "tall", "turned-1", "turned-6"];

    #[test]
    fn ordinary_files_are_decoded_here() {
        for name in OWN {
            assert!(decoded(Level::best(), &file(name)).is_some(), "{name}");
        }
    }

    #[test]
    fn without_wide_registers_the_pixels_are_the_same() {
        for name in OWN {
            let file = file(name);
            assert!(decoded(Level::Plain, &file) == decoded(Level::best(), &file), "{name}");
        }
    }

    #[test]
    fn what_is_unusual_is_left_to_the_other_decoder() {
        for name in ["progressive", "cmyk"] {
            assert_eq!(decoded(Level::best(), &file(name)), None, "{name}");
        }
        let mut rgb = file("full-colour");
        rgb.splice(2..20, []); // what says JFIF
        assert!(decoded(Level::best(), &rgb).is_some());
        let frame = rgb.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
        let scan = rgb.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap();
        for (i, id) in b"RGB".iter().enumerate() {
            rgb[frame + 10 + 3 * i] = *id;
            rgb[scan + 5 + 2 * i] = *id;
        }
        assert_eq!(decoded(Level::best(), &rgb), None);
    }

    #[test]
    fn a_file_cut_short_anywhere_is_left_to_the_other_decoder() {
        for name in OWN {
            let whole = file(name);
            for length in 0..whole.len() {
                assert!(decoded(Level::best(), &whole[..length]).is_none(), "{name} {length}");
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
            prop_assert!(decoded(Level::Plain, &bytes) == decoded(Level::best(), &bytes));
        }
    }
}
