//! The three logs of a run: metrics.jsonl (events), metrics.csv (epochs) and TensorBoard's file.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use residual_spec::{EpochEvent, Error, ErrorCode, Result, RunEvent};
use serde::{Deserialize, Serialize};

use crate::line_file::{LineFile, LinePosition};
use crate::tensorboard::EventFile;

pub(crate) const JSONL: &str = "metrics.jsonl";
pub(crate) const CSV: &str = "metrics.csv";

/// Header of metrics.csv; [`csv_row`] writes the columns in this order.
pub(crate) const COLUMNS: &str = "epoch,step,lr,train_loss,train_accuracy,val_loss,val_accuracy,\
                       images_per_second,seconds\n";

/// Open log files of a run folder.
#[derive(Debug)]
pub(crate) struct MetricsLog {
    jsonl: LineFile,
    csv: LineFile,
    tensorboard: EventFile,
}

/// A line of metrics.jsonl.
#[derive(Serialize)]
struct TimedEvent<'a> {
    /// Unix time in seconds, with a resolution of milliseconds.
    time: f64,
    #[serde(flatten)]
    event: &'a RunEvent,
}

/// Fields of a metrics.jsonl line that determine its position in the run. Other fields are ignored,
/// so that logs of other versions can be truncated too.
#[derive(Deserialize)]
pub(crate) struct EventPosition {
    r#type: String,
    epoch: Option<u32>,
    step: Option<u64>,
}

impl MetricsLog {
    /// Opens the logs of a folder. Creates missing files, but TensorBoard's with the first scalar.
    pub(crate) fn open(folder: &Path) -> Result<MetricsLog> {
        let jsonl = LineFile::open(&folder.join(JSONL))?;
        let mut csv = LineFile::open(&folder.join(CSV))?;
        if csv.is_empty() {
            csv.append(COLUMNS.as_bytes())?;
        }
        Ok(MetricsLog { jsonl, csv, tensorboard: EventFile::open(folder)? })
    }

    /// Appends an event. Epoch and end events are synced to the disk, so that the log is never
    /// older than a checkpoint written after them.
    pub(crate) fn log(&mut self, event: &RunEvent) -> Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let time = now.as_millis() as f64 / 1000.0;
        let line = TimedEvent { time, event };
        let mut line = serde_json::to_vec(&line)
            .map_err(|cause| Error::new(ErrorCode::Internal, cause.to_string()))?;
        line.push(b'\n');
        self.jsonl.append(&line)?;
        self.tensorboard.log(time, event)?;
        if let RunEvent::Epoch(epoch) = event {
            self.csv.append(csv_row(epoch).as_bytes())?;
        }
        if matches!(event, RunEvent::Epoch(_) | RunEvent::End(_)) {
            self.jsonl.sync()?;
            self.csv.sync()?;
        }
        Ok(())
    }

    /// Removes all entries after step `step`, all epochs after epoch `epochs`, and the end event.
    /// Restores missing rows of metrics.csv from metrics.jsonl. Returns the problems of damaged logs,
    /// as sentences without the final period.
    pub(crate) fn rewind_to(&mut self, epochs: u32, step: u64) -> Result<Vec<String>> {
        let position =
            |is_after: bool| if is_after { LinePosition::After } else { LinePosition::Before };
        self.jsonl.truncate(|line| match serde_json::from_slice::<EventPosition>(line) {
            Ok(event) => {
                let is_later_epoch =
                    event.r#type == "epoch" && event.epoch.is_some_and(|e| e > epochs);
                let is_later_step = event.step.is_some_and(|s| s > step);
                position(is_later_epoch || is_later_step || event.r#type == "end")
            }
            Err(_) => LinePosition::Unknown,
        })?;
        self.csv.truncate(|line| {
            match (line == COLUMNS.trim_end().as_bytes(), row_position(line)) {
                (true, _) => LinePosition::Before,
                (_, Some((e, s))) => position(e > epochs || s > step),
                (_, None) => LinePosition::Unknown,
            }
        })?;
        self.tensorboard.rewind_to(step)?;
        self.restore_rows(epochs)
    }

    /// Compares the epochs of the two logs, and rewrites metrics.csv if it has no row for an epoch of
    /// metrics.jsonl. Rows of other epochs remain.
    fn restore_rows(&mut self, epochs: u32) -> Result<Vec<String>> {
        let (mut events, mut num_unreadable) = (BTreeMap::new(), 0);
        self.jsonl.for_each_line(|line| match serde_json::from_slice(line) {
            Ok(RunEvent::Epoch(epoch)) => {
                events.insert(epoch.epoch, epoch);
            }
            Ok(_) => {}
            // Lines of other versions have a type that is unknown here.
            Err(_) => {
                num_unreadable += u32::from(serde_json::from_slice::<EventPosition>(line).is_err());
            }
        })?;
        let mut rows = BTreeMap::new();
        self.csv.for_each_line(|line| {
            if let Some((epoch, _)) = row_position(line) {
                rows.insert(epoch, [line, b"\n"].concat());
            }
        })?;
        let mut problems = Vec::new();
        if num_unreadable > 0 {
            problems
                .push(format!("{JSONL} is damaged: {num_unreadable} of its lines are unreadable"));
        }
        let missing = u64::from(epochs).saturating_sub(events.len() as u64);
        if missing > 0 {
            problems.push(format!(
                "{JSONL} is damaged: the entries of {missing} of {epochs} epochs are missing"
            ));
        }
        if events.keys().any(|epoch| !rows.contains_key(epoch)) {
            problems.push(format!("{CSV} is damaged: missing rows are restored from {JSONL}"));
            rows.extend(events.values().map(|event| (event.epoch, csv_row(event).into_bytes())));
            let rows = rows.into_values().collect::<Vec<_>>().concat();
            self.csv.replace(&[COLUMNS.as_bytes(), &rows[..]].concat())?;
        } else if self.csv.is_empty() {
            self.csv.append(COLUMNS.as_bytes())?;
        }
        Ok(problems)
    }
}

/// Returns the metrics.csv row of an epoch, with its newline. Missing values are empty cells.
fn csv_row(e: &EpochEvent) -> String {
    let (val_loss, val_accuracy) = match &e.val {
        Some(val) => (val.loss.to_string(), val.accuracy.to_string()),
        None => Default::default(),
    };
    format!(
        "{},{},{},{},{},{val_loss},{val_accuracy},{},{}\n",
        e.epoch, e.step, e.lr, e.train.loss, e.train.accuracy, e.images_per_second, e.seconds,
    )
}

/// Returns the epoch and step of a metrics.csv row.
pub(crate) fn row_position(row: &[u8]) -> Option<(u32, u64)> {
    let mut cells = str::from_utf8(row).ok()?.split(',');
    Some((cells.next()?.parse().ok()?, cells.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use residual_spec::{EndEvent, Metrics, StepEvent, StopReason, TrainResult};
    use std::fs;

    fn step(step: u64) -> RunEvent {
        RunEvent::Step(StepEvent {
            epoch: 1,
            step,
            step_in_epoch: step as u32,
            steps_per_epoch: 10,
            loss: 0.1 + 0.2,
            epoch_loss: 1e-9,
            epoch_accuracy: 0.5,
            lr: 0.1,
            loss_scale: None,
            images_per_second: 900.0,
            eta_seconds: None,
        })
    }

    fn epoch(epoch: u32, val: Option<Metrics>) -> RunEvent {
        RunEvent::Epoch(EpochEvent {
            epoch,
            step: u64::from(epoch) * 10,
            lr: 0.1,
            train: Metrics { loss: 1.5, accuracy: 0.25, count: 100 },
            val,
            best: true,
            images_per_second: 900.5,
            seconds: 12.0,
        })
    }

    fn end() -> RunEvent {
        RunEvent::End(EndEvent {
            result: TrainResult {
                stop_reason: StopReason::Stopped,
                dir: "/runs/x".into(),
                epochs: 2,
                steps: 25,
                best: None,
                last: "/runs/x/checkpoints/last.safetensors".into(),
                test: None,
                images_per_second: 900.0,
                seconds: 24.0,
                report: None,
            },
        })
    }

    fn read(folder: &Path, name: &str) -> Vec<String> {
        fs::read_to_string(folder.join(name)).unwrap().lines().map(String::from).collect()
    }

    #[test]
    fn every_jsonl_line_is_the_event_with_its_time() {
        let folder = tempfile::tempdir().unwrap();
        let mut metrics = MetricsLog::open(folder.path()).unwrap();
        let events = [step(10), epoch(1, Some(Metrics::default())), end()];
        for event in &events {
            metrics.log(event).unwrap();
        }
        for (line, event) in read(folder.path(), JSONL).iter().zip(&events) {
            assert!(line.starts_with("{\"time\":"), "{line}");
            assert_eq!(&serde_json::from_str::<RunEvent>(line).unwrap(), event);
        }
    }

    #[test]
    fn every_epoch_is_a_csv_row_with_empty_cells_for_missing_values() {
        let folder = tempfile::tempdir().unwrap();
        let mut metrics = MetricsLog::open(folder.path()).unwrap();
        metrics.log(&step(10)).unwrap();
        metrics.log(&epoch(1, None)).unwrap();
        metrics.log(&epoch(2, Some(Metrics { loss: 2.0, accuracy: 0.5, count: 9 }))).unwrap();
        let rows = read(folder.path(), CSV);
        assert_eq!(rows[0], COLUMNS.trim_end());
        assert_eq!(rows[1], "1,10,0.1,1.5,0.25,,,900.5,12");
        assert_eq!(rows[2], "2,20,0.1,1.5,0.25,2,0.5,900.5,12");
        assert_eq!(rows.len(), 3);
    }

    #[test]
    fn a_rewound_log_continues_without_the_removed_entries() {
        let folder = tempfile::tempdir().unwrap();
        let mut metrics = MetricsLog::open(folder.path()).unwrap();
        for event in [step(10), epoch(1, None), step(15), epoch(2, None), step(25), end()] {
            metrics.log(&event).unwrap();
        }
        drop(metrics);
        let mut metrics = MetricsLog::open(folder.path()).unwrap();
        metrics.rewind_to(1, 15).unwrap();
        metrics.log(&epoch(2, None)).unwrap();
        assert_eq!(read(folder.path(), JSONL).len(), 4);
        assert_eq!(read(folder.path(), CSV).len(), 3);
    }

    #[test]
    fn an_epoch_ended_early_by_the_budget_is_not_logged_twice() {
        let folder = tempfile::tempdir().unwrap();
        let mut metrics = MetricsLog::open(folder.path()).unwrap();
        // The resumed checkpoint was written at step 20, within the second epoch.
        for event in [epoch(1, None), step(20), epoch(2, None), end()] {
            metrics.log(&event).unwrap();
        }
        metrics.rewind_to(1, 20).unwrap();
        assert_eq!(read(folder.path(), JSONL).len(), 2);
        assert_eq!(read(folder.path(), CSV).len(), 2);
    }

    #[test]
    fn rewind_to_the_last_step_removes_only_the_end_event() {
        let folder = tempfile::tempdir().unwrap();
        let mut metrics = MetricsLog::open(folder.path()).unwrap();
        for event in [step(25), end()] {
            metrics.log(&event).unwrap();
        }
        metrics.rewind_to(2, 25).unwrap();
        assert_eq!(read(folder.path(), JSONL).len(), 1);
    }

    #[test]
    fn restored_rows_do_not_replace_rows_that_only_metrics_csv_has() {
        let folder = tempfile::tempdir().unwrap();
        let mut metrics = MetricsLog::open(folder.path()).unwrap();
        for event in [epoch(1, None), epoch(2, None), epoch(3, None)] {
            metrics.log(&event).unwrap();
        }
        drop(metrics);
        let (events, rows) = (read(folder.path(), JSONL), read(folder.path(), CSV));
        fs::write(folder.path().join(JSONL), events[1..].join("\n") + "\n").unwrap();
        fs::write(folder.path().join(CSV), rows[..2].join("\n") + "\n").unwrap();
        let problems = MetricsLog::open(folder.path()).unwrap().rewind_to(3, 30).unwrap();
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert_eq!(read(folder.path(), CSV), rows);
    }

    #[test]
    fn rewrites_an_incomplete_csv_header() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(CSV), "epoch,st").unwrap();
        let mut metrics = MetricsLog::open(folder.path()).unwrap();
        metrics.rewind_to(0, 0).unwrap();
        assert_eq!(read(folder.path(), CSV), [COLUMNS.trim_end()]);
    }
}
