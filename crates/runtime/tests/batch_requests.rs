//! Requests to predict that wait together share the network's passes, and nothing else.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use residual_model::{ComputeOptions, ImageInput, Model, from_tch};
use residual_runtime::{PredictRequest, Session, TorchThread, Worker};
use residual_spec::{
    Device, Error, ErrorCode, InspectConfig, LoadConfig, MemoryFormat, NameOr, Precision,
    PredictConfig, Prediction, Result, resolve_inspect,
};
use serde_json::json;

/// An open model on a thread of its own, and what was answered.
struct Asking {
    thread: TorchThread,
    handle: u32,
    sender: Sender<(usize, Answer)>,
    answers: Receiver<(usize, Answer)>,
}

type Answer = Result<Vec<Prediction>>;

impl Asking {
    fn new() -> Asking {
        let thread = TorchThread::start().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let weights = folder.path().join("weights.safetensors");
        write_weights(&weights);
        let handle = done(&thread, move |worker| {
            Ok(worker.keep(Session::open(&weights, &LoadConfig::default())?))
        });
        let (sender, answers) = channel();
        Asking { thread, handle, sender, answers }
    }

    fn ask(&self, number: usize, inputs: Vec<ImageInput>, asked: PredictConfig) {
        let sender = self.sender.clone();
        let answer = Box::new(move |answer| sender.send((number, answer)).unwrap());
        self.thread.predict(PredictRequest { handle: self.handle, inputs, asked, answer });
    }

    /// Lets all that `ask` asks wait, and gives the answers as they came.
    fn waiting(&self, count: usize, ask: impl Fn(&Asking)) -> Vec<(usize, Answer)> {
        let (go, wait) = channel::<()>();
        let hold = move |_: &mut Worker, _: &_| Ok(wait.recv().ok());
        self.thread.submit(Arc::default(), hold, |_| {});
        ask(self);
        go.send(()).unwrap();
        self.answers.iter().take(count).collect()
    }

    fn passes(&self) -> u64 {
        let handle = self.handle;
        done(&self.thread, move |worker| Ok(worker.model(handle)?.passes()))
    }
}

/// A network as a seed makes it.
fn write_weights(path: &Path) {
    let config =
        InspectConfig { model: Some(NameOr::Name("resnet8".into())), ..InspectConfig::default() };
    let target = resolve_inspect(&config).unwrap();
    let network = residual_arch::build(&target.model, 3, 32, 10).unwrap();
    let compute = ComputeOptions {
        precision: Precision::Fp32,
        memory_format: MemoryFormat::Contiguous,
        device: Device::Cpu,
    };
    let model = Model::new(network, compute, 1).unwrap();
    let (mut header, mut bytes) = (serde_json::Map::new(), Vec::new());
    for (name, tensor) in model.tensors() {
        let tensor = from_tch(tensor).unwrap();
        let offsets = [bytes.len(), bytes.len() + tensor.bytes.len()];
        let entry = json!({ "dtype": "F32", "shape": tensor.shape, "data_offsets": offsets });
        header.insert(name.into(), entry);
        bytes.extend(tensor.bytes);
    }
    let header = serde_json::to_vec(&header).unwrap();
    let file = [&(header.len() as u64).to_le_bytes()[..], &header, &bytes].concat();
    std::fs::write(path, file).unwrap();
}

/// What `work` gives on the thread.
fn done<T: Send + 'static>(
    thread: &TorchThread,
    mut work: impl FnMut(&mut Worker) -> Result<T> + Send + 'static,
) -> T {
    let (sender, receiver) = channel();
    thread.submit(
        Arc::default(),
        move |worker, _| work(worker).map(Some),
        move |answer| sender.send(answer).unwrap(),
    );
    receiver.recv().unwrap().unwrap()
}

/// A picture of its own for each number.
fn picture(number: usize) -> ImageInput {
    let (width, height, channels) = (20 + number as u32 % 7, 24, 3);
    let bytes = width * height * channels;
    let pixels = (0..bytes).map(|at| (at as usize * (number + 3) * 11 % 251) as u8).collect();
    ImageInput::Raw { pixels, width, height, channels }
}

fn broken() -> ImageInput {
    ImageInput::Encoded(b"no picture".to_vec())
}

fn probabilities(answer: &Answer) -> Vec<f64> {
    let all = |prediction: &Prediction| {
        let mut top = prediction.top.clone();
        top.sort_by_key(|one| one.index);
        top.into_iter().map(|one| one.probability).collect::<Vec<_>>()
    };
    answer.as_ref().unwrap().iter().flat_map(all).collect()
}

#[test]
fn many_at_once_are_answered_as_one_by_one_in_their_order_and_in_one_pass() {
    let asking = Asking::new();
    let alone: Vec<Vec<f64>> = (0..64)
        .map(|number| {
            asking.ask(number, vec![picture(number)], PredictConfig::default());
            probabilities(&asking.answers.recv().unwrap().1)
        })
        .collect();
    assert_eq!(asking.passes(), 64);

    let together = asking.waiting(64, |asking| {
        (0..64).for_each(|n| asking.ask(n, vec![picture(n)], PredictConfig::default()));
    });
    assert_eq!(asking.passes(), 65);
    assert!(together.iter().map(|(number, _)| *number).eq(0..64));
    for ((number, answer), alone) in together.iter().zip(&alone) {
        for (found, wanted) in probabilities(answer).iter().zip(alone) {
            assert!((found - wanted).abs() < 1e-5, "{number}: {found} instead of {wanted}");
        }
    }
    let apart =
        |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    let most = alone.iter().map(|one| apart(one, &alone[0])).fold(0.0, f64::max);
    assert!(most > 1e-3, "all the same: {most}");
}

#[test]
fn a_picture_that_cannot_be_read_fails_its_own_request_alone() {
    let asking = Asking::new();
    let answers = asking.waiting(6, |asking| {
        for number in 0..6 {
            let inputs = match number {
                2 => vec![broken()],
                4 => vec![picture(0), broken(), picture(1)],
                5 => vec![picture(5), picture(0)],
                _ => vec![picture(number)],
            };
            asking.ask(number, inputs, PredictConfig::default());
        }
    });
    assert_eq!(asking.passes(), 1);
    for (number, answer) in &answers {
        match (number, answer) {
            (2 | 4, Err(Error { code: ErrorCode::Image, .. })) => {}
            (5, Ok(predictions)) => assert_eq!(predictions.len(), 2),
            (0 | 1 | 3, Ok(predictions)) => assert_eq!(predictions.len(), 1),
            _ => panic!("{number}: {answer:?}"),
        }
    }
    // Each has pictures of its own, whoever failed before it.
    let thumbnails = PredictConfig { thumbnails: Some(64), ..PredictConfig::default() };
    let shown = asking.waiting(2, |asking| {
        asking.ask(0, vec![broken()], thumbnails.clone());
        asking.ask(1, vec![picture(3)], thumbnails.clone());
    });
    let thumbnail = shown[1].1.as_ref().unwrap()[0].thumbnail.as_ref().unwrap();
    assert_eq!((thumbnail.width, thumbnail.height), (23, 24));

    let [first, fifth] = [0, 5].map(|at: usize| probabilities(&answers[at].1));
    assert!((first[0] - fifth[fifth.len() / 2]).abs() < 1e-5, "answers went to others");
}

#[test]
fn who_asks_otherwise_or_after_the_model_was_closed_is_answered_alone() {
    let asking = Asking::new();
    let one = || vec![picture(1)];
    let none = PredictConfig { top: Some(0), ..PredictConfig::default() };
    let best = PredictConfig { top: Some(1), ..PredictConfig::default() };
    let handle = asking.handle;
    let answers = asking.waiting(4, |asking| {
        asking.ask(0, one(), PredictConfig::default());
        asking.ask(1, one(), none.clone());
        asking.ask(2, one(), best.clone());
        let close = move |worker: &mut Worker, _: &_| {
            worker.close(handle);
            Ok(Some(()))
        };
        asking.thread.submit(Arc::default(), close, |_| {});
        asking.ask(3, one(), best.clone());
    });
    let code = |at: usize| answers[at].1.as_ref().err().map(|error| error.code);
    assert_eq!([code(0), code(2)], [None, None]);
    assert_eq!([code(1), code(3)], [Some(ErrorCode::Config), Some(ErrorCode::Closed)]);
    assert_eq!(answers[2].1.as_ref().unwrap()[0].top.len(), 1);
}

#[test]
fn a_large_request_takes_as_many_passes_as_its_images_need() {
    let asking = Asking::new();
    let answers = asking.waiting(2, |asking| {
        asking.ask(0, (0..260).map(picture).collect(), PredictConfig::default());
        asking.ask(1, vec![picture(0)], PredictConfig::default());
    });
    assert_eq!(asking.passes(), 4);
    assert_eq!(answers[0].1.as_ref().unwrap().len(), 260);
}
