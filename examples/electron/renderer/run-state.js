/** @typedef {import('residual/electron').TrainerMessage} TrainerMessage */
/** @typedef {import('residual/electron').TrainerSnapshot} TrainerSnapshot */

/** Steps of the loss curve. A run sends up to twenty per second. */
const MAX_STEPS = 2000

/** The state of the trainer, from its messages. A snapshot replaces everything before it. */
export class RunState {
  /** @type {TrainerSnapshot} */
  snapshot = {
    status: 'idle',
    process: { pid: null, restarts: 0, lastExit: null },
    dir: null,
    start: null,
    steps: [],
    epochs: [],
    warnings: [],
    checkpoint: null,
    result: null,
    error: null,
  }

  /** @type {import('residual').DownloadProgress | null} */
  download = null

  /** @param {TrainerMessage} message */
  apply(message) {
    const { snapshot } = this
    if (message.type !== 'download') this.download = null
    switch (message.type) {
      case 'snapshot':
        this.snapshot = message.snapshot
        return
      case 'status':
        if (message.status === 'starting' && message.process.restarts === 0) snapshot.error = null
        snapshot.status = message.status
        snapshot.process = message.process
        return
      case 'step':
        snapshot.steps.push(message)
        if (snapshot.steps.length > MAX_STEPS) {
          snapshot.steps = snapshot.steps.filter((_, index) => index % 2 === 0)
        }
        return
      case 'epoch':
        snapshot.epochs.push(message)
        return
      case 'checkpoint':
        if (message.kind === 'last') snapshot.checkpoint = message
        return
      case 'warning':
        snapshot.warnings.push(message)
        return
      case 'end':
        snapshot.result = message.result
        return
      case 'failed':
        snapshot.error = message.error
        return
      case 'download':
        this.download = message.progress
    }
  }

  /** Whether a run is active. */
  get isActive() {
    const resting = ['idle', 'stopped', 'ended', 'failed']
    return !resting.includes(this.snapshot.status)
  }

  /** Step from which the run continues if its process ends; 0 without a checkpoint. */
  get savedStep() {
    const { checkpoint, start } = this.snapshot
    return checkpoint?.step ?? start?.startStep ?? 0
  }

  /** Fraction of the run that is done. */
  get progress() {
    const { start, steps } = this.snapshot
    const total = start?.totalSteps ?? 0
    const step = steps.at(-1)?.step ?? start?.startStep ?? 0
    return total === 0 ? 0 : Math.min(1, step / total)
  }
}
