import { ResidualError } from '../errors/errors.js'
import type { HostExit } from './host/host-process.js'

/** Describes the end of a training process, such as `signal SIGKILL`. */
export function describeExit({ code, signal }: HostExit): string {
  if (signal !== null) return `signal ${signal}`
  return code === null ? 'a failed start' : `exit code ${code}`
}

/** Returns the error of a second run. */
export function alreadyTraining(): ResidualError {
  return new ResidualError({
    code: 'E_USAGE',
    message: 'the trainer is training already',
    hint: 'Stop the run, or await its result, before you start another run.',
  })
}

/** Returns the error for an argument that cannot be cloned, such as a function. */
export function notPlainData(cause: unknown): ResidualError {
  const message = `an argument is not plain data: ${(cause as Error).message}`
  const hint = 'Pass values that `structuredClone()` accepts.'
  return new ResidualError({ code: 'E_USAGE', message, hint }, { cause })
}

/** Returns the error of a call whose process ended. */
export function hostEnded(exit: HostExit): ResidualError {
  return new ResidualError({
    code: 'E_PROCESS',
    message: `the training process ended by ${describeExit(exit)} before it answered`,
    hint: withOutput('Call the function again: the process is started when it is needed.', exit),
  })
}

/** Returns the error of a run whose process ended too often. */
export function tooManyRestarts(numEnds: number, exit: HostExit): ResidualError {
  const times = numEnds === 1 ? 'once' : `${numEnds} times`
  const cause = describeExit(exit)
  const isKilled = exit.signal === 'SIGKILL' || exit.code === 9 || exit.code === 137
  return new ResidualError({
    code: 'E_PROCESS',
    message: `the training process ended ${times} without a new checkpoint, last by ${cause}`,
    hint: withOutput(
      isKilled
        ? 'The system may have run out of memory: reduce `batchSize` or the network, and resume the run.'
        : 'Resume the run with `resume`; `checkpoint.everySteps` saves more often.',
      exit,
    ),
  })
}

function withOutput(hint: string, { stderr }: HostExit): string {
  return stderr === '' ? hint : `${hint} Its last output: ${stderr}`
}
