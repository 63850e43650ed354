//! Measures the loader for the `jpeg-folder` benchmark (`npm run bench`), or alone:
//!
//!     echo '{"count": 3}' | cargo run --release -p residual-data --example bench_batches -- \
//!         '{"data": "photos", "size": 224, "batch": 32, "workers": 2, "cache": 0}'
//!
//! Uses the protocol of `scripts/bench/peer.mjs`. A unit of work is a shuffled epoch of the
//! training images with the default augmentation of `train()`. The options `transform` and `cache`
//! are configuration keys. By default, decoded images are cached between epochs, as in `train()`.

use std::io::{BufRead, Write};
use std::sync::Arc;
use std::time::Instant;

use residual_data::{
    BatchShare, Loader, LoaderOptions, Pipeline, SampleOrder, Split, Subset, open, set_bundled_dir,
};
use residual_spec::{DataConfig, MachineInfo, Result, TrainConfig, resolve};
use serde_json::{Value, json};

fn write_line(line: &Value) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).expect("stdout is open");
}

fn main() -> Result<()> {
    let options = std::env::args().nth(1).expect("a JSON argument");
    let options: Value = serde_json::from_str(&options).expect("JSON");
    let number = |key: &str| options[key].as_u64().expect("a number");
    set_bundled_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../data"));

    let source = options["data"].as_str().expect("a folder or the name of a data set");
    let source = Some(source.to_string());
    let mut set = open(&DataConfig { source, ..DataConfig::default() }, &|| false)?;
    let machine = MachineInfo::with_cores(1);
    let transform = options.get("transform").cloned().unwrap_or(json!({}));
    let mut overrides = json!({ "data": { "imageSize": number("size") }, "transform": transform });
    if let Some(cache) = options.get("cache") {
        overrides["cache"] = cache.clone();
    }
    let config = resolve(&TrainConfig::from_json(&overrides)?, set.facts(), &machine)?;
    set.cache_decoded(u64::from(config.cache) << 20);
    let train = Subset::full(set.source(Split::Train));
    let pipeline = Arc::new(Pipeline::train(&config, None));
    write_line(&json!({ "images": set.facts().train, "workers": number("workers") }));

    let mut epoch = 0;
    for line in std::io::stdin().lock().lines() {
        let request: Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
        let started = Instant::now();
        let mut images = 0;
        for _ in 0..request["count"].as_u64().expect("a number") {
            let options = LoaderOptions {
                batch_size: number("batch") as usize,
                workers: number("workers") as usize,
                order: SampleOrder::Shuffled { seed: 0, epoch },
                skip_batches: 0,
                drop_single: false,
                share: BatchShare::default(),
                crops_only: false,
            };
            epoch += 1;
            let mut loader = Loader::new(&train, pipeline.clone(), options);
            while let Some(loaded) = loader.next()? {
                images += loaded.batch.len();
                loader.recycle(loaded.batch);
            }
        }
        write_line(&json!({ "items": images, "seconds": started.elapsed().as_secs_f64() }));
    }
    Ok(())
}
