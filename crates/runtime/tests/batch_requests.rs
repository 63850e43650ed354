//! Queued predict requests share forward passes, but not errors, options or results.

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};

use residual_model::{ComputeOptions, ImageInput, Model, from_tch};
use residual_runtime::{Cancellation, Owner, PredictRequest, Session, TorchThread, Worker};
use residual_spec::{
    Device, Error, ErrorCode, InspectConfig, LoadConfig, MemoryFormat, NameOr, Precision,
    PredictConfig, Prediction, Result, resolve_inspect,
};
use serde_json::json;

/// A libtorch thread with an open model, and the results in order of arrival.
struct Client {
    thread: TorchThread,
    owner: Owner,
    handle: u32,
    sender: Sender<(usize, PredictResult)>,
    results: Receiver<(usize, PredictResult)>,
}

type PredictResult = Result<Vec<Prediction>>;

impl Client {
    fn new() -> Client {
        let thread = TorchThread::start().unwrap();
        let owner = Owner::default();
        let model_owner = owner.clone();
        let folder = tempfile::tempdir().unwrap();
        let weights = folder.path().join("weights.safetensors");
        write_weights(&weights);
        let handle = execute(&thread, move |worker| {
            let session = Session::open(&weights, &LoadConfig::default())?;
            Ok(worker.insert(model_owner.clone(), session))
        });
        let (sender, results) = channel();
        Client { thread, owner, handle, sender, results }
    }

    fn request(&self, number: usize, inputs: Vec<ImageInput>, options: PredictConfig) {
        let sender = self.sender.clone();
        let respond = Box::new(move |result| sender.send((number, result)).unwrap());
        let (owner, handle) = (self.owner.clone(), self.handle);
        self.thread.predict(PredictRequest { owner, handle, inputs, options, respond });
    }

    /// Queues all requests of `send` before the first one executes, and returns the results in order
    /// of arrival.
    fn predict_queued(&self, count: usize, send: impl Fn(&Client)) -> Vec<(usize, PredictResult)> {
        let (release, released) = channel::<()>();
        let block = move |_: &mut Worker, _: &_| Ok(released.recv().ok());
        self.thread.submit(Cancellation::default(), block, |_| {});
        send(self);
        release.send(()).unwrap();
        self.results.iter().take(count).collect()
    }

    fn num_forward_passes(&self) -> u64 {
        let handle = self.handle;
        execute(&self.thread, move |worker| Ok(worker.session(handle)?.num_forward_passes()))
    }
}

/// Writes the initial weights of a ResNet-8.
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

/// Executes `work` on the thread and returns its result.
fn execute<T: Send + 'static>(
    thread: &TorchThread,
    mut work: impl FnMut(&mut Worker) -> Result<T> + Send + 'static,
) -> T {
    let (sender, receiver) = channel();
    thread.submit(
        Cancellation::default(),
        move |worker, _| work(worker).map(Some),
        move |result| sender.send(result).unwrap(),
    );
    receiver.recv().unwrap().unwrap()
}

/// Returns an image that differs for each number.
fn image(number: usize) -> ImageInput {
    let (width, height, channels) = (20 + number as u32 % 7, 24, 3);
    let bytes = width * height * channels;
    let pixels = (0..bytes).map(|at| (at as usize * (number + 3) * 11 % 251) as u8).collect();
    ImageInput::Raw { pixels, width, height, channels }
}

fn unreadable() -> ImageInput {
    ImageInput::Encoded(b"no image".to_vec())
}

fn probabilities(result: &PredictResult) -> Vec<f64> {
    let by_class = |prediction: &Prediction| {
        let mut top = prediction.top.clone();
        top.sort_by_key(|class| class.index);
        top.into_iter().map(|class| class.probability).collect::<Vec<_>>()
    };
    result.as_ref().unwrap().iter().flat_map(by_class).collect()
}

#[test]
fn queued_requests_share_a_pass_and_match_single_requests() {
    let client = Client::new();
    let separate: Vec<Vec<f64>> = (0..64)
        .map(|number| {
            client.request(number, vec![image(number)], PredictConfig::default());
            probabilities(&client.results.recv().unwrap().1)
        })
        .collect();
    assert_eq!(client.num_forward_passes(), 64);

    let batched = client.predict_queued(64, |client| {
        (0..64).for_each(|n| client.request(n, vec![image(n)], PredictConfig::default()));
    });
    assert_eq!(client.num_forward_passes(), 65);
    assert!(batched.iter().map(|(number, _)| *number).eq(0..64));
    for ((number, result), separate) in batched.iter().zip(&separate) {
        for (found, expected) in probabilities(result).iter().zip(separate) {
            assert!((found - expected).abs() < 1e-5, "{number}: {found} instead of {expected}");
        }
    }
    let difference =
        |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    let largest =
        separate.iter().map(|result| difference(result, &separate[0])).fold(0.0, f64::max);
    assert!(largest > 1e-3, "all results are equal: {largest}");
}

#[test]
fn an_unreadable_image_fails_only_its_own_request() {
    let client = Client::new();
    let results = client.predict_queued(6, |client| {
        for number in 0..6 {
            let inputs = match number {
                2 => vec![unreadable()],
                4 => vec![image(0), unreadable(), image(1)],
                5 => vec![image(5), image(0)],
                _ => vec![image(number)],
            };
            client.request(number, inputs, PredictConfig::default());
        }
    });
    assert_eq!(client.num_forward_passes(), 1);
    for (number, result) in &results {
        match (number, result) {
            (2 | 4, Err(Error { code: ErrorCode::Image, .. })) => {}
            (5, Ok(predictions)) => assert_eq!(predictions.len(), 2),
            (0 | 1 | 3, Ok(predictions)) => assert_eq!(predictions.len(), 1),
            _ => panic!("{number}: {result:?}"),
        }
    }
    // Thumbnails belong to their request, even after a failed one.
    let thumbnails = PredictConfig { thumbnails: Some(64), ..PredictConfig::default() };
    let results_with_thumbnails = client.predict_queued(2, |client| {
        client.request(0, vec![unreadable()], thumbnails.clone());
        client.request(1, vec![image(3)], thumbnails.clone());
    });
    let thumbnail = results_with_thumbnails[1].1.as_ref().unwrap()[0].thumbnail.as_ref().unwrap();
    assert_eq!((thumbnail.width, thumbnail.height), (23, 24));

    let [first, fifth] = [0, 5].map(|at: usize| probabilities(&results[at].1));
    assert!((first[0] - fifth[fifth.len() / 2]).abs() < 1e-5, "results went to other requests");
}

#[test]
fn requests_with_other_options_or_a_closed_model_are_separate() {
    let client = Client::new();
    let inputs = || vec![image(1)];
    let invalid = PredictConfig { top: Some(0), ..PredictConfig::default() };
    let top_1 = PredictConfig { top: Some(1), ..PredictConfig::default() };
    let handle = client.handle;
    let results = client.predict_queued(4, |client| {
        client.request(0, inputs(), PredictConfig::default());
        client.request(1, inputs(), invalid.clone());
        client.request(2, inputs(), top_1.clone());
        let close = move |worker: &mut Worker, _: &_| {
            worker.close(handle);
            Ok(Some(()))
        };
        client.thread.submit(Cancellation::default(), close, |_| {});
        client.request(3, inputs(), top_1.clone());
    });
    let code = |at: usize| results[at].1.as_ref().err().map(|error| error.code);
    assert_eq!([code(0), code(2)], [None, None]);
    assert_eq!([code(1), code(3)], [Some(ErrorCode::Config), Some(ErrorCode::Closed)]);
    assert_eq!(results[2].1.as_ref().unwrap()[0].top.len(), 1);
}

#[test]
fn a_large_request_takes_several_passes() {
    let client = Client::new();
    let results = client.predict_queued(2, |client| {
        client.request(0, (0..260).map(image).collect(), PredictConfig::default());
        client.request(1, vec![image(0)], PredictConfig::default());
    });
    assert_eq!(client.num_forward_passes(), 4);
    assert_eq!(results[0].1.as_ref().unwrap().len(), 260);
}

#[test]
fn the_end_of_an_owner_closes_its_models_and_drops_its_requests() {
    let client = Client::new();
    let handle = client.handle;
    let is_open = || execute(&client.thread, move |worker| Ok(worker.session(handle).is_ok()));
    client.thread.end_owner(&Owner::default());
    assert!(is_open());
    client.thread.end_owner(&client.owner);
    assert!(!is_open());
    client.request(0, vec![image(0)], PredictConfig::default());
    assert!(!is_open()); // executes after the request
    assert!(client.results.try_recv().is_err());
}
