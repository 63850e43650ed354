//! Loaded models, which JavaScript identifies by handles. Every function runs on the torch thread
//! and returns a promise.

use std::path::PathBuf;

use napi::bindgen_prelude::{Buffer, ClassInstance, Either3, Object};
use napi::{Env, JsDeferred};
use napi_derive::napi;
use residual_data::Arrays;
use residual_model::ImageInput;
use residual_runtime::{Cancellation, PredictRequest, Session, Worker};
use residual_spec::{
    EvaluateConfig, ExportConfig, FromJson, LoadConfig, PredictConfig, Result, resolve_export,
};
use serde::Serialize;
use serde_json::json;

use crate::arrays::NativeArrays;
use crate::cancel::NativeCancel;
use crate::environment::register_owner;
use crate::native_result::{parse_json, to_native_result};
use crate::torch_thread::torch_thread;

/// Pixels in HWC order.
#[napi(object)]
pub struct NativePixels {
    pub data: Buffer,
    pub width: u32,
    pub height: u32,
    pub channels: u32,
}

/// Runs `work` on the torch thread and returns a promise of its result as JSON text. `work` returns
/// `None` if it was interrupted.
fn on_torch_thread<'env, T: Serialize + 'static>(
    env: &'env Env,
    cancel: Option<ClassInstance<NativeCancel>>,
    work: impl FnMut(&mut Worker, &Cancellation) -> Result<Option<T>> + Send + 'static,
) -> napi::Result<Object<'env>> {
    let (deferred, promise) = env.create_deferred()?;
    let flag = cancel.map(|cancel| cancel.flag()).unwrap_or_default();
    let cancellation = Cancellation { owner: register_owner(env)?, flag };
    match torch_thread() {
        Ok(thread) => thread.submit(cancellation, work, |result| resolve(deferred, result)),
        Err(error) => resolve::<T>(deferred, Err(error)),
    }
    Ok(promise)
}

fn resolve<T: Serialize>(deferred: JsDeferred<String, Resolver>, result: Result<T>) {
    let text = to_native_result(result);
    deferred.resolve(Box::new(move |_| Ok(text)));
}

type Resolver = Box<dyn FnOnce(Env) -> napi::Result<String> + Send>;

/// Loads a run folder, a checkpoint or a weights file with a `LoadConfig`; returns
/// `{handle, info}`.
#[napi(ts_return_type = "Promise<string>")]
pub fn open_model(env: &Env, path: String, request: String) -> napi::Result<Object<'_>> {
    on_torch_thread(env, None, move |worker, cancellation| {
        let config = LoadConfig::parse(&parse_json(&request)?)?;
        let model = Session::open(&PathBuf::from(&path), &config)?;
        let info = model.info().clone();
        let handle = worker.insert(cancellation.owner.clone(), model);
        Ok(Some(json!({ "handle": handle, "info": info })))
    })
}

/// Predicts paths, encoded images or pixels with a `PredictConfig`; returns an array of
/// `Prediction`. Queued calls are batched.
#[napi(ts_return_type = "Promise<string>")]
pub fn predict(
    env: &Env,
    handle: u32,
    images: Vec<Either3<String, Buffer, NativePixels>>,
    request: String,
) -> napi::Result<Object<'_>> {
    // Buffers are copied, because JavaScript may modify them before the torch thread reads them.
    let inputs: Vec<ImageInput> = images
        .into_iter()
        .map(|image| match image {
            Either3::A(path) => ImageInput::Path(path.into()),
            Either3::B(bytes) => ImageInput::Encoded(bytes.to_vec()),
            Either3::C(pixels) => ImageInput::Raw {
                pixels: pixels.data.to_vec(),
                width: pixels.width,
                height: pixels.height,
                channels: pixels.channels,
            },
        })
        .collect();
    let owner = register_owner(env)?;
    let (deferred, promise) = env.create_deferred()?;
    let options = parse_json(&request).and_then(|json| PredictConfig::parse(&json));
    match options.and_then(|options| Ok((options, torch_thread()?))) {
        Ok((options, thread)) => {
            let respond = Box::new(|result| resolve(deferred, result));
            thread.predict(PredictRequest { owner, handle, inputs, options, respond });
        }
        Err(error) => resolve::<()>(deferred, Err(error)),
    }
    Ok(promise)
}

/// Runs the learning-rate range test of a `TrainConfig` and a `FindLrConfig`; returns an
/// `LrFinderResult`.
#[napi(ts_return_type = "Promise<string>")]
pub fn find_lr<'env>(
    env: &'env Env,
    config: String,
    options: String,
    arrays: Option<NativeArrays>,
    cancel: Option<ClassInstance<NativeCancel>>,
) -> napi::Result<Object<'env>> {
    let arrays = arrays.map(Arrays::from);
    on_torch_thread(env, cancel, move |worker, cancellation| {
        worker.find_lr(&parse_json(&config)?, arrays.clone(), &parse_json(&options)?, cancellation)
    })
}

/// Plans a `TrainConfig` with a `PlanConfig`; returns a `Plan`.
#[napi(ts_return_type = "Promise<string>")]
pub fn plan<'env>(
    env: &'env Env,
    config: String,
    options: String,
    arrays: Option<NativeArrays>,
    cancel: Option<ClassInstance<NativeCancel>>,
) -> napi::Result<Object<'env>> {
    let arrays = arrays.map(Arrays::from);
    on_torch_thread(env, cancel, move |worker, cancellation| {
        worker.plan(&parse_json(&config)?, arrays.clone(), &parse_json(&options)?, cancellation)
    })
}

/// Runs a `BenchConfig`; returns a `BenchResult`.
#[napi(ts_return_type = "Promise<string>")]
pub fn bench(env: &Env, config: String) -> napi::Result<Object<'_>> {
    on_torch_thread(env, None, move |worker, cancellation| {
        worker.bench(&parse_json(&config)?, cancellation)
    })
}

/// Evaluates a model with an `EvaluateConfig`; returns an `Evaluation`.
#[napi(ts_return_type = "Promise<string>")]
pub fn evaluate_model<'env>(
    env: &'env Env,
    handle: u32,
    request: String,
    arrays: Option<NativeArrays>,
    cancel: Option<ClassInstance<NativeCancel>>,
) -> napi::Result<Object<'env>> {
    on_dataset(env, request, arrays, cancel, move |worker, config, arrays, cancellation| {
        worker.evaluate(handle, config, arrays, cancellation)
    })
}

/// Measures layer responses with an `EvaluateConfig`; returns an array of `LayerResponse`.
#[napi(ts_return_type = "Promise<string>")]
pub fn layer_responses<'env>(
    env: &'env Env,
    handle: u32,
    request: String,
    arrays: Option<NativeArrays>,
    cancel: Option<ClassInstance<NativeCancel>>,
) -> napi::Result<Object<'env>> {
    on_dataset(env, request, arrays, cancel, move |worker, config, arrays, cancellation| {
        worker.layer_responses(handle, config, arrays, cancellation)
    })
}

/// Parses an `EvaluateConfig` and runs `work` with it on the torch thread.
fn on_dataset<'env, T: Serialize + 'static>(
    env: &'env Env,
    request: String,
    arrays: Option<NativeArrays>,
    cancel: Option<ClassInstance<NativeCancel>>,
    work: impl Fn(&Worker, &EvaluateConfig, Option<Arrays>, &Cancellation) -> Result<Option<T>>
    + Send
    + 'static,
) -> napi::Result<Object<'env>> {
    let arrays = arrays.map(Arrays::from);
    on_torch_thread(env, cancel, move |worker, cancellation| {
        let config = EvaluateConfig::parse(&parse_json(&request)?)?;
        work(worker, &config, arrays.clone(), cancellation)
    })
}

/// Exports a loaded model to .safetensors or .onnx.
#[napi(ts_return_type = "Promise<string>")]
pub fn export_open_model(
    env: &Env,
    handle: u32,
    path: String,
    request: String,
) -> napi::Result<Object<'_>> {
    on_torch_thread(env, None, move |worker, _| {
        let config = ExportConfig::parse(&parse_json(&request)?)?;
        worker.session(handle)?.export(&PathBuf::from(&path), resolve_export(&config)).map(Some)
    })
}

/// Evaluates the ensemble of several models; returns an `EnsembleEvaluation`.
#[napi(ts_return_type = "Promise<string>")]
pub fn evaluate_ensemble<'env>(
    env: &'env Env,
    handles: Vec<u32>,
    request: String,
    cancel: Option<ClassInstance<NativeCancel>>,
) -> napi::Result<Object<'env>> {
    on_torch_thread(env, cancel, move |worker, cancellation| {
        let config = EvaluateConfig::parse(&parse_json(&request)?)?;
        worker.evaluate_ensemble(&handles, &config, cancellation)
    })
}

/// Frees a loaded model.
#[napi(ts_return_type = "Promise<string>")]
pub fn close_model(env: &Env, handle: u32) -> napi::Result<Object<'_>> {
    on_torch_thread(env, None, move |worker, _| {
        worker.close(handle);
        Ok(Some(()))
    })
}
