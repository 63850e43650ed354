//! A trained model, as JavaScript holds it: by a number. Every call is done on the thread that
//! calls libtorch, and its promise is settled from there.

use std::path::PathBuf;

use napi::bindgen_prelude::{Buffer, Either3, Object};
use napi::Env;
use napi_derive::napi;
use residual_data::Arrays;
use residual_model::Input;
use residual_spec::{
    At, Error, ErrorCode, EvaluateConfig, ExportConfig, LoadConfig, PredictConfig, Read, Result,
};
use residual_train::{guarded, LoadedModel, Worker};
use serde::Serialize;
use serde_json::json;

use crate::arrays::NativeArrays;
use crate::envelope::{envelope, parse};
use crate::torch::torch_thread;

/// Pixels, row by row, channels innermost.
#[napi(object)]
pub struct NativePixels {
    pub data: Buffer,
    pub width: u32,
    pub height: u32,
    pub channels: u32,
}

/// Does `work` on the thread that calls libtorch; the promise gives an envelope.
fn on_torch_thread<T: Serialize + 'static>(
    env: &Env,
    work: impl FnOnce(&mut Worker) -> Result<T> + Send + 'static,
) -> napi::Result<Object<'_>> {
    let (deferred, promise) = env.create_deferred()?;
    match torch_thread() {
        Ok(thread) => thread.submit(move |worker| {
            let text = envelope(guarded(|| work(worker)));
            deferred.resolve(Box::new(move |_| Ok(text)) as Resolver);
        }),
        Err(error) => {
            let text = envelope::<()>(Err(error));
            deferred.resolve(Box::new(move |_| Ok(text)) as Resolver);
        }
    }
    Ok(promise)
}

/// What was asked for, if the process did not end before it was there.
fn unless_ending<T>(found: Option<T>) -> Result<T> {
    found.ok_or_else(|| Error::new(ErrorCode::Closed, "the process is ending"))
}

type Resolver = Box<dyn FnOnce(Env) -> napi::Result<String> + Send>;

/// A run folder, a checkpoint or a file of weights, and a `LoadConfig`, to `{handle, info}`.
#[napi(ts_return_type = "Promise<string>")]
pub fn open_model(env: &Env, path: String, request: String) -> napi::Result<Object<'_>> {
    on_torch_thread(env, move |worker| {
        let config = LoadConfig::read(&parse(&request)?, &At::Root)?;
        let model = LoadedModel::open(&PathBuf::from(path), &config)?;
        let info = model.info().clone();
        Ok(json!({ "handle": worker.keep(model), "info": info }))
    })
}

/// Paths, encoded images or pixels, and a `PredictConfig`, to an array of `Prediction`.
#[napi(ts_return_type = "Promise<string>")]
pub fn predict(
    env: &Env,
    handle: u32,
    images: Vec<Either3<String, Buffer, NativePixels>>,
    request: String,
) -> napi::Result<Object<'_>> {
    // Copied here: JavaScript may change its buffers before the thread gets to them.
    let inputs: Vec<Input> = images
        .into_iter()
        .map(|image| match image {
            Either3::A(path) => Input::Path(path.into()),
            Either3::B(bytes) => Input::Encoded(bytes.to_vec()),
            Either3::C(pixels) => Input::Raw {
                pixels: pixels.data.to_vec(),
                width: pixels.width,
                height: pixels.height,
                channels: pixels.channels,
            },
        })
        .collect();
    on_torch_thread(env, move |worker| {
        let asked = PredictConfig::read(&parse(&request)?, &At::Root)?;
        worker.model(handle)?.predict(&inputs, &asked)
    })
}

/// A `TrainConfig` and a `FindLrConfig` to an `LrFinding`.
#[napi(ts_return_type = "Promise<string>")]
pub fn find_lr(
    env: &Env,
    config: String,
    options: String,
    arrays: Option<NativeArrays>,
) -> napi::Result<Object<'_>> {
    let arrays = arrays.map(Arrays::from);
    on_torch_thread(env, move |worker| {
        unless_ending(worker.find_lr(&parse(&config)?, arrays, &parse(&options)?)?)
    })
}

/// A `TrainConfig` and a `PlanConfig` to a `Plan`.
#[napi(ts_return_type = "Promise<string>")]
pub fn plan(
    env: &Env,
    config: String,
    options: String,
    arrays: Option<NativeArrays>,
) -> napi::Result<Object<'_>> {
    let arrays = arrays.map(Arrays::from);
    on_torch_thread(env, move |worker| {
        unless_ending(worker.plan(&parse(&config)?, arrays, &parse(&options)?)?)
    })
}

/// A `BenchConfig` to a `BenchResult`.
#[napi(ts_return_type = "Promise<string>")]
pub fn bench(env: &Env, config: String) -> napi::Result<Object<'_>> {
    on_torch_thread(env, move |worker| unless_ending(worker.bench(&parse(&config)?)?))
}

/// An `EvaluateConfig` to an `Evaluation`.
#[napi(ts_return_type = "Promise<string>")]
pub fn evaluate_model(
    env: &Env,
    handle: u32,
    request: String,
    arrays: Option<NativeArrays>,
) -> napi::Result<Object<'_>> {
    let arrays = arrays.map(Arrays::from);
    on_torch_thread(env, move |worker| {
        let config = EvaluateConfig::read(&parse(&request)?, &At::Root)?;
        unless_ending(worker.evaluate(handle, &config, arrays)?)
    })
}

/// An `EvaluateConfig` to an array of `LayerResponse`.
#[napi(ts_return_type = "Promise<string>")]
pub fn layer_responses(
    env: &Env,
    handle: u32,
    request: String,
    arrays: Option<NativeArrays>,
) -> napi::Result<Object<'_>> {
    let arrays = arrays.map(Arrays::from);
    on_torch_thread(env, move |worker| {
        let config = EvaluateConfig::read(&parse(&request)?, &At::Root)?;
        unless_ending(worker.layer_responses(handle, &config, arrays)?)
    })
}

/// Writes an open model as .safetensors or .onnx.
#[napi(ts_return_type = "Promise<string>")]
pub fn export_open_model(
    env: &Env,
    handle: u32,
    path: String,
    request: String,
) -> napi::Result<Object<'_>> {
    on_torch_thread(env, move |worker| {
        let said = ExportConfig::read(&parse(&request)?, &At::Root)?;
        worker.model(handle)?.export(&PathBuf::from(path), (&said).into())
    })
}

/// Handles and an `EvaluateConfig` to an `EnsembleEvaluation`.
#[napi(ts_return_type = "Promise<string>")]
pub fn evaluate_ensemble(
    env: &Env,
    handles: Vec<u32>,
    request: String,
) -> napi::Result<Object<'_>> {
    on_torch_thread(env, move |worker| {
        let config = EvaluateConfig::read(&parse(&request)?, &At::Root)?;
        unless_ending(worker.evaluate_ensemble(&handles, &config)?)
    })
}

#[napi(ts_return_type = "Promise<string>")]
pub fn close_model(env: &Env, handle: u32) -> napi::Result<Object<'_>> {
    on_torch_thread(env, move |worker| {
        worker.close(handle);
        Ok(())
    })
}
