//! Samples depend only on seed, epoch and index: for every format and sample order, the bytes of
//! the batches do not depend on the number of workers.

use std::path::Path;
use std::sync::Arc;

use residual_data::{
    ArraySplit, Arrays, Batch, BatchShare, Dataset, Image, Loader, LoaderOptions, Pipeline,
    SampleOrder, Split, open, open_with_arrays,
};
use residual_spec::{DataConfig, DataFormat, MachineInfo, TrainConfig, resolve};
use serde_json::json;

/// Returns the augmented batches of an epoch.
fn load_epoch(set: &Dataset, data: &DataConfig, workers: usize) -> Vec<Batch> {
    let data = serde_json::to_value(data).unwrap();
    let config = json!({ "data": data, "batchSize": 4, "seed": 3, "transform": { "flip": true } });
    let machine = MachineInfo::with_cores(2);
    let config = resolve(&TrainConfig::from_json(&config).unwrap(), set.facts(), &machine).unwrap();
    let order = if config.data.balanced {
        SampleOrder::Balanced { seed: config.seed, epoch: 1 }
    } else {
        SampleOrder::Shuffled { seed: config.seed, epoch: 1 }
    };
    let options = LoaderOptions {
        batch_size: 4,
        workers,
        order,
        skip_batches: 0,
        drop_single: true,
        share: BatchShare::default(),
        crops_only: false,
    };
    let splits = set.splits(&config.data);
    let mut loader = Loader::new(&splits.train, Arc::new(Pipeline::train(&config, None)), options);
    let mut batches = Vec::new();
    while let Some(loaded) = loader.next().unwrap() {
        assert!(loaded.failed.is_empty(), "{:?}", loaded.failed);
        batches.push(loaded.batch);
    }
    batches
}

fn tar_archive(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, bytes) in files {
        let mut header = [0u8; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[124..135].copy_from_slice(format!("{:011o}", bytes.len()).as_bytes());
        header[148..156].fill(b' ');
        header[156] = b'0';
        let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        archive.extend_from_slice(&header);
        archive.extend_from_slice(bytes);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.resize(archive.len() + 1024, 0);
    archive
}

/// Writes eleven images of two classes in every format on disk. Returns the paths and formats.
fn write_data_sets(root: &Path) -> Vec<(String, DataFormat)> {
    let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/images");
    let image = std::fs::read(images.join("picture.png")).unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let file = root.join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, bytes).unwrap();
    };
    let class = |i: usize| if i < 8 { "ant" } else { "bee" };
    let (mut manifest, mut shard) = (String::new(), Vec::new());
    let (mut cifar10, mut cifar100, mut pixels, mut labels) = (vec![], vec![], vec![], vec![]);
    for i in 0..11 {
        write(&format!("photos/{}/{i}.png", class(i)), &image);
        manifest += &format!("photos/{}/{i}.png,{}\n", class(i), class(i));
        shard.push((format!("{i}.png"), image.clone()));
        shard.push((format!("{i}.cls"), class(i).into()));
        let label = u8::from(i >= 8);
        let planes: Vec<u8> = (0..3072).map(|j| (i * 31 + j * 7) as u8).collect();
        cifar10.extend([&[label], &planes[..]].concat());
        cifar100.extend([&[label, label], &planes[..]].concat());
        pixels.extend_from_slice(&planes[..64]);
        labels.push(label);
    }
    write("labels.csv", manifest.as_bytes());
    write("shards/train-0.tar", &tar_archive(&shard));
    write("cifar10/data_batch_1.bin", &cifar10);
    write("cifar100/train.bin", &cifar100);
    let header = |dimensions: u8, sizes: &[u32]| {
        let sizes = sizes.iter().flat_map(|size| size.to_be_bytes());
        [0, 0, 8, dimensions].into_iter().chain(sizes).collect::<Vec<u8>>()
    };
    write("idx/train-images-idx3-ubyte", &[header(3, &[11, 8, 8]), pixels].concat());
    write("idx/train-labels-idx1-ubyte", &[header(1, &[11]), labels].concat());
    [
        ("photos", DataFormat::ImageFolder),
        ("labels.csv", DataFormat::Manifest),
        ("shards", DataFormat::Webdataset),
        ("cifar10", DataFormat::CifarBinary),
        ("cifar100", DataFormat::CifarBinary),
        ("idx", DataFormat::Idx),
    ]
    .map(|(name, format)| (root.join(name).display().to_string(), format))
    .to_vec()
}

fn open_arrays() -> Dataset {
    let train = ArraySplit {
        images: Arc::new((0..11 * 64).map(|i| (i * 7) as u8).collect()),
        labels: Arc::new((0..11).map(|i| u32::from(i >= 8)).collect()),
        height: 8,
        width: 8,
        channels: 1,
    };
    let arrays = Arrays { train, val: None, test: None, classes: None };
    open_with_arrays(&DataConfig::default(), Some(arrays), &|| false).unwrap()
}

#[test]
fn batches_of_every_format_do_not_depend_on_the_number_of_workers() {
    let root = tempfile::tempdir().unwrap();
    let mut sets = vec![(open_arrays(), DataFormat::Arrays)];
    for (source, format) in write_data_sets(root.path()) {
        let config = DataConfig { source: Some(source), ..DataConfig::default() };
        sets.push((open(&config, &|| false).unwrap(), format));
    }
    for (set, format) in sets {
        assert_eq!(set.facts().format, format);
        assert_eq!(set.source(Split::Train).len(), 11);
        let mut image = Image::default();
        set.source(Split::Train).read_into(10, 3, &mut image).unwrap();
        // An epoch has 10 images, because one is held out. CIFAR-100 has more classes than the
        // limit.
        for (balanced, limit, images) in
            [(false, None, 10), (true, None, 10), (false, Some(6), 6), (true, Some(6), 6)]
        {
            let limit = limit.filter(|_| set.facts().classes.len() < 6);
            let data = DataConfig {
                source: Some(set.facts().source.clone()),
                image_size: Some(residual_spec::Auto::Value(8)),
                balanced: Some(balanced),
                limit,
                ..DataConfig::default()
            };
            let single = load_epoch(&set, &data, 1);
            let labels: Vec<i64> = single.iter().flat_map(|batch| batch.labels.clone()).collect();
            assert_eq!(labels.len(), if limit.is_some() { images } else { 10 }, "{format:?}");
            let second_class_count = labels.iter().sum::<i64>() as usize;
            assert!(!balanced || second_class_count == labels.len() / 2, "{format:?}: {labels:?}");
            for workers in [2, 5] {
                assert!(
                    load_epoch(&set, &data, workers) == single,
                    "{format:?} with {workers} workers"
                );
            }
        }
    }
}
