import { join } from 'node:path'
import { isMainThread } from 'node:worker_threads'
import { ResidualError } from '../errors/errors.js'
import { datasetCacheDir, weightsCacheDir } from './cache-dirs.js'
import {
  assertCudaLoaded,
  type CudaState,
  cudaLoadError,
  loadCuda,
  type RequestedDevice,
} from './cuda.js'
import { checkLibrary } from './elf.js'
import { loadLibtorch } from './libtorch.js'
import type { NativeResult } from './native-result.js'
import { DATA_ROOT, platformFolder, require } from './platform.js'

export interface Addon {
  NativeCancel: new () => NativeCancel
  /** Where the embedded data set is, and where downloaded ones are. */
  setDataRoots(embedded: string, store: string): void
  /** Where published weights are kept. */
  setWeightsFolder(path: string): void
  /** Says that published weights could not be fetched, and why. */
  setWeightsNotFetched(file: string, why: string): void
}

/** The addon that needs no libtorch. Its string results are envelopes. */
export interface CoreAddon extends Addon {
  version(): string
  inspect(request: string): string
  /** The file of torchvision's for an architecture. */
  publishedWeights(arch?: string): string
  /** The published weights, not named, that a run would begin from. */
  defaultWeights(config: string, cancel?: NativeCancel): Promise<string>
  datasets(): string
  exportModel(model: string, path: string, request: string): Promise<string>
  inspectCheckpoint(model: string, request: string): Promise<string>
  preview(request: string, cancel?: NativeCancel): Promise<NativePreview>
  /** Whether a run is being written to a folder, by whatever process. */
  isRunActive(folder: string): boolean
}

/** Images of a data set: an envelope with what is known of each, and all their pixels in a row. */
export interface NativePreview {
  envelope: string
  pixels: Buffer
}

/** The addon that trains. Its string results are envelopes. */
export interface TorchAddon extends Addon {
  environment(): string
  /** Loads residual-cuda.so; an envelope. */
  useCuda(path: string): string
  /** Says why CUDA cannot be used, though driver and libraries are there. */
  setCudaUnusable(why: string): void
  /** `wake` is called whenever there is something to drain; it does not hold the process. */
  startRun(config: string, wake: () => void, arrays?: NativeArrays): NativeRun
  openModel(path: string, request: string): Promise<string>
  predict(handle: number, images: NativeImage[], request: string): Promise<string>
  evaluateModel(
    handle: number,
    request: string,
    arrays?: NativeArrays,
    cancel?: NativeCancel,
  ): Promise<string>
  layerResponses(
    handle: number,
    request: string,
    arrays?: NativeArrays,
    cancel?: NativeCancel,
  ): Promise<string>
  exportOpenModel(handle: number, path: string, request: string): Promise<string>
  evaluateEnsemble(handles: number[], request: string, cancel?: NativeCancel): Promise<string>
  findLr(
    config: string,
    options: string,
    arrays?: NativeArrays,
    cancel?: NativeCancel,
  ): Promise<string>
  plan(
    config: string,
    options: string,
    arrays?: NativeArrays,
    cancel?: NativeCancel,
  ): Promise<string>
  bench(config: string): Promise<string>
  closeModel(handle: number): Promise<string>
  /** Stops every run, saving it, and joins the thread that calls libtorch. */
  shutdown(): void
}

/** Handed to native work, ends it: it fails with `E_ABORTED` as soon as it looks. */
export interface NativeCancel {
  cancel(): void
}

/** A path, an encoded image, or pixels. */
export type NativeImage = string | Buffer | NativePixels

/** Pixels, row by row, channels innermost. */
export interface NativePixels {
  data: Buffer
  width: number
  height: number
  channels: number
}

/** Images in memory; the addon copies them. */
export interface NativeArrays {
  train: NativeArrayPart
  val?: NativeArrayPart
  test?: NativeArrayPart
  classes?: string[]
}

/** Images of one part, one after another, channels innermost; labels of 32 bits. */
export interface NativeArrayPart {
  images: Buffer
  labels: Buffer
  width: number
  height: number
  channels: number
}

/** A run on the training thread. */
export interface NativeRun {
  /** What happened since the last call, each a JSON text. */
  drain(): string[]
  /** Lets the trainer go on after an epoch, for which it waits. */
  acknowledge(seq: number, decision: 'continue' | 'stop'): void
  /** Saves and ends the run, for a hook threw. */
  fail(): void
  stop(): void
  abort(): void
  pause(): void
  resume(): void
}

let light: CoreAddon | undefined
let torch: { addon: TorchAddon; cuda: CudaState } | undefined

/**
 * The addon for what needs no libtorch, loaded at the first call.
 *
 * @throws {ResidualError} `E_PLATFORM`
 */
export function coreAddon(): CoreAddon {
  light ??= load<CoreAddon>(platformFolder(), 'residual.node')
  return light
}

/**
 * The addon that trains, loaded with libtorch at the first call (about 0.3 s). That also decides
 * whether this process can have CUDA.
 *
 * @param device what is asked for, where something is
 * @throws {ResidualError} `E_PLATFORM`, `E_LIBTORCH`; `E_DEVICE` for CUDA that cannot be had
 */
export function torchAddon(device: RequestedDevice = 'auto'): TorchAddon {
  torch ??= loadTorch(device)
  assertCudaLoaded(device, torch.cuda)
  return torch.addon
}

function loadTorch(device: RequestedDevice): { addon: TorchAddon; cuda: CudaState } {
  const folder = platformFolder()
  loadLibtorch()
  const shim = join(folder, 'residual-cuda.so')
  let cuda = loadCuda(device, shim)
  const addon = load<TorchAddon>(folder, 'residual-torch.node')
  if (cuda.state === 'loaded') {
    const answer: NativeResult<null> = JSON.parse(addon.useCuda(shim))
    if ('error' in answer) {
      cuda = { state: 'failed', error: cudaLoadError(answer.error.message, shim) }
    }
  }
  if (cuda.state === 'failed') addon.setCudaUnusable(cuda.error.message)
  // A process that ends while the training thread is inside libtorch would crash. (The end of a
  // worker_threads thread is not that of the process; the addon stops the runs that it started.)
  if (isMainThread) process.on('exit', () => addon.shutdown())
  return { addon, cuda }
}

function load<A extends Addon>(folder: string, name: string): A {
  const path = join(folder, name)
  try {
    checkLibrary(path)
    const addon: A = require(path)
    addon.setDataRoots(DATA_ROOT, datasetCacheDir())
    addon.setWeightsFolder(weightsCacheDir())
    return addon
  } catch (error) {
    if (error instanceof ResidualError) throw error
    throw new ResidualError(
      {
        code: 'E_PLATFORM',
        message: `the native addon could not be loaded: ${(error as Error).message}`,
        at: { file: path },
        hint: 'Install again with `npm install --force`; in a clone, run `npm run build`.',
      },
      { cause: error },
    )
  }
}
