//! Random erasing and Cutout on normalized images. Erased values are 0, the mean color.

use residual_spec::{Erase, RandomErasing};

use crate::{Region, SampleRng};

/// Erases a random rectangle of a `[size, size, channels]` image, as `erase` configures it.
pub(crate) fn apply(erase: &Erase, size: u32, rng: &mut SampleRng, out: &mut [f32]) {
    let hole = match erase {
        Erase::None => None,
        Erase::Cutout(cutout) => {
            let (x, y) = (rng.below(size), rng.below(size));
            Some(clipped_square(x, y, cutout.size, size))
        }
        Erase::RandomErasing(erasing) => random_rectangle(erasing, size, rng),
    };
    if let Some(hole) = hole {
        fill(hole, size, out);
    }
}

/// Returns the square of side `side` centered at pixel (x, y), clipped to the image.
fn clipped_square(x: u32, y: u32, side: u32, size: u32) -> Region {
    let interval = |center: u32| {
        let start = i64::from(center) - i64::from(side / 2);
        let clip = |position: i64| position.clamp(0, size.into()) as u32;
        (clip(start), clip(start + i64::from(side)))
    };
    let ((left, right), (top, bottom)) = (interval(x), interval(y));
    Region { left, top, width: right - left, height: bottom - top }
}

/// Draws the rectangle of torchvision's `RandomErasing`: with the configured probability, ten
/// attempts at a random area and aspect ratio (height / width); `None` if no attempt fits.
fn random_rectangle(erasing: &RandomErasing, size: u32, rng: &mut SampleRng) -> Option<Region> {
    if rng.uniform(0.0, 1.0) >= erasing.probability {
        return None;
    }
    for _ in 0..10 {
        let area = f64::from(size).powi(2) * rng.uniform(erasing.scale[0], erasing.scale[1]);
        let ratio = rng.uniform(erasing.ratio[0].ln(), erasing.ratio[1].ln()).exp();
        let height = (area * ratio).sqrt().round_ties_even() as u32;
        let width = (area / ratio).sqrt().round_ties_even() as u32;
        if height < size && width < size {
            let (top, left) = (rng.below(size - height + 1), rng.below(size - width + 1));
            return Some(Region { left, top, width, height });
        }
    }
    None
}

fn fill(hole: Region, size: u32, out: &mut [f32]) {
    let channels = out.len() / (size * size) as usize;
    let (start, length) = (hole.left as usize * channels, hole.width as usize * channels);
    let rows = out.chunks_exact_mut(size as usize * channels);
    for row in rows.skip(hole.top as usize).take(hole.height as usize) {
        row[start..start + length].fill(0.0);
    }
}

#[cfg(test)]
mod tests {
    use residual_spec::Cutout;

    use super::*;
    use crate::testing::fixture_json;

    #[test]
    fn erases_fixed_boxes_as_torchvision() {
        for case in fixture_json("erasures").as_array().unwrap() {
            let number = |key: &str| case[key].as_u64().unwrap() as u32;
            let [left, top, width, height] = ["left", "top", "width", "height"].map(number);
            let size = number("size");
            let mut out: Vec<f32> = (1..=size * size * 3).map(|n| n as f32).collect();
            fill(Region { left, top, width, height }, size, &mut out);
            let expected: Vec<f32> = case["erased"]
                .as_array()
                .unwrap()
                .iter()
                .map(|n| n.as_f64().unwrap() as f32)
                .collect();
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn cutout_clips_the_square_at_the_edges() {
        let region = |x, y, side| clipped_square(x, y, side, 8);
        assert_eq!(region(4, 4, 4), Region { left: 2, top: 2, width: 4, height: 4 });
        assert_eq!(region(0, 7, 4), Region { left: 0, top: 5, width: 2, height: 3 });
        assert_eq!(region(7, 0, 3), Region { left: 6, top: 0, width: 2, height: 2 });
        let erase = Erase::Cutout(Cutout { size: 4 });
        let erased: Vec<usize> = (0..200)
            .map(|index| {
                let mut out = [1.0; 64];
                apply(&erase, 8, &mut SampleRng::new(0, 0, index), &mut out);
                out.iter().filter(|&&value| value == 0.0).count()
            })
            .collect();
        assert!(erased.iter().all(|count| (4..=16).contains(count)));
        assert!(erased.contains(&4) && erased.contains(&16));
    }

    #[test]
    fn random_erasing_respects_probability_and_area() {
        let erasing = RandomErasing { probability: 0.25, scale: [0.1, 0.2], ratio: [0.5, 2.0] };
        let mut erased = 0;
        for index in 0..2000 {
            let mut rng = SampleRng::new(7, 0, index);
            if let Some(Region { left, top, width, height }) =
                random_rectangle(&erasing, 64, &mut rng)
            {
                erased += 1;
                assert!(left + width <= 64 && top + height <= 64);
                let area = f64::from(width * height) / 4096.0;
                assert!((0.09..0.21).contains(&area), "{area}");
            }
        }
        assert!((430..570).contains(&erased), "{erased}");
    }
}
