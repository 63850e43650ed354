//! Writes the network's input for each image file, to be compared with Pillow and torchvision by
//! `scripts/oracle/images.py`:
//!
//!     pixels OUT_FOLDER FILE...
//!
//! `OUT_FOLDER/<n>.rgb` and `<n>.gray` hold width and height (u32, little-endian) and the decoded
//! bytes. `<n>.eval` holds 224x224x3 f32 values after `Resize(256)`, `CenterCrop(224)` and
//! ImageNet's normalization; `<n>.reduced` the same for a JPEG decoded at a smaller scale, if that
//! applies. For a refused file, `<n>.error` holds the message.

use std::path::Path;

use residual_data::{EncodedImage, Image, Pipeline, SampleRng, decode};
use residual_spec::{DatasetInfo, MachineInfo, Result, TrainConfig, resolve};

fn main() {
    let mut arguments = std::env::args_os().skip(1);
    let out = arguments.next().expect("the folder to write into");
    let pipeline = evaluation().expect("the defaults are valid");
    for (n, file) in arguments.enumerate() {
        let write = |kind: &str, bytes: &[u8]| {
            std::fs::write(Path::new(&out).join(format!("{n}.{kind}")), bytes).expect("written");
        };
        let bytes = std::fs::read(&file).expect("a file that can be read");
        let mut image = Image::default();
        for (kind, channels) in [("gray", 1), ("rgb", 3)] {
            match decode(&bytes, channels, &mut image) {
                Ok(()) => {
                    let sides = [image.width, image.height].map(u32::to_le_bytes);
                    write(kind, &[sides.as_flattened(), &image.pixels].concat());
                }
                Err(error) => {
                    write("error", error.message.as_bytes());
                    break;
                }
            }
        }
        let write_row = |kind: &str, image: &Image| {
            let mut numbers = vec![0.0f32; pipeline.len()];
            let plan = pipeline.plan(image.view().size(), SampleRng::new(0, 0, 0));
            pipeline.apply(image.view(), plan, &mut numbers);
            let bytes: Vec<u8> = numbers.into_iter().flat_map(f32::to_le_bytes).collect();
            write(kind, &bytes);
        };
        if image.channels == 3 {
            write_row("eval", &image);
            let whole = image.width;
            let encoded = EncodedImage::parse(&bytes).expect("it was decoded before");
            let request = pipeline.plan(encoded.size(), SampleRng::new(0, 0, 0)).request;
            if encoded.decode(request, 3, &mut image).is_ok() && image.width < whole {
                write_row("reduced", &image);
            }
        }
    }
}

/// The evaluation pipeline of a folder of photographs.
fn evaluation() -> Result<Pipeline> {
    let facts = DatasetInfo {
        source: "photos".into(),
        train: 2,
        ..DatasetInfo::unknown(vec!["ant".into(), "bee".into()], 3, None)
    };
    let machine = MachineInfo::with_cores(1);
    let config = TrainConfig::from_json(&serde_json::json!({ "data": { "imageSize": 224 } }))?;
    Ok(Pipeline::eval(&resolve(&config, &facts, &machine)?, None))
}
