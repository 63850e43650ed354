//! Images a second out of the loader, with the data set's default augmentation:
//!
//!     cargo run --release -p residual-data --example loader_rate -- DATA [WORKERS] [BATCH] [TRANSFORM]
//!
//! `DATA` is a folder or a name, `TRANSFORM` JSON (`{"policy": "randaugment"}`), as in a
//! configuration.

use std::sync::Arc;
use std::time::Instant;

use residual_data::{
    open, set_data_root, Loader, LoaderOptions, Order, Part, Pipeline, PixelMean, Subset,
};
use residual_spec::{resolve, DataConfig, MachineFacts, Result, TrainConfig};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let source = arguments.first().cloned().expect("a folder or a name of a data set");
    let number = |i: usize| arguments.get(i).map(|n| n.parse::<usize>().expect("a number"));
    set_data_root(concat!(env!("CARGO_MANIFEST_DIR"), "/../../data"));

    let started = Instant::now();
    let set = open(&DataConfig { source: Some(source), ..DataConfig::default() }, &|| false)?;
    println!("opened {} training images in {:.0?}", set.facts().train, started.elapsed());
    let machine = MachineFacts { cores: 1, bf16: false, cuda: false };
    let transform = arguments.get(3).map_or("{}", String::as_str);
    let transform: serde_json::Value = serde_json::from_str(transform).expect("JSON");
    let said = TrainConfig::from_json(&serde_json::json!({ "transform": transform }))?;
    let config = resolve(&said, set.facts(), &machine)?;
    let train = Subset::all(set.part(Part::Train));
    let (channels, size) = (config.data.channels, config.data.image_size);
    let mean = match config.transform.pixel_mean {
        true => Some(Arc::new(PixelMean::of(&train, channels, size, 1, &|| false)?)),
        false => None,
    };
    let mean = mean.as_ref();
    for (name, pipeline) in
        [("train", Pipeline::train(&config, mean)), ("eval", Pipeline::eval(&config, mean))]
    {
        let pipeline = Arc::new(pipeline);
        let mut rates = Vec::new();
        for epoch in 0..5 {
            let options = LoaderOptions {
                batch_size: number(2).unwrap_or(config.batch_size as usize),
                workers: number(1).unwrap_or(1),
                order: Order::Shuffled { seed: 0, epoch },
                skip_batches: 0,
                drop_single: false,
            };
            let started = Instant::now();
            let mut loader = Loader::new(&train, pipeline.clone(), options);
            let (mut images, mut broken) = (0, 0);
            while let Some(loaded) = loader.next()? {
                images += loaded.batch.len();
                broken += loaded.broken.len();
                loader.recycle(loaded.batch);
            }
            if broken > 0 {
                println!("{broken} images could not be read");
            }
            rates.push(images as f64 / started.elapsed().as_secs_f64());
        }
        rates.sort_by(f64::total_cmp);
        println!("{name}: {:.0} images/s at best, median {:.0}", rates[4], rates[2]);
    }
    Ok(())
}
