import type { PredictConfig, Prediction } from '../../native/generated.js'
import type { ErrorData } from '../error-data.js'
import type { TrainerMessage } from '../snapshot.js'

/**
 * Result of a request of a page. Errors are data, because exceptions lose their `code`, `at` and
 * `hint` on the way to a page.
 */
export type BridgeResult<T> = { ok: true; value: T } | { ok: false; error: ErrorData }

/**
 * The object `window.residual`, which the preload script gives to the page of a window:
 *
 * `declare global { interface Window { residual: TrainerBridge } }`
 */
export interface TrainerBridge {
  /** Calls a function with a snapshot, then with all messages. Returns a function that ends this. */
  subscribe(listener: (message: TrainerMessage) => void): () => void
  /** Asks the main process to start a run. `true` if it has, `false` if the handler declined. */
  train(request?: unknown): Promise<BridgeResult<boolean>>
  /** Pauses the run after its current step. */
  pause(): Promise<BridgeResult<null>>
  /** Resumes a paused run. */
  resume(): Promise<BridgeResult<null>>
  /** Saves a checkpoint and ends the run after its current step. */
  stop(): Promise<BridgeResult<null>>
  /** Classifies a JPEG or PNG file by the run that the trainer shows. */
  predict(
    image: Uint8Array | ArrayBuffer,
    config?: PredictConfig,
  ): Promise<BridgeResult<Prediction>>
  /** Asks the main process to export the run's model. Returns the path, or null if declined. */
  exportModel(request?: unknown): Promise<BridgeResult<string | null>>
}

/** Channel of the requests of a page. */
export const REQUEST_CHANNEL = 'residual:request'

/** Channel of the messages to a page. */
export const MESSAGE_CHANNEL = 'residual:message'
