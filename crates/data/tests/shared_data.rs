//! Real data sets outside the repository, in `RESIDUAL_TEST_DATA` or `../shared/data`. Tests are
//! skipped with a message if they are missing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use residual_data::{
    BatchShare, Dataset, Image, Loader, LoaderOptions, Pipeline, SampleOrder, SampleRng, Split,
    Subset, open,
};
use residual_spec::{DataConfig, ErrorCode, MachineInfo, ResolvedConfig, TrainConfig, resolve};

fn find_test_data(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("RESIDUAL_TEST_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    let path = root.join(name);
    if !path.exists() {
        eprintln!("skipped: {} does not exist (set RESIDUAL_TEST_DATA)", path.display());
        return None;
    }
    Some(path)
}

fn open_folder(folder: &Path) -> Dataset {
    let source = Some(folder.display().to_string());
    open(&DataConfig { source, ..DataConfig::default() }, &|| false).unwrap()
}

fn resolve_defaults(set: &Dataset) -> ResolvedConfig {
    let machine = MachineInfo::with_cores(2);
    resolve(&TrainConfig::default(), set.facts(), &machine).unwrap()
}

/// Returns the pipeline, images and labels of the first batch of an augmented epoch, with the
/// defaults for the data set.
fn first_batch(set: &Dataset, workers: usize) -> (Arc<Pipeline>, Vec<f32>, Vec<i64>) {
    let config = resolve_defaults(set);
    let pipeline = Arc::new(Pipeline::train(&config, None));
    let options = LoaderOptions {
        batch_size: config.batch_size as usize,
        workers,
        order: SampleOrder::Shuffled { seed: 1, epoch: 0 },
        skip_batches: 0,
        drop_single: true,
        share: BatchShare::default(),
        crops_only: false,
    };
    let train = set.splits(&config.data).train;
    let mut loader = Loader::new(&train, pipeline.clone(), options);
    let loaded = loader.next().unwrap().unwrap();
    assert!(loaded.failed.is_empty(), "{:?}", loaded.failed);
    (pipeline, loaded.batch.images.to_vec(), loaded.batch.labels)
}

#[test]
fn reads_and_normalizes_cifar_10() {
    let Some(folder) = find_test_data("cifar-10-batches-bin") else { return };
    let set = open_folder(&folder);
    let facts = set.facts();
    assert_eq!((facts.train, facts.val, facts.test), (8_068, 0, 1_017));
    assert_eq!(facts.classes[0], "airplane");
    assert_eq!((facts.channels, facts.image_size), (3, Some([32, 32])));
    // The statistics of this subset are close to those of the whole data set.
    let is_near = |statistics: &Option<Vec<f64>>, published: [f64; 3]| {
        statistics.as_ref().unwrap().iter().zip(published).all(|(a, b)| (a - b).abs() < 0.01)
    };
    assert!(is_near(&facts.mean, [0.4914, 0.4822, 0.4465]), "{:?}", facts.mean);
    assert!(is_near(&facts.std, [0.2470, 0.2435, 0.2616]), "{:?}", facts.std);
    assert!(set.warnings().is_empty());

    // Record 0 of batch 1 is the frog; its first pixel is (59, 62, 63).
    let train = set.source(Split::Train);
    let mut image = Image::default();
    train.read_into(0, 3, &mut image).unwrap();
    assert_eq!((train.label(0), &image.pixels[..3]), (6, &[59, 62, 63][..]));

    let eval = Pipeline::eval(&resolve_defaults(&set), None);
    let mut values = vec![0.0; eval.len()];
    let plan = eval.plan(image.view().size(), SampleRng::new(0, 0, 0));
    eval.apply(image.view(), plan, &mut values);
    let red = (59.0 / 255.0 - facts.mean.as_ref().unwrap()[0]) / facts.std.as_ref().unwrap()[0];
    assert!((f64::from(values[0]) - red).abs() < 1e-6);

    let (pipeline, images, labels) = first_batch(&set, 2);
    assert_eq!((labels.len(), images.len()), (128, 128 * pipeline.len()));
    assert_eq!(first_batch(&set, 1).1, images);
}

/// Unpacks the ants-and-bees data set of the PyTorch tutorial into a temporary folder. Returns that
/// folder and the data set folder.
fn unpack_hymenoptera() -> Option<(tempfile::TempDir, PathBuf)> {
    let archive = find_test_data("hymenoptera.tar")?;
    let folder = tempfile::tempdir().unwrap();
    let mut tar = std::process::Command::new("tar");
    let status = tar.arg("-xf").arg(&archive).arg("-C").arg(folder.path()).status();
    assert!(status.is_ok_and(|status| status.success()), "tar could not unpack {archive:?}");
    let data = folder.path().join("hymenoptera/hymenoptera_data");
    Some((folder, data))
}

#[test]
fn reads_a_folder_of_photographs_and_skips_a_gif() {
    let Some((_unpacked, folder)) = unpack_hymenoptera() else { return };
    let set = open_folder(&folder);
    let facts = set.facts();
    assert_eq!((facts.train, facts.val, facts.test), (244, 153, 0));
    assert_eq!(facts.classes, ["ants", "bees"]);
    assert_eq!((facts.channels, facts.image_size), (3, None));
    assert_eq!(set.warnings().len(), 1);
    assert_eq!(set.warnings()[0].code, ErrorCode::Image);
    assert!(set.warnings()[0].file.as_deref().unwrap().ends_with("imageNotFound.gif"));

    let (pipeline, images, labels) = first_batch(&set, 2);
    assert_eq!((labels.len(), images.len()), (32, 32 * pipeline.len()));
    assert!(images.iter().all(|value| (-3.0..3.0).contains(value)));

    // The error of the parent folder suggests this folder.
    let source = folder.parent().map(|parent| parent.display().to_string());
    let error = open(&DataConfig { source, ..DataConfig::default() }, &|| false).err().unwrap();
    assert_eq!(error.code, ErrorCode::DataUnusable);
    assert!(error.hint.unwrap().ends_with("hymenoptera_data?"));
}

#[test]
fn decodes_every_photograph_of_a_folder() {
    let Some((_unpacked, folder)) = unpack_hymenoptera() else { return };
    let set = open_folder(&folder);
    let options = LoaderOptions {
        batch_size: 32,
        workers: 2,
        order: SampleOrder::Sequential,
        skip_batches: 0,
        drop_single: false,
        share: BatchShare::default(),
        crops_only: false,
    };
    let val = Subset::full(set.source(Split::Val));
    let mut loader =
        Loader::new(&val, Arc::new(Pipeline::eval(&resolve_defaults(&set), None)), options);
    let mut count = 0;
    while let Some(loaded) = loader.next().unwrap() {
        assert!(loaded.failed.is_empty(), "{:?}", loaded.failed);
        count += loaded.batch.len();
        loader.recycle(loaded.batch);
    }
    assert_eq!(count, 153);
}

#[test]
fn batches_of_photographs_do_not_depend_on_the_cache() {
    let Some((_unpacked, folder)) = unpack_hymenoptera() else { return };
    let pipeline = |set: &Dataset| Arc::new(Pipeline::train(&resolve_defaults(set), None));
    let options = LoaderOptions {
        batch_size: 16,
        workers: 2,
        order: SampleOrder::Shuffled { seed: 4, epoch: 1 },
        skip_batches: 0,
        drop_single: false,
        share: BatchShare::default(),
        crops_only: false,
    };
    let (uncached, mut cached) = (open_folder(&folder), open_folder(&folder));
    cached.cache_decoded(1 << 30);
    let [mut uncached, mut cached] = [&uncached, &cached].map(|set| {
        let source = set.source(Split::Train);
        let subset = Subset { indices: (0..source.len() as u32).step_by(5).collect(), source };
        Loader::new(&subset, pipeline(set), options)
    });
    while let Some(loaded) = uncached.next().unwrap() {
        assert!(loaded.failed.is_empty(), "{:?}", loaded.failed);
        assert!(cached.next().unwrap().unwrap().batch == loaded.batch);
    }
    assert!(cached.next().unwrap().is_none());
}
