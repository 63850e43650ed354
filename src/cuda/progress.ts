import type { DownloadRetry } from '../download/http.js'

/** Progress of the installation of the CUDA libraries. */
export interface CudaSetupProgress {
  /** `wait`: for another process that installs them; `verify`: reading files to compare checksums. */
  phase: 'wait' | 'download' | 'unpack' | 'verify' | 'load'
  /** Name of the current file. */
  file: string
  /** Bytes of all files that are done in this phase. */
  bytes: number
  /** Bytes of all files of this phase. */
  total: number
  /** The failed attempt that is repeated after a delay, if this event reports one. */
  retry?: DownloadRetry
}

export type OnCudaSetupProgress = (progress: CudaSetupProgress) => void
