//! Complete runs on a small data set: their files, and bit-exact resuming.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use residual_runlog::RunDir;
use residual_runtime::{Control, Entry, Session, StopSignal};
use residual_spec::{
    ErrorCode, EvaluateConfig, FromJson, LoadConfig, Metrics, RunEvaluation, RunEvent, Split,
    StopReason, TrainResult,
};
use residual_weights::Checkpoint;
use serde_json::{Value, json};

/// Writes gray 16 x 16 images of four classes; in each class, a different quadrant is bright.
fn data_set(folder: &Path) {
    for (part, count) in [("train", 160u32), ("t10k", 40)] {
        let mut images = Vec::from([0, 0, 8, 3]);
        for n in [count, 16, 16] {
            images.extend(n.to_be_bytes());
        }
        let mut labels = Vec::from([0, 0, 8, 1]);
        labels.extend(count.to_be_bytes());
        for i in 0..count {
            let class = i % 4;
            labels.push(class as u8);
            for pixel in 0..256u32 {
                let (row, column) = (pixel / 16, pixel % 16);
                let bright = (row / 8) * 2 + column / 8 == class;
                let noise = (i * 7919 + pixel * 104_729) % 61;
                images.push((noise + if bright { 150 } else { 20 }) as u8);
            }
        }
        let write = |name: &str, bytes: &[u8]| {
            std::fs::File::create(folder.join(name)).unwrap().write_all(bytes).unwrap();
        };
        write(&format!("{part}-images-idx3-ubyte"), &images);
        write(&format!("{part}-labels-idx1-ubyte"), &labels);
    }
}

struct TestFolder(tempfile::TempDir);

impl TestFolder {
    fn new() -> TestFolder {
        let folder = TestFolder(tempfile::tempdir().unwrap());
        std::fs::create_dir(folder.path("data")).unwrap();
        data_set(Path::new(&folder.path("data")));
        folder
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn config(&self, out: &str, more: Value) -> Value {
        let mut config = json!({
            "data": self.path("data"),
            "model": "resnet8",
            "epochs": 2,
            "batchSize": 32,
            "precision": "fp32",
            "threads": 1,
            "seed": 7,
            "optimizer": { "lr": 0.05 },
            "out": self.path(out),
        });
        for (key, value) in more.as_object().unwrap() {
            config[key] = value.clone();
        }
        config
    }
}

/// Trains and acknowledges every event immediately. Stops when `stop` returns a signal.
fn run(
    config: &Value,
    stop: impl Fn(&RunEvent) -> Option<StopSignal>,
) -> (residual_spec::Result<TrainResult>, Vec<RunEvent>) {
    let control = Arc::new(Control::new(|| {}));
    let mut events = Vec::new();
    let mut read = |control: &Control| {
        for entry in control.drain() {
            if let Entry::Event { seq, event } = entry {
                if let Some(signal) = stop(&event) {
                    control.stop(signal);
                }
                control.acknowledge(seq);
                events.push(*event);
            }
        }
    };
    let result = residual_train::train(config, None, &control, &mut || read(&control));
    read(&control);
    (result, events)
}

fn train(config: &Value) -> TrainResult {
    run(config, |_| None).0.unwrap()
}

fn checkpoint(result: &TrainResult) -> Checkpoint {
    Checkpoint::read(Path::new(&result.last)).unwrap()
}

#[test]
fn a_run_trains_and_writes_all_files() {
    let folder = TestFolder::new();
    let config = folder.config("run", json!({ "epochs": 6, "checkpoint": { "everyEpochs": 4 } }));
    let (result, events) = run(&config, |_| None);
    let result = result.unwrap();
    assert_eq!(result.stop_reason, StopReason::Completed);
    assert_eq!((result.epochs, result.steps), (6, 6 * 5));
    assert!(result.test.unwrap().accuracy > 0.9, "{:?}", result.test);
    for file in [
        "config.json",
        "environment.json",
        "metrics.jsonl",
        "metrics.csv",
        "result.json",
        "checkpoints/last.safetensors",
        "checkpoints/best.safetensors",
        "checkpoints/epoch-0004.safetensors",
    ] {
        assert!(Path::new(&result.dir).join(file).is_file(), "{file}");
    }
    let count = |filter: fn(&RunEvent) -> bool| events.iter().filter(|e| filter(e)).count();
    assert!(matches!(events.first(), Some(RunEvent::Start(_))));
    assert!(matches!(events.last(), Some(RunEvent::End(_))));
    assert_eq!(count(|event| matches!(event, RunEvent::Epoch(_))), 6);
}

fn run_evaluation(result: &TrainResult) -> Option<RunEvaluation> {
    let text = std::fs::read(Path::new(&result.dir).join("evaluation.json")).ok()?;
    Some(serde_json::from_slice(&text).unwrap())
}

/// Returns the validation metrics of the best epoch from metrics.jsonl.
fn best_validation(result: &TrainResult) -> Metrics {
    let log = std::fs::read_to_string(Path::new(&result.dir).join("metrics.jsonl")).unwrap();
    let best = result.best.as_ref().unwrap().epoch;
    log.lines()
        .filter_map(|line| match serde_json::from_str(line).unwrap() {
            RunEvent::Epoch(event) if event.epoch == best => event.val,
            _ => None,
        })
        .next()
        .unwrap()
}

/// Asserts that outcomes agree with the metrics of the same images.
#[track_caller]
fn assert_outcomes(outcomes: Option<&str>, metrics: Metrics) {
    let outcomes = outcomes.unwrap();
    let count = |outcome| outcomes.matches(outcome).count() as f64;
    assert_eq!(count('0') + count('1'), f64::from(metrics.count));
    assert_eq!(count('1') / f64::from(metrics.count), metrics.accuracy);
}

#[test]
fn the_last_evaluation_is_written_with_thumbnails() {
    let folder = TestFolder::new();
    let tested = train(&folder.config("tested", json!({})));
    let stored = run_evaluation(&tested).unwrap();
    assert_outcomes(stored.test_outcomes.as_deref(), tested.test.unwrap());
    assert_outcomes(stored.val_outcomes.as_deref(), best_validation(&tested));
    let RunEvaluation { split: part, epoch, evaluation, .. } = stored;
    assert_eq!((part, epoch), (Split::Test, tested.best.as_ref().unwrap().epoch));
    assert_eq!(Some(Metrics::from(&evaluation)), tested.test);
    assert_eq!(evaluation.confusion.iter().flatten().sum::<u32>(), 40);
    assert_eq!((evaluation.samples.len(), evaluation.top_losses.len()), (24, 24));
    let losses: Vec<f64> = evaluation.top_losses.iter().map(|example| example.loss).collect();
    assert!(losses.is_sorted_by(|a, b| a >= b));
    for example in evaluation.samples.iter().chain(&evaluation.top_losses) {
        let thumbnail = example.thumbnail.as_ref().unwrap();
        assert_eq!((thumbnail.width, thumbnail.height, thumbnail.channels), (16, 16, 1));
    }

    // An evaluation of the checkpoint has the same result.
    let model = Session::open(Path::new(&tested.dir), &LoadConfig::default()).unwrap();
    let again = model.evaluate(&EvaluateConfig::default(), None, &|| false).unwrap().unwrap();
    assert_eq!(again.confusion, evaluation.confusion);

    let more = train(&json!({ "resume": tested.dir, "epochs": 3 }));
    assert_eq!(run_evaluation(&more).unwrap().epoch, more.best.as_ref().unwrap().epoch);
}

#[test]
fn a_stopped_run_writes_the_validation_of_its_best_epoch_and_an_aborted_run_writes_none() {
    let folder = TestFolder::new();
    let ended = |name, why: StopSignal| {
        let config = folder.config(name, json!({}));
        run(&config, move |event| matches!(event, RunEvent::Epoch(_)).then(|| why.clone())).0
    };
    let stopped = ended("stopped", StopSignal::Requested).unwrap();
    let RunEvaluation { split: part, epoch, evaluation, .. } = run_evaluation(&stopped).unwrap();
    assert_eq!((part, epoch), (Split::Val, stopped.best.as_ref().unwrap().epoch));
    assert_eq!(evaluation.accuracy, stopped.best.as_ref().unwrap().accuracy);
    assert!(evaluation.samples.iter().all(|example| example.thumbnail.is_some()));

    // A run that is stopped at its first step has no better epoch, so its evaluation is unchanged.
    let again = json!({ "resume": stopped.dir });
    let again =
        run(&again, |event| matches!(event, RunEvent::Step(_)).then_some(StopSignal::Requested));
    assert_eq!(run_evaluation(&again.0.unwrap()).unwrap().epoch, epoch);
    let resumed = train(&json!({ "resume": stopped.dir }));
    assert_eq!(run_evaluation(&resumed).unwrap().split, Split::Test);

    assert_eq!(ended("aborted", StopSignal::Aborted).unwrap_err().code, ErrorCode::Aborted);
    assert!(!Path::new(&folder.path("aborted")).join("evaluation.json").exists());
}

#[test]
fn without_a_test_split_the_validation_of_the_best_epoch_is_written() {
    let folder = TestFolder::new();
    for file in ["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"] {
        std::fs::remove_file(Path::new(&folder.path("data")).join(file)).unwrap();
    }
    let result = train(&folder.config("run", json!({ "epochs": 4 })));
    let RunEvaluation { split: part, epoch, evaluation, .. } = run_evaluation(&result).unwrap();
    let best = result.best.unwrap();
    assert_eq!((part, epoch), (Split::Val, best.epoch));
    assert_eq!((evaluation.accuracy, evaluation.loss), (best.accuracy, best.loss));
}

#[test]
fn equal_seeds_compute_equal_bits_with_any_number_of_workers() {
    let folder = TestFolder::new();
    let one = checkpoint(&train(&folder.config("a", json!({ "workers": 1 }))));
    let two = checkpoint(&train(&folder.config("b", json!({ "workers": 3 }))));
    let other = checkpoint(&train(&folder.config("c", json!({ "seed": 8 }))));
    assert!(one.tensors == two.tensors);
    assert!(one.tensors != other.tensors);
}

#[test]
fn a_resumed_run_computes_the_same_bits_and_the_same_log() {
    let folder = TestFolder::new();
    let schedule = json!({ "type": "plateau", "patience": 0, "threshold": 0.5, "factor": 0.5 });
    let more = json!({ "epochs": 4, "schedule": schedule, "log": { "everySteps": 1 } });
    let whole = train(&folder.config("whole", more.clone()));
    // Within an epoch, at its last step, and after it.
    for at in [3, 5, 7] {
        let name = format!("stopped-{at}");
        let config = folder.config(&name, more.clone());
        let stop = move |event: &RunEvent| {
            matches!(event, RunEvent::Step(step) if step.step >= at)
                .then_some(StopSignal::Requested)
        };
        let (stopped, _) = run(&config, stop);
        let stopped = stopped.unwrap();
        assert_eq!(stopped.stop_reason, StopReason::Stopped);
        assert!(stopped.steps < whole.steps);

        let resumed = train(&json!({ "resume": stopped.dir }));
        assert_eq!(resumed.stop_reason, StopReason::Completed);
        assert!(checkpoint(&resumed).tensors == checkpoint(&whole).tensors, "stopped at {at}");
        assert_eq!(epochs_of(&whole), epochs_of(&resumed), "stopped at {at}");
    }
}

#[test]
fn every_optimizer_trains_and_resumes_to_the_bit() {
    let folder = TestFolder::new();
    for (word, lr) in [("adam", 0.005), ("adamw", 0.005), ("lars", 5.0)] {
        let optimizer = json!({ "type": word, "lr": lr, "decayNorms": false });
        let more = json!({ "epochs": 4, "optimizer": optimizer });
        let whole = train(&folder.config(&format!("{word}-whole"), more.clone()));
        assert!(whole.best.as_ref().unwrap().accuracy > 0.6, "{word}: {:?}", whole.best);
        let stop = |event: &RunEvent| {
            matches!(event, RunEvent::Step(step) if step.step >= 3).then_some(StopSignal::Requested)
        };
        let (stopped, _) = run(&folder.config(&format!("{word}-stopped"), more), stop);
        let resumed = train(&json!({ "resume": stopped.unwrap().dir }));
        assert!(checkpoint(&resumed).tensors == checkpoint(&whole).tensors, "{word}");
    }
}

/// Inverts a bit of a file at a fraction of its length.
fn flip_bit(path: &Path, fraction: f64) {
    let mut bytes = std::fs::read(path).unwrap();
    let at = (bytes.len() as f64 * fraction) as usize;
    bytes[at] ^= 4;
    std::fs::write(path, bytes).unwrap();
}

/// Returns the contents of config.json without the path of the run folder.
fn read_config_file(result: &TrainResult) -> Value {
    let text = std::fs::read(Path::new(&result.dir).join("config.json")).unwrap();
    let mut config: Value = serde_json::from_slice(&text).unwrap();
    config["out"] = Value::Null;
    config
}

/// Returns the messages of the warnings.
fn warnings(events: &[RunEvent]) -> Vec<String> {
    let message = |event: &RunEvent| match event {
        RunEvent::Warning(warning) => Some(warning.message.clone()),
        _ => None,
    };
    events.iter().filter_map(message).collect()
}

#[test]
fn a_damaged_last_checkpoint_resumes_from_the_newest_intact_one_to_the_same_bits() {
    let folder = TestFolder::new();
    let more = json!({ "epochs": 4, "checkpoint": { "everyEpochs": 1 } });
    let whole = train(&folder.config("whole", more.clone()));
    let stop = |event: &RunEvent| {
        matches!(event, RunEvent::Step(step) if step.step >= 12).then_some(StopSignal::Requested)
    };
    let stopped = run(&folder.config("stopped", more), stop).0.unwrap();
    flip_bit(Path::new(&stopped.last), 0.7);
    let error = run(&json!({ "resume": stopped.last }), |_| None).0.unwrap_err();
    assert_eq!(error.code, ErrorCode::Checkpoint);
    assert!(error.message.contains("does not match its checksum"), "{error}");

    let (resumed, events) = run(&json!({ "resume": stopped.dir }), |_| None);
    let resumed = resumed.unwrap();
    let [warning] = &warnings(&events)[..] else { panic!("{events:?}") };
    assert!(warning.contains("last.safetensors is damaged"), "{warning}");
    assert!(checkpoint(&resumed).tensors == checkpoint(&whole).tensors);
    assert_eq!(epochs_of(&whole), epochs_of(&resumed));
    assert_eq!(
        (resumed.best.unwrap().epoch, &resumed.test),
        (whole.best.unwrap().epoch, &whole.test)
    );
}

#[test]
fn a_resumed_run_has_the_configuration_of_an_uninterrupted_one() {
    let folder = TestFolder::new();
    let whole = train(&folder.config("whole", json!({ "overwrite": true })));
    let stop =
        |event: &RunEvent| matches!(event, RunEvent::Step(_)).then_some(StopSignal::Requested);
    let stopped = run(&folder.config("stopped", json!({})), stop).0.unwrap();
    let resumed = train(&json!({ "resume": stopped.dir }));
    let config = |result: &TrainResult| {
        let mut config = serde_json::to_value(checkpoint(result).config).unwrap();
        config["out"] = Value::Null;
        config
    };
    assert_eq!(config(&resumed), config(&whole));
    assert_eq!(read_config_file(&resumed), read_config_file(&whole));
    assert_eq!(read_config_file(&whole), config(&whole));
    assert!(!read_config_file(&resumed)["reasons"].as_object().unwrap().is_empty());

    // The file trains the run again.
    let mut again = read_config_file(&resumed);
    again["out"] = folder.path("again").into();
    assert!(checkpoint(&train(&again)).tensors == checkpoint(&whole).tensors);
}

#[test]
fn a_run_that_ended_before_its_first_checkpoint_starts_over() {
    let folder = TestFolder::new();
    let whole = train(&folder.config("whole", json!({})));
    let killed =
        train(&folder.config("killed", json!({ "budget": { "steps": 1 }, "epochs": null })));
    // The folder of a run that is killed in its first epoch.
    std::fs::copy(
        Path::new(&whole.dir).join("config.json"),
        Path::new(&killed.dir).join("config.json"),
    )
    .unwrap();
    for entry in std::fs::read_dir(Path::new(&killed.dir).join("checkpoints")).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let (resumed, events) = run(&json!({ "resume": killed.dir }), |_| None);
    let resumed = resumed.unwrap();
    let [warning] = &warnings(&events)[..] else { panic!("{events:?}") };
    assert!(warning.contains("starts over"), "{warning}");
    assert_eq!(resumed.dir, killed.dir);
    assert!(checkpoint(&resumed).tensors == checkpoint(&whole).tensors);
    assert_eq!(epochs_of(&resumed), epochs_of(&whole));
    assert_eq!(read_config_file(&resumed), read_config_file(&whole));
}

#[test]
fn damaged_files_of_a_run_are_restored_with_a_warning() {
    let folder = TestFolder::new();
    let more = json!({ "epochs": 3, "checkpoint": { "everyEpochs": 1 }, "schedule": "constant" });
    let whole = train(&folder.config("whole", more.clone()));
    let run_to = |epochs: u32| {
        let mut config = folder.config("run", more.clone());
        config["epochs"] = epochs.into();
        config["overwrite"] = true.into();
        train(&config)
    };
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 5] = [
        ("config.json", |dir| std::fs::write(dir.join("config.json"), "{\"data\":").unwrap()),
        ("config.json", |dir| std::fs::remove_file(dir.join("config.json")).unwrap()),
        ("metrics.csv", |dir| std::fs::write(dir.join("metrics.csv"), "epoch,st").unwrap()),
        ("metrics.jsonl", |dir| {
            let text = std::fs::read(dir.join("metrics.jsonl")).unwrap();
            std::fs::write(dir.join("metrics.jsonl"), &text[..text.len() / 9]).unwrap();
        }),
        ("", |dir| {
            std::fs::remove_file(dir.join("checkpoints/best.safetensors")).unwrap();
        }),
    ];
    for (named, damage) in damages {
        let first = run_to(2);
        damage(Path::new(&first.dir));
        let (resumed, events) = run(&json!({ "resume": first.dir, "epochs": 3 }), |_| None);
        let resumed = resumed.unwrap();
        let warnings = warnings(&events);
        if named.is_empty() {
            // Restored from the checkpoint of the best epoch.
            assert!(warnings.is_empty(), "{warnings:?}");
        } else {
            assert!(warnings.iter().any(|warning| warning.contains(named)), "{warnings:?}");
        }
        assert!(checkpoint(&resumed).tensors == checkpoint(&whole).tensors, "{named}");
        assert_eq!(resumed.test, whole.test);
        let rows = std::fs::read_to_string(Path::new(&resumed.dir).join("metrics.csv")).unwrap();
        let expected = if named == "metrics.jsonl" { 4 } else { epochs_of(&resumed).len() + 1 };
        assert_eq!(rows.lines().count(), expected, "{named}");
    }
}

#[test]
fn a_damaged_best_checkpoint_ends_with_a_warning_instead_of_a_test_evaluation() {
    let folder = TestFolder::new();
    let config = folder.config("run", json!({ "epochs": 2 }));
    let best = folder.path("run/checkpoints/best.safetensors");
    let (result, events) = run(&config, |event| {
        if matches!(event, RunEvent::Epoch(epoch) if epoch.epoch == 2) {
            flip_bit(Path::new(&best), 0.7);
        }
        None
    });
    assert_eq!(result.unwrap().test, None);
    let [warning] = &warnings(&events)[..] else { panic!("{events:?}") };
    assert!(warning.contains("best.safetensors is damaged"), "{warning}");
}

#[test]
fn models_open_from_another_checkpoint_if_the_best_one_is_damaged() {
    let folder = TestFolder::new();
    let result = train(&folder.config("run", json!({ "epochs": 1 })));
    let best = result.best.unwrap().checkpoint;
    flip_bit(Path::new(&best), 0.7);
    let open = |path: &str| Session::open(Path::new(path), &LoadConfig::default());
    let model = open(&result.dir).unwrap();
    assert!(model.info().checkpoint.ends_with("last.safetensors"));
    let [warning] = &model.info().warnings[..] else { panic!("{:?}", model.info().warnings) };
    assert!(warning.contains("best.safetensors is damaged"), "{warning:?}");
    // A file that is named is not replaced, even if only its optimizer state is damaged.
    for fraction in [0.3, 0.5, 0.7, 0.9, 0.99] {
        std::fs::copy(&result.last, &best).unwrap();
        flip_bit(Path::new(&best), fraction);
        let error = open(&best).err().unwrap();
        assert_eq!(error.code, ErrorCode::Checkpoint, "{fraction}");
    }
}

#[test]
fn a_resumed_run_without_a_test_split_writes_the_evaluation_of_an_earlier_best_epoch() {
    let folder = TestFolder::new();
    for file in ["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"] {
        std::fs::remove_file(Path::new(&folder.path("data")).join(file)).unwrap();
    }
    let whole = train(&folder.config("whole", json!({ "epochs": 2 })));
    let expected = run_evaluation(&whole).unwrap();
    // The folder of a run that is killed after its last checkpoint.
    for file in ["evaluation.json", "result.json"] {
        std::fs::remove_file(Path::new(&whole.dir).join(file)).unwrap();
    }
    let resumed = train(&json!({ "resume": whole.dir }));
    let written = run_evaluation(&resumed).unwrap();
    assert_eq!((written.split, written.epoch), (expected.split, expected.epoch));
    assert_eq!(written.evaluation.loss, expected.evaluation.loss);
    assert_eq!(written.evaluation.top_losses, expected.evaluation.top_losses);
    assert_eq!(written.evaluation.samples, expected.evaluation.samples);
}

#[test]
fn a_resumed_run_keeps_the_validation_outcomes_of_an_earlier_best_epoch() {
    let folder = TestFolder::new();
    let whole = train(&folder.config("whole", json!({ "epochs": 2 })));
    let expected = run_evaluation(&whole).unwrap();
    assert!(expected.val_outcomes.is_some() && expected.test_outcomes.is_some());
    // A run that had ended, and one that was killed after its last checkpoint.
    for file in ["result.json", "evaluation.json"] {
        std::fs::remove_file(Path::new(&whole.dir).join(file)).unwrap();
        let resumed = train(&json!({ "resume": whole.dir }));
        let written = run_evaluation(&resumed).unwrap();
        assert_eq!(written.split, Split::Test);
        assert_eq!(written.val_outcomes, expected.val_outcomes, "without {file}");
        assert_eq!(written.test_outcomes, expected.test_outcomes, "without {file}");
    }
}

/// Reads epochs, steps, learning rates and scores from metrics.jsonl: the fields that do not depend
/// on time.
fn epochs_of(result: &TrainResult) -> Vec<Value> {
    let text = std::fs::read_to_string(Path::new(&result.dir).join("metrics.jsonl")).unwrap();
    text.lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|event| event["type"] == "epoch")
        .map(|event| {
            json!([event["epoch"], event["step"], event["lr"], event["train"], event["val"]])
        })
        .collect()
}

#[test]
fn a_resumed_run_can_be_extended_but_not_reconfigured() {
    let folder = TestFolder::new();
    let first = train(&folder.config("run", json!({ "epochs": 1, "schedule": "constant" })));
    let refused = |more: Value| {
        let mut config = json!({ "resume": first.dir });
        for (key, value) in more.as_object().unwrap() {
            config[key] = value.clone();
        }
        run(&config, |_| None).0.unwrap_err()
    };
    let error = refused(json!({ "model": "resnet14" }));
    assert_eq!((error.code, error.at.key.as_deref()), (ErrorCode::Mismatch, Some("model.arch")));
    assert!(error.message.ends_with(r#""resnet8", not "resnet14""#), "{error}");
    assert_eq!(refused(json!({ "out": folder.path("elsewhere") })).code, ErrorCode::Config);

    let longer = train(&json!({ "resume": first.dir, "epochs": 2, "cudaGraphs": true }));
    assert_eq!((longer.epochs, longer.stop_reason), (2, StopReason::Completed));
}

#[test]
fn a_run_resumes_after_its_data_set_was_moved() {
    let folder = TestFolder::new();
    let config = json!({ "epochs": 1, "data": { "source": folder.path("data"), "limit": 100 } });
    let first = train(&folder.config("run", config));
    std::fs::rename(folder.path("data"), folder.path("moved")).unwrap();
    let resume = |data: Option<&str>| {
        let data = data.map(|data| folder.path(data));
        run(&json!({ "resume": first.dir, "epochs": 2, "data": data }), |_| None).0
    };
    let error = resume(None).unwrap_err();
    assert_eq!(error.code, ErrorCode::DataNotFound);
    assert!(error.hint.unwrap().contains("pass its new path as `data`"));
    // Other images are refused.
    std::fs::create_dir(folder.path("other")).unwrap();
    data_set(Path::new(&folder.path("other")));
    std::fs::rename(
        folder.path("other/t10k-labels-idx1-ubyte"),
        folder.path("other/train-labels-idx1-ubyte"),
    )
    .unwrap();
    std::fs::rename(
        folder.path("other/t10k-images-idx3-ubyte"),
        folder.path("other/train-images-idx3-ubyte"),
    )
    .unwrap();
    assert_eq!(resume(Some("other")).unwrap_err().code, ErrorCode::Mismatch);
    let config = resume(Some("moved")).map(|result| checkpoint(&result).config).unwrap();
    assert_eq!((config.data.source, config.data.limit), (folder.path("moved"), Some(100)));
}

#[test]
fn a_run_in_progress_cannot_be_resumed_even_without_a_checkpoint() {
    let folder = TestFolder::new();
    let dir = folder.path("begun");
    let writer = RunDir::create(Path::new(&dir), false).unwrap();
    let resume = || run(&json!({ "resume": dir }), |_| None).0.unwrap_err();
    let error = resume();
    assert_eq!((error.code, error.at.file.as_deref()), (ErrorCode::OutInUse, Some(&*dir)));
    drop(writer);
    assert_eq!(resume().code, ErrorCode::Checkpoint);
}

#[test]
fn a_step_budget_ends_with_an_evaluation_and_can_be_extended() {
    let folder = TestFolder::new();
    let config = folder.config("run", json!({ "epochs": null, "budget": { "steps": 7 } }));
    let result = train(&config);
    assert_eq!((result.stop_reason, result.steps), (StopReason::Budget, 7));
    assert_eq!(result.epochs, 1);
    // The incomplete epoch at the end of the budget is evaluated, too.
    assert_eq!(epochs_of(&result).len(), 2);
    let more = train(&json!({ "resume": result.dir, "budget": { "steps": 10 } }));
    assert_eq!((more.steps, more.epochs), (10, 2));
}

#[test]
fn fp16_trains_with_loss_scaling_and_resumes_to_the_bit() {
    let folder = TestFolder::new();
    let more = json!({
        "precision": "fp16", "epochs": 2, "optimizer": { "type": "adamw", "lr": 0.005 },
        "data": { "source": folder.path("data"), "limit": 40 }, // fp16 is slow on CPUs
    });
    let (whole, events) = run(&folder.config("whole", more.clone()), |_| None);
    let whole = whole.unwrap();
    let scaled = |event: &RunEvent| match event {
        RunEvent::Step(step) => Some(step.loss_scale),
        _ => None,
    };
    assert!(events.iter().filter_map(scaled).all(|scale| scale.is_some_and(|scale| scale >= 1.0)));
    let stop = |event: &RunEvent| {
        matches!(event, RunEvent::Step(step) if step.step >= 1).then_some(StopSignal::Requested)
    };
    let (stopped, _) = run(&folder.config("stopped", more), stop);
    let resumed = train(&json!({ "resume": stopped.unwrap().dir }));
    let state =
        |result: &TrainResult| Checkpoint::read_for_resume(Path::new(&result.last)).unwrap();
    assert!(state(&whole).tensors.contains_key("optimizer.grad_scaler.scale"));
    assert!(state(&resumed).tensors == state(&whole).tensors);
}

#[test]
fn a_diverging_run_fails_and_writes_no_result() {
    let folder = TestFolder::new();
    let config = folder.config("run", json!({ "optimizer": { "lr": 1e20 }, "epochs": 5 }));
    let error = run(&config, |_| None).0.unwrap_err();
    assert_eq!(error.code, ErrorCode::Diverged);
    assert!(error.hint.unwrap().contains("optimizer.lr"));
    assert!(!Path::new(&folder.path("run/result.json")).exists());
}

#[test]
fn a_diverging_run_names_the_first_value_that_is_not_finite_and_its_images() {
    let folder = TestFolder::new();
    // The differences of pixels and mean divided by the deviation exceed the range of fp32.
    let transform = json!({ "mean": [0.5], "std": [1e-42] });
    let config = folder.config("run", json!({ "transform": transform, "epochs": 1 }));
    let error = run(&config, |_| None).0.unwrap_err();
    assert_eq!(error.code, ErrorCode::Diverged);
    let (_, origin) = error.message.split_once(" in epoch 1 at step 1: ").unwrap();
    let place =
        "the input of the network is the first value that is not finite, in batch 1 of the epoch (";
    assert!(origin.starts_with(place), "{error}");
    assert!(error.hint.unwrap().contains("transform.std"));
}

#[test]
fn optimizer_state_and_moving_averages_that_are_not_finite_are_rejected() {
    let folder = TestFolder::new();
    let config = folder.config("run", json!({ "epochs": 1, "ema": { "decay": 0.9 } }));
    let result = train(&config);
    let last = Path::new(&result.last);
    let intact = Checkpoint::read_for_resume(last).unwrap();
    for name in ["optimizer.momentum.conv1.weight", "ema.conv1.weight"] {
        let mut damaged = intact.clone();
        let bytes = &mut damaged.tensors.get_mut(name).unwrap().bytes;
        bytes[..4].copy_from_slice(&f32::NAN.to_le_bytes());
        damaged.write(last).unwrap();
        let resume = json!({ "resume": result.dir, "epochs": 2 });
        let error = run(&resume, |_| None).0.unwrap_err();
        assert_eq!(error.code, ErrorCode::Checkpoint, "{error}");
        assert!(error.message.contains(name), "{error}");
    }
}

#[test]
fn a_run_that_diverges_later_saves_the_weights_of_its_last_finite_step() {
    let folder = TestFolder::new();
    // The learning rate is 1e9 times higher in the second epoch.
    let schedule = json!({ "type": "multistep", "milestones": [1], "gamma": 1e9 });
    let config = folder.config("run", json!({ "schedule": schedule, "epochs": 5 }));
    let error = run(&config, |_| None).0.unwrap_err();
    assert_eq!(error.code, ErrorCode::Diverged);
    let kept = Checkpoint::read(Path::new(&error.at.file.unwrap())).unwrap();
    assert!(kept.progress["step"].as_u64().unwrap() >= 5, "{}", kept.progress);
    for (name, tensor) in &kept.tensors {
        let floats =
            tensor.bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()));
        assert!(floats.into_iter().all(f32::is_finite), "{name}");
    }
}

#[test]
fn a_validation_loss_that_is_not_finite_ends_the_run_with_its_best_checkpoint() {
    let folder = TestFolder::new();
    // The last update of the second epoch makes the weights so large that their products overflow,
    // or the weights themselves, which is found without validation.
    for (name, data, gamma) in [
        ("validated", json!(folder.path("data")), 1e30),
        ("unvalidated", json!({ "source": folder.path("data"), "validation": 0 }), 1e60),
    ] {
        let schedule =
            json!({ "type": "multistep", "milestones": [9], "unit": "step", "gamma": gamma });
        let config =
            folder.config(name, json!({ "data": data, "schedule": schedule, "epochs": 3 }));
        let error = run(&config, |_| None).0.unwrap_err();
        assert_eq!(error.code, ErrorCode::Diverged, "{error}");
        let kept = Checkpoint::read(Path::new(&error.at.file.unwrap())).unwrap();
        assert_eq!(kept.progress["epoch"], 1, "{name}");
        assert_eq!(kept.progress["best"]["epoch"], 1);
        Session::open(Path::new(&folder.path(name)), &LoadConfig::default()).unwrap();
    }
}

#[test]
fn a_time_budget_that_ends_before_the_first_step_is_no_error() {
    let folder = TestFolder::new();
    let more = json!({ "epochs": null, "budget": { "seconds": 1 } });
    let (result, _) = run(&folder.config("run", more), |event| {
        if matches!(event, RunEvent::Start(_)) {
            std::thread::sleep(std::time::Duration::from_millis(1100));
        }
        None
    });
    let result = result.unwrap();
    assert_eq!((result.stop_reason, result.steps), (StopReason::Budget, 0));
    assert!(result.best.is_none() && Path::new(&result.last).is_file());
}

#[test]
fn resuming_an_earlier_epoch_discards_later_ones() {
    let folder = TestFolder::new();
    let more = json!({ "epochs": 6, "checkpoint": { "everyEpochs": 2 }, "schedule": "constant" });
    let first = train(&folder.config("run", more));
    let checkpoint = |name: &str| folder.path(&format!("run/checkpoints/{name}.safetensors"));
    let best = first.best.unwrap();
    assert!(best.epoch > 2, "the best epoch comes too early: {best:?}");
    let stop_at_once =
        |event: &RunEvent| matches!(event, RunEvent::Start(_)).then_some(StopSignal::Requested);
    let (again, _) = run(&json!({ "resume": checkpoint("epoch-0002") }), stop_at_once);
    let again = again.unwrap();
    assert_eq!((again.epochs, again.stop_reason), (2, StopReason::Stopped));
    for later in ["epoch-0004", "epoch-0006"] {
        assert!(!Path::new(&checkpoint(later)).exists(), "{later}");
    }
    // The best checkpoint, if there is one, is not newer than the resumed one.
    let kept = Checkpoint::read(Path::new(&again.last)).unwrap();
    assert_eq!(kept.progress["epoch"], 2);
    match again.best {
        Some(best) => {
            let file = Checkpoint::read(Path::new(&best.checkpoint)).unwrap();
            assert!(best.epoch <= 2 && file.progress["epoch"] == best.epoch, "{best:?}");
        }
        None => assert!(!Path::new(&checkpoint("best")).exists()),
    }
    // The last checkpoint resumes to the same end.
    let end = train(&json!({ "resume": first.dir }));
    assert_eq!(end.best.unwrap().epoch, best.epoch);
}

#[test]
fn all_options_of_loss_gradient_and_ema_resume_to_the_bit() {
    let folder = TestFolder::new();
    let more = json!({
        "epochs": 3,
        "loss": { "labelSmoothing": 0.1, "classWeights": "balanced" },
        "gradient": { "clipNorm": 1, "clipValue": 0.5, "accumulate": 2 },
        "ema": { "decay": 0.6 },
        "log": { "everySteps": 1 },
    });
    let whole = train(&folder.config("whole", more.clone()));
    // Five batches per epoch are three updates.
    assert_eq!((whole.steps, whole.epochs), (9, 3));
    for at in [1, 3, 5] {
        let stop = move |event: &RunEvent| {
            matches!(event, RunEvent::Step(step) if step.step >= at)
                .then_some(StopSignal::Requested)
        };
        let (stopped, _) = run(&folder.config(&format!("stopped-{at}"), more.clone()), stop);
        let resumed = train(&json!({ "resume": stopped.unwrap().dir }));
        let state =
            |result: &TrainResult| Checkpoint::read_for_resume(Path::new(&result.last)).unwrap();
        assert!(state(&resumed).tensors == state(&whole).tensors, "stopped at {at}");
        assert_eq!(epochs_of(&whole), epochs_of(&resumed), "stopped at {at}");
    }
}

#[test]
fn all_transforms_train_and_resume_to_the_bit() {
    let folder = TestFolder::new();
    let more = [
        json!({ "policy": "trivialaugment", "erase": "cutout", "mix": "mixup" }),
        json!({ "crop": "random-resized", "policy": "randaugment", "mix": "cutmix" }),
    ];
    for (i, mut transform) in more.into_iter().enumerate() {
        transform["pixelMean"] = json!(true);
        let more = json!({ "transform": transform, "loss": { "labelSmoothing": 0.1 } });
        let whole = train(&folder.config(&format!("whole-{i}"), more.clone()));
        let parts = folder.config(&format!("parts-{i}"), more);
        let (stopped, _) = run(&parts, |event| match event {
            RunEvent::Step(step) if step.step == 7 => Some(StopSignal::Requested),
            _ => None,
        });
        let resumed = train(&json!({ "resume": stopped.unwrap().dir }));
        assert_eq!(checkpoint(&whole).tensors, checkpoint(&resumed).tensors);
    }
}

#[test]
fn the_checkpoint_contains_the_mean_of_the_training_images() {
    let folder = TestFolder::new();
    let more = json!({ "epochs": 6, "transform": { "pixelMean": true } });
    let result = train(&folder.config("run", more));
    let saved = checkpoint(&result);
    let mean = &saved.tensors["transform.pixel_mean"];
    assert_eq!(mean.shape, [1, 16, 16]);
    let values: Vec<f32> =
        mean.bytes.chunks(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect();
    // At each pixel, a quarter of the images is bright: (3 * 20 + 170) / 4, with noise of 30.
    assert!(values.iter().all(|value| (0.25..0.42).contains(value)), "{values:?}");

    // The opened model has the metrics of the run, except for the rounding of folded batch norms.
    let model = Session::open(Path::new(&result.dir), &LoadConfig::default()).unwrap();
    let found = model.evaluate(&EvaluateConfig::default(), None, &|| false).unwrap().unwrap();
    let test = result.test.unwrap();
    assert_eq!(found.accuracy, test.accuracy);
    assert!((found.loss - test.loss).abs() < 1e-5, "{} {}", found.loss, test.loss);
    assert!(test.accuracy > 0.9, "{}", test.accuracy);

    let path = folder.0.path().join("without.safetensors");
    let mut without = saved;
    without.tensors.remove("transform.pixel_mean");
    without.write(&path).unwrap();
    let error = Session::open(&path, &LoadConfig::default()).err().unwrap();
    assert_eq!(error.code, ErrorCode::Checkpoint);
    assert!(error.message.contains("transform.pixel_mean"), "{error}");
}

#[test]
fn evaluates_with_ten_crops_and_multiple_scales() {
    let folder = TestFolder::new();
    let transform = json!({ "evalResize": 18 });
    let result = train(&folder.config("run", json!({ "epochs": 6, "transform": transform })));
    let model = Session::open(Path::new(&result.dir), &LoadConfig::default()).unwrap();
    let evaluate = |request: Value| {
        let request = EvaluateConfig::parse(&request)?;
        model.evaluate(&request, None, &|| false).map(Option::unwrap)
    };
    let [center, ten, scales] = [
        json!({}),
        json!({ "crops": "ten" }),
        json!({ "crops": "multi-scale", "scales": [14, 16, 20] }),
    ]
    .map(|request| evaluate(request).unwrap());
    for found in [&center, &ten, &scales] {
        assert!(found.count == 40 && found.loss.is_finite(), "{found:?}");
    }
    assert!(center.loss != ten.loss && ten.loss != scales.loss);
    assert!(center.accuracy > 0.9, "{}", center.accuracy);
    // At the network's own size there are two views: the image and its mirror image.
    let batched =
        evaluate(json!({ "crops": "multi-scale", "scales": [16], "batchSize": 7 })).unwrap();
    let single = evaluate(json!({ "crops": "multi-scale", "scales": [16] })).unwrap();
    assert!((batched.loss - single.loss).abs() < 1e-5, "{} {}", batched.loss, single.loss);

    for (request, key) in [
        (json!({ "scales": [16] }), "scales"),
        (json!({ "crops": "multi-scale", "scales": [] }), "scales"),
        (json!({ "crops": "multi-scale", "scales": [4] }), "scales"),
        (json!({ "crops": "twelve" }), "crops"),
    ] {
        let error = evaluate(request).unwrap_err();
        assert_eq!((error.code, error.at.key.as_deref()), (ErrorCode::Config, Some(key)));
    }
}

#[test]
fn a_checkpoint_opens_with_the_moving_average() {
    let folder = TestFolder::new();
    let result = train(&folder.config("run", json!({ "epochs": 1, "ema": { "decay": 0.9 } })));
    let used = checkpoint(&result);
    let state = Checkpoint::read_for_resume(Path::new(&result.last)).unwrap();
    assert!(used.tensors["conv1.weight"] == state.tensors["ema.conv1.weight"]);
    assert!(used.tensors["bn1.running_var"] == state.tensors["ema.bn1.running_var"]);
    assert!(used.tensors["conv1.weight"] != state.tensors["conv1.weight"]);
    assert!(used.tensors.keys().all(|name| !name.starts_with("ema.")));
}

#[test]
fn a_run_that_stopped_early_does_not_resume() {
    let folder = TestFolder::new();
    let patience = json!({ "patience": 1, "minDelta": 2.0, "metric": "val.accuracy" });
    let result = train(&folder.config("run", json!({ "epochs": 9, "earlyStopping": patience })));
    // The first epoch stays the best, because no accuracy improves by 2.
    assert_eq!((result.stop_reason, result.epochs), (StopReason::EarlyStopping, 3));
    let again = train(&json!({ "resume": result.dir, "epochs": 20 }));
    assert_eq!((again.stop_reason, again.epochs), (StopReason::EarlyStopping, 3));
    let longer = json!({ "patience": 2, "minDelta": 2.0, "metric": "val.accuracy" });
    let longer = train(&json!({ "resume": result.dir, "earlyStopping": longer }));
    assert_eq!((longer.stop_reason, longer.epochs), (StopReason::EarlyStopping, 4));
}

#[test]
fn warmup_has_the_low_learning_rate_until_the_accuracy_is_reached() {
    let folder = TestFolder::new();
    let warmup = json!({ "startFactor": 0.1, "untilAccuracy": 0.3 });
    let more = json!({ "epochs": 4, "warmup": warmup, "schedule": "constant" });
    let result = train(&folder.config("run", more));
    let epochs = epochs_of(&result);
    let mut warm = false;
    for epoch in &epochs {
        let lr = epoch[2].as_f64().unwrap();
        assert!((lr - if warm { 0.05 } else { 0.005 }).abs() < 1e-12, "{epochs:?}");
        warm |= epoch[3]["accuracy"].as_f64().unwrap() >= 0.3;
    }
    assert!(warm, "{epochs:?}");
}

#[test]
fn an_aborted_run_names_its_checkpoint() {
    let folder = TestFolder::new();
    let config = folder.config("run", json!({}));
    let abort =
        |event: &RunEvent| matches!(event, RunEvent::Step(_)).then_some(StopSignal::Aborted);
    let error = run(&config, abort).0.unwrap_err();
    assert_eq!(error.code, ErrorCode::Aborted);
    assert!(Path::new(&error.at.file.unwrap()).is_file());
}

#[test]
fn invalid_configurations_write_nothing() {
    let folder = TestFolder::new();
    for (code, more) in [
        (ErrorCode::Config, json!({ "model": "resnet19x" })),
        (ErrorCode::Config, json!({ "batchSize": 1 })),
        (ErrorCode::UnknownKey, json!({ "epoch": 3 })),
        (ErrorCode::DataNotFound, json!({ "data": folder.path("nowhere") })),
    ] {
        let error = run(&folder.config("run", more.clone()), |_| None).0.unwrap_err();
        assert_eq!(error.code, code, "{more}");
        assert!(!Path::new(&folder.path("run")).exists(), "{more}");
    }
}

#[test]
fn frozen_layers_are_unchanged_and_the_run_resumes_to_the_bit() {
    let folder = TestFolder::new();
    let frozen = json!({ "model": { "arch": "resnet8", "freeze": ["conv1", "bn1", "layer1"] } });
    let short = folder.config("short", json!({ "budget": { "steps": 1 }, "epochs": null }));
    let with = |out: &str, more: Value| {
        let mut config = folder.config(out, more);
        config["model"] = frozen["model"].clone();
        config
    };
    let unfrozen = checkpoint(&train(&short));
    let whole = checkpoint(&train(&with("whole", json!({}))));
    let begun =
        checkpoint(&train(&with("begun", json!({ "budget": { "steps": 1 }, "epochs": null }))));
    for (name, tensor) in &whole.tensors {
        let kept = ["conv1.", "bn1.", "layer1."].iter().any(|part| name.starts_with(part));
        assert_eq!(tensor == &begun.tensors[name], kept, "{name}");
    }
    assert_ne!(unfrozen.tensors["conv1.weight"], begun.tensors["conv1.weight"]);
    assert!(!whole.tensors.contains_key("optimizer.momentum.conv1.weight"));

    let stopped = with("stopped", json!({}));
    let (result, _) = run(&stopped, |event| match event {
        RunEvent::Step(step) if step.step == 3 => Some(StopSignal::Requested),
        _ => None,
    });
    assert_eq!(result.unwrap().stop_reason, StopReason::Stopped);
    let resumed = train(&json!({ "resume": folder.path("stopped"), "threads": 1 }));
    assert_eq!(checkpoint(&resumed).tensors, whole.tensors);
}

#[test]
fn unknown_frozen_layers_are_an_error_before_anything_is_written() {
    let folder = TestFolder::new();
    let config =
        folder.config("run", json!({ "model": { "arch": "resnet8", "freeze": ["layer9"] } }));
    let error = run(&config, |_| None).0.unwrap_err();
    assert_eq!(error.code, ErrorCode::Config);
    assert_eq!(error.at.key.as_deref(), Some("model.freeze[0]"));
    assert!(error.hint.unwrap().contains("layer1, layer2, layer3"));
    assert!(!Path::new(&folder.path("run")).exists());
}

#[test]
fn device_augmentation_matches_workers_to_the_bit_even_across_a_resume() {
    let folder = TestFolder::new();
    let by = |on: &str, name: &str, more: &Value| {
        let mut config = folder.config(&format!("{name}-{on}"), more.clone());
        config["augmentOn"] = json!(on);
        config
    };
    let data = json!({ "source": folder.path("data"), "balanced": true, "limit": 125 });
    let transform = json!({ "crop": "pad", "flip": true, "pixelMean": true });
    let log = json!({ "everySteps": 1 });
    for (name, more) in [
        ("plain", json!({ "log": log, "epochs": 3 })),
        (
            "more",
            json!({
                "log": log, "epochs": 3, "data": data, "transform": transform, "batchSize": 31,
                "precision": "bf16", "gradient": { "accumulate": 2 }, "ema": { "decay": 0.9 },
            }),
        ),
    ] {
        let workers = train(&by("workers", name, &more));
        let device = train(&by("device", name, &more));
        assert!(checkpoint(&device).tensors == checkpoint(&workers).tensors, "{name}");
        assert_eq!(epochs_of(&device), epochs_of(&workers));
        assert_eq!(losses_of(&device), losses_of(&workers));
        assert_eq!((&device.test, device.steps), (&workers.test, workers.steps));
        // The last evaluation without its speed.
        let without_speed = |result: &TrainResult| {
            let mut evaluation = run_evaluation(result).unwrap();
            evaluation.evaluation.images_per_second = 0.0;
            evaluation
        };
        assert_eq!(without_speed(&device), without_speed(&workers));

        for (first, then) in [("device", "workers"), ("workers", "device")] {
            let stop = |event: &RunEvent| {
                matches!(event, RunEvent::Step(step) if step.step >= 3)
                    .then_some(StopSignal::Requested)
            };
            let (stopped, _) = run(&by(first, &format!("{name}-stopped"), &more), stop);
            let stopped = stopped.unwrap();
            assert_eq!(stopped.stop_reason, StopReason::Stopped);
            let resumed = train(&json!({ "resume": stopped.dir, "augmentOn": then }));
            assert!(checkpoint(&resumed).tensors == checkpoint(&workers).tensors, "{name} {first}");
            assert_eq!(epochs_of(&resumed), epochs_of(&workers));
        }
    }
}

/// Reads the loss of every step.
fn losses_of(result: &TrainResult) -> Vec<Value> {
    let text = std::fs::read_to_string(Path::new(&result.dir).join("metrics.jsonl")).unwrap();
    text.lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|event| event["type"] == "step")
        .map(|event| json!([event["step"], event["loss"], event["epochAccuracy"]]))
        .collect()
}

#[test]
fn find_lr_and_plan_use_device_images_as_training_does() {
    let folder = TestFolder::new();
    let config = |augment_on| folder.config("run", json!({ "augmentOn": augment_on }));
    let find_lr = |augment_on| {
        let options = json!({ "steps": 10 });
        let result = residual_runtime::find_lr(&config(augment_on), None, &options, &|| false);
        serde_json::to_value(result.unwrap().unwrap()).unwrap()
    };
    assert_eq!(find_lr("device"), find_lr("workers"));
    let plan = |augment_on| {
        residual_runtime::plan(&config(augment_on), None, &json!({}), &|| false).unwrap().unwrap()
    };
    let (device, workers) = (plan("device"), plan("workers"));
    assert!(device.time.is_some() && device.warnings.is_empty());
    // 160 gray images of 16 x 16, with a padding of four pixels.
    assert_eq!((device.memory.images, device.memory.batches), (160 * 24 * 24, 0));
    assert!(workers.memory.images == 0 && workers.memory.batches > 0);
}
