//! Learning rates compared with the learning rates of PyTorch's schedulers that
//! `scripts/fixtures/oracle.py` recorded.

use residual_optim::{LrSchedule, Progress, ScheduleState};
use residual_spec::{DatasetInfo, MachineInfo, TrainConfig, resolve};
use serde_json::{Value, json};

fn fixture() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/schedules.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Returns the schedule of a run of `length` steps, with one step in each epoch.
fn schedule(lr: &Value, length: u64, schedule: Value, warmup: Value) -> LrSchedule {
    let facts = DatasetInfo {
        source: "x".into(),
        train: 100,
        ..DatasetInfo::unknown(vec!["a".into(), "b".into()], 3, Some([32, 32]))
    };
    let config = json!({
        "optimizer": { "lr": lr },
        "budget": { "steps": length },
        "schedule": schedule,
        "warmup": warmup,
    });
    let machine = MachineInfo::with_cores(1);
    let config = resolve(&TrainConfig::from_json(&config).unwrap(), &facts, &machine).unwrap();
    LrSchedule::new(&config, 1, Some(length), ScheduleState::default())
}

fn assert_close(name: &str, index: usize, found: f64, expected: &Value) {
    let expected = expected.as_f64().unwrap();
    assert!(
        (found - expected).abs() <= 1e-12 * expected.max(1e-3),
        "{name}[{index}]: {found}, expected {expected}"
    );
}

#[test]
fn learning_rates_of_every_step_match_pytorch() {
    for case in fixture()["steps"].as_array().unwrap() {
        let schedulers = &case["schedule"];
        let mut length = case["length"].as_u64().unwrap();
        let warmup = match schedulers.get("linear") {
            Some(linear) => {
                json!({ "epochs": linear["total_iters"], "startFactor": linear["start_factor"] })
            }
            None => json!({}),
        };
        let main = if let Some(cosine) = schedulers.get("cosine") {
            json!({ "type": "cosine", "minLr": cosine["eta_min"] })
        } else if let Some(step) = schedulers.get("step") {
            json!({ "type": "step", "stepSize": step["step_size"], "gamma": step["gamma"] })
        } else if let Some(linear) = schedulers.get("linear-decay") {
            json!({ "type": "linear", "endFactor": linear["end_factor"] })
        } else if let Some(polynomial) = schedulers.get("polynomial") {
            json!({ "type": "polynomial", "power": polynomial["power"] })
        } else if let Some(cycle) = schedulers.get("one-cycle") {
            length = cycle["total_steps"].as_u64().unwrap();
            json!({
                "type": "one-cycle",
                "pctStart": cycle["pct_start"],
                "divFactor": cycle["div_factor"],
                "finalDivFactor": cycle["final_div_factor"],
                "annealStrategy": cycle["anneal"],
            })
        } else {
            json!({
                "type": "multistep",
                "milestones": schedulers["multistep"]["milestones"],
                "gamma": schedulers["multistep"]["gamma"],
            })
        };
        let name = case["name"].as_str().unwrap();
        let schedule = schedule(&case["lr"], length, main, warmup);
        for (step, expected) in case["rates"].as_array().unwrap().iter().enumerate() {
            let fraction = step as f64 / length as f64;
            let progress = Progress { epoch: step as u64, step: step as u64, fraction };
            assert_close(name, step, schedule.lr(progress), expected);
        }
    }
}

#[test]
fn plateau_matches_pytorch_and_reduces_the_notebooks_lr_after_epochs_20_44_and_50() {
    for case in fixture()["plateau"].as_array().unwrap() {
        let (name, options) = (case["name"].as_str().unwrap(), &case["options"]);
        let metric = if options["mode"] == "min" { "train.loss" } else { "train.accuracy" };
        let plateau = json!({
            "type": "plateau",
            "factor": options["factor"],
            "threshold": options["threshold"],
            "thresholdMode": options["threshold_mode"],
            "patience": options["patience"],
            "cooldown": options["cooldown"],
            "minLr": options["min_lr"],
            "metric": metric,
        });
        let mut schedule = schedule(&case["lr"], 100, plateau, json!({}));
        let mut reductions = Vec::new();
        let mut last_lr = schedule.lr(Progress::default());
        let metrics = case["metrics"].as_array().unwrap();
        let rates = case["rates"].as_array().unwrap();
        for (epoch, (metric, expected)) in metrics.iter().zip(rates).enumerate() {
            schedule.observe(metric.as_f64().unwrap());
            let lr = schedule.lr(Progress::default());
            assert_close(name, epoch, lr, expected);
            if lr < last_lr {
                reductions.push(epoch + 1);
            }
            last_lr = lr;
        }
        if name == "notebook" {
            assert_eq!(reductions, [20, 44, 50]);
        }
    }
}

#[test]
fn plateau_reduces_the_lr_of_the_recorded_notebook_log_after_epochs_20_44_and_50() {
    let root = std::env::var_os("RESIDUAL_TEST_DATA").map_or_else(
        || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        std::path::PathBuf::from,
    );
    let path = root.join("notebook-log.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("skipped: {} does not exist (set RESIDUAL_TEST_DATA)", path.display());
        return;
    };
    let log: Value = serde_json::from_str(&text).unwrap();
    let plateau = json!({
        "type": "plateau", "factor": 0.1, "threshold": 0.1, "patience": 3, "metric": "train.loss",
    });
    // The notebook logs the sum over batches, which is proportional to the mean over images.
    for scale in [1.0, 1.0 / 391.0] {
        let mut schedule = schedule(&json!(0.1), 100, plateau.clone(), json!({}));
        let mut last_lr = schedule.lr(Progress::default());
        let mut reductions = Vec::new();
        for (epoch, loss) in log["epochTotalLoss"].as_array().unwrap().iter().enumerate() {
            schedule.observe(loss.as_f64().unwrap() * scale);
            let lr = schedule.lr(Progress::default());
            if lr < last_lr {
                reductions.push(epoch + 1);
            }
            last_lr = lr;
        }
        assert_eq!(reductions, [20, 44, 50]);
    }
}
