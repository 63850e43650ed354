import type { DownloadProgress } from '../../download/fetch-file.js'
import type {
  ExportConfig,
  LoadConfig,
  PredictConfig,
  RunEvent,
  TrainConfig,
  TrainResult,
} from '../../native/generated.js'
import type { ErrorData } from '../error-data.js'
import type { TrainerImage } from '../trainer-image.js'

/** A call of a function of the API in the host. */
export type HostCall =
  | {
      function: 'predict'
      args: [
        model: string,
        images: TrainerImage | readonly TrainerImage[],
        config: PredictConfig | undefined,
        load: LoadConfig | undefined,
      ]
    }
  | {
      function: 'exportModel'
      args: [model: string, path: string, config: ExportConfig | undefined]
    }

/** A message from the main process to its host. */
export type HostRequest =
  | { type: 'train'; config: TrainConfig; report: boolean; paused: boolean }
  | { type: 'pause' | 'resume' | 'stop' | 'exit' }
  | { type: 'call'; id: number; call: HostCall }

/** A message from a host to the main process. */
export type HostMessage =
  | { type: 'ready' }
  | { type: 'heartbeat' }
  | { type: 'event'; event: RunEvent }
  | { type: 'download'; progress: DownloadProgress }
  | { type: 'result'; result: TrainResult }
  | { type: 'failed'; error: ErrorData }
  | { type: 'returned'; id: number; value: unknown }
  | { type: 'threw'; id: number; error: ErrorData }
