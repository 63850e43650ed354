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
}

export type OnCudaSetupProgress = (progress: CudaSetupProgress) => void
