//! events.out.tfevents.*: the metrics as TensorBoard scalars.
//!
//! The file is a sequence of TFRecords: length, checksum of the length, protobuf, checksum of the
//! protobuf (<https://www.tensorflow.org/tutorials/load_data/tfrecord>). The first scalar creates
//! the file; a resumed run appends to it.

use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use prost::Message;
use residual_spec::{Result, RunEvent};

use residual_fs::write_error;

use crate::regular_file;

/// File name prefix that TensorBoard searches for.
const PREFIX: &str = "events.out.tfevents.";

/// Maximum length of a record in bytes; a record with a larger length field is corrupt.
const MAX_RECORD_LEN: u64 = 1 << 20;

/// Event file of a run folder. `file` is `None` before the first scalar.
#[derive(Debug)]
pub(crate) struct EventFile {
    folder: PathBuf,
    file: Option<(PathBuf, File)>,
}

/// `Event` of tensorflow/core/util/event.proto, with the fields that are written here.
#[derive(Clone, PartialEq, Message)]
struct Event {
    /// Unix time in seconds.
    #[prost(double, tag = "1")]
    wall_time: f64,
    /// Training step.
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Scalar>,
}

#[derive(Clone, PartialEq, Message)]
struct Scalar {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, tag = "2")]
    simple_value: f32,
}

impl EventFile {
    /// Opens the event file of a folder for appending, if there is one.
    pub(crate) fn open(folder: &Path) -> Result<EventFile> {
        let file = match find_event_file(folder)? {
            None => None,
            Some(path) => {
                let opened = regular_file::open_for_update(&path);
                let mut file = opened.map_err(|cause| write_error(&path, &cause))?;
                file.seek(SeekFrom::End(0)).map_err(|cause| write_error(&path, &cause))?;
                Some((path, file))
            }
        };
        Ok(EventFile { folder: folder.to_path_buf(), file })
    }

    /// Appends the scalars of an event, if it has any. `time` is Unix time in seconds.
    pub(crate) fn log(&mut self, time: f64, event: &RunEvent) -> Result<()> {
        let Some((step, scalars)) = scalars(event) else { return Ok(()) };
        let value = scalars
            .into_iter()
            .map(|(tag, scalar)| Scalar { tag: tag.into(), simple_value: scalar as f32 })
            .collect();
        let event = Event {
            wall_time: time,
            step: step as i64,
            file_version: None,
            summary: Some(Summary { value }),
        };
        if self.file.is_none() {
            self.create(time)?;
        }
        let (path, file) = self.file.as_mut().expect("created above");
        file.write_all(&encode_record(&event)).map_err(|cause| write_error(path, &cause))
    }

    fn create(&mut self, time: f64) -> Result<()> {
        let path = self.folder.join(format!("{PREFIX}{:010}.residual", time as u64));
        let version = Event {
            wall_time: time,
            file_version: Some("brain.Event:2".into()),
            ..Event::default()
        };
        let created = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
            .and_then(|mut file| file.write_all(&encode_record(&version)).map(|()| file));
        self.file = Some((path.clone(), created.map_err(|cause| write_error(&path, &cause))?));
        Ok(())
    }

    /// Removes the first record after step `step` and all that follow, and an incomplete record.
    pub(crate) fn rewind_to(&mut self, step: u64) -> Result<()> {
        let Some((path, file)) = &mut self.file else { return Ok(()) };
        let truncated = kept_len(file, step).and_then(|len| {
            file.set_len(len)?;
            file.seek(SeekFrom::Start(len))
        });
        truncated.map_err(|cause| write_error(path, &cause))?;
        Ok(())
    }
}

/// Returns the path of the event file in a folder.
pub(crate) fn find_event_file(folder: &Path) -> Result<Option<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(|cause| write_error(folder, &cause))?;
    for entry in entries {
        let entry = entry.map_err(|cause| write_error(folder, &cause))?;
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            return Ok(Some(entry.path()));
        }
    }
    Ok(None)
}

/// Returns the number of intact records, and whether the file ends with the last of them.
pub(crate) fn count_records(path: &Path) -> std::io::Result<(u64, bool)> {
    if !path.metadata()?.is_file() {
        return Ok((0, false));
    }
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut reader = BufReader::new(&mut file);
    let (mut records, mut len) = (0, 0);
    while let Some((_, length)) = read_record(&mut reader)? {
        records += 1;
        len += length;
    }
    Ok((records, len == size))
}

/// Returns the step of an event and its scalars with their TensorBoard tags; `None` for events
/// without scalars.
fn scalars(event: &RunEvent) -> Option<(u64, Vec<(&'static str, f64)>)> {
    match event {
        RunEvent::Step(step) => {
            Some((step.step, vec![("step/loss", step.loss), ("step/lr", step.lr)]))
        }
        RunEvent::Epoch(epoch) => {
            let mut scalars = vec![
                ("epoch", f64::from(epoch.epoch)),
                ("loss/train", epoch.train.loss),
                ("accuracy/train", epoch.train.accuracy),
            ];
            if let Some(val) = &epoch.val {
                scalars.extend([("loss/val", val.loss), ("accuracy/val", val.accuracy)]);
            }
            scalars.push(("images_per_second", epoch.images_per_second));
            Some((epoch.step, scalars))
        }
        _ => None,
    }
}

/// Encodes an event as a TFRecord.
fn encode_record(event: &Event) -> Vec<u8> {
    let data = event.encode_to_vec();
    let length = (data.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(data.len() + 16);
    record.extend(length);
    record.extend(masked_crc32c(&length).to_le_bytes());
    record.extend(&data);
    record.extend(masked_crc32c(&data).to_le_bytes());
    record
}

/// Returns TFRecord's masked CRC-32C, which stays reliable for data that contains checksums.
fn masked_crc32c(data: &[u8]) -> u32 {
    crc32c::crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// Returns the number of bytes up to the end of the last record not after `step`.
fn kept_len(file: &mut File, step: u64) -> std::io::Result<u64> {
    file.seek(SeekFrom::Start(0))?;
    let mut reader = BufReader::new(file);
    let mut len = 0;
    loop {
        match read_record(&mut reader)? {
            Some((event, length)) if event.step <= step as i64 => len += length,
            _ => return Ok(len),
        }
    }
}

/// Reads a record. Returns its event and its length in the file, or `None` at the end of the file
/// and for a corrupt record.
fn read_record(reader: &mut impl Read) -> std::io::Result<Option<(Event, u64)>> {
    let mut header = Vec::new();
    reader.by_ref().take(12).read_to_end(&mut header)?;
    let Some((length_bytes, crc)) = header.split_first_chunk::<8>() else { return Ok(None) };
    let length = u64::from_le_bytes(*length_bytes);
    if crc != masked_crc32c(length_bytes).to_le_bytes() || length > MAX_RECORD_LEN {
        return Ok(None);
    }
    let mut body = Vec::new();
    reader.by_ref().take(length + 4).read_to_end(&mut body)?;
    let Some((data, crc)) = body.split_last_chunk::<4>() else { return Ok(None) };
    if data.len() as u64 != length || *crc != masked_crc32c(data).to_le_bytes() {
        return Ok(None);
    }
    Ok(Event::decode(data).ok().map(|event| (event, 12 + length + 4)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use residual_spec::{EpochEvent, Metrics, StepEvent};

    fn step(step: u64) -> RunEvent {
        RunEvent::Step(StepEvent {
            epoch: 1,
            step,
            step_in_epoch: step as u32,
            steps_per_epoch: 10,
            loss: step as f64 / 8.0,
            epoch_loss: 0.5,
            epoch_accuracy: 0.5,
            lr: 0.25,
            loss_scale: None,
            images_per_second: 900.0,
            eta_seconds: None,
        })
    }

    fn read(folder: &Path) -> Vec<Event> {
        let mut file = File::open(find_event_file(folder).unwrap().unwrap()).unwrap();
        std::iter::from_fn(|| read_record(&mut file).unwrap().map(|(event, _)| event)).collect()
    }

    fn steps(folder: &Path) -> Vec<i64> {
        read(folder).iter().map(|event| event.step).collect()
    }

    #[test]
    fn scalars_have_their_tag_and_step() {
        let folder = tempfile::tempdir().unwrap();
        let mut events = EventFile::open(folder.path()).unwrap();
        assert!(find_event_file(folder.path()).unwrap().is_none(), "created with the first scalar");
        events.log(1e9, &step(4)).unwrap();
        let epoch = RunEvent::Epoch(EpochEvent {
            epoch: 1,
            step: 10,
            lr: 0.1,
            train: Metrics { loss: 1.5, accuracy: 0.25, count: 100 },
            val: Some(Metrics { loss: 2.0, accuracy: 0.5, count: 10 }),
            best: true,
            images_per_second: 900.5,
            seconds: 12.0,
        });
        events.log(1e9 + 1.0, &epoch).unwrap();
        let [version, step, epoch] = &read(folder.path())[..] else { panic!() };
        assert_eq!(version.file_version.as_deref(), Some("brain.Event:2"));
        assert_eq!((step.step, step.wall_time), (4, 1e9));
        let value = |event: &Event, tag: &str| {
            let values = &event.summary.as_ref().unwrap().value;
            values.iter().find(|value| value.tag == tag).unwrap().simple_value
        };
        assert_eq!(value(step, "step/loss"), 0.5);
        assert_eq!(value(epoch, "accuracy/val"), 0.5);
        assert_eq!(value(epoch, "loss/train"), 1.5);
    }

    #[test]
    fn a_rewound_file_continues_without_the_removed_records() {
        let folder = tempfile::tempdir().unwrap();
        let mut events = EventFile::open(folder.path()).unwrap();
        for number in [1, 2, 3, 4] {
            events.log(1e9, &step(number)).unwrap();
        }
        drop(events);
        let mut events = EventFile::open(folder.path()).unwrap();
        events.rewind_to(2).unwrap();
        events.log(2e9, &step(3)).unwrap();
        assert_eq!(steps(folder.path()), [0, 1, 2, 3]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn rewind_removes_an_incomplete_record() {
        let folder = tempfile::tempdir().unwrap();
        let mut events = EventFile::open(folder.path()).unwrap();
        events.log(1e9, &step(1)).unwrap();
        events.log(1e9, &step(2)).unwrap();
        drop(events);
        let path = find_event_file(folder.path()).unwrap().unwrap();
        let complete = fs::read(&path).unwrap();
        for length in [complete.len() - 1, complete.len() - 20] {
            fs::write(&path, &complete[..length]).unwrap();
            let mut events = EventFile::open(folder.path()).unwrap();
            events.rewind_to(9).unwrap();
            events.log(1e9, &step(2)).unwrap();
            assert_eq!(steps(folder.path()), [0, 1, 2]);
        }
    }
}
