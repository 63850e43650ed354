//! Writes the decoded pixels and the network input of each image file, which
//! `scripts/oracle/images.py` compares with Pillow and torchvision:
//!
//!     pixels OUT_FOLDER FILE...
//!
//! `OUT_FOLDER/<n>.rgb` and `<n>.gray` contain width and height (u32, little-endian) and the
//! decoded bytes. `<n>.eval` contains 224x224x3 f32 values after `Resize(256)`, `CenterCrop(224)`
//! and the normalization of ImageNet. `<n>.reduced` contains these values for a JPEG that is
//! decoded at a smaller scale. For a refused file, `<n>.error` contains the message.

use std::path::Path;

use residual_data::{EncodedImage, Image, Pipeline, SampleRng, decode};
use residual_spec::{DatasetInfo, MachineInfo, Result, TrainConfig, resolve};

fn main() {
    let mut arguments = std::env::args_os().skip(1);
    let out = arguments.next().expect("the output folder");
    let pipeline = eval_pipeline().expect("the defaults are valid");
    for (n, file) in arguments.enumerate() {
        let write = |kind: &str, bytes: &[u8]| {
            std::fs::write(Path::new(&out).join(format!("{n}.{kind}")), bytes)
                .expect("the output folder is writable");
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
        let write_input = |kind: &str, image: &Image| {
            let mut values = vec![0.0f32; pipeline.len()];
            let plan = pipeline.plan(image.view().size(), SampleRng::new(0, 0, 0));
            pipeline.apply(image.view(), plan, &mut values);
            let bytes: Vec<u8> = values.into_iter().flat_map(f32::to_le_bytes).collect();
            write(kind, &bytes);
        };
        if image.channels == 3 {
            write_input("eval", &image);
            let full_width = image.width;
            let encoded = EncodedImage::parse(&bytes).expect("it was decoded before");
            let request = pipeline.plan(encoded.size(), SampleRng::new(0, 0, 0)).request;
            if encoded.decode(request, 3, &mut image).is_ok() && image.width < full_width {
                write_input("reduced", &image);
            }
        }
    }
}

/// Returns the evaluation pipeline for a folder of photographs.
fn eval_pipeline() -> Result<Pipeline> {
    let facts = DatasetInfo {
        source: "photos".into(),
        train: 2,
        ..DatasetInfo::unknown(vec!["ant".into(), "bee".into()], 3, None)
    };
    let machine = MachineInfo::with_cores(1);
    let config = TrainConfig::from_json(&serde_json::json!({ "data": { "imageSize": 224 } }))?;
    Ok(Pipeline::eval(&resolve(&config, &facts, &machine)?, None))
}
