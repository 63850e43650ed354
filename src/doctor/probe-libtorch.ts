// Entry point of the child process that `doctor()` starts: loads libtorch and writes what it
// reports to stdout, as JSON.
import { writeSync } from 'node:fs'
import { ResidualError } from '../errors/errors.js'
import { torchAddon } from '../native/addon.js'
import { unwrapResult } from '../native/native-result.js'
import type { TorchEnvironment } from './cpu-checks.js'
import type { ProbeResult } from './installation-checks.js'

const STDOUT = 1

function probe(): ProbeResult {
  try {
    return { environment: unwrapResult<TorchEnvironment>(torchAddon().environment()) }
  } catch (error) {
    if (!(error instanceof ResidualError)) throw error
    const { code, message, at, hint } = error
    return { error: { code, message, at, hint } }
  }
}

// Synchronous, because libtorch may crash the process before a stream is flushed.
writeSync(STDOUT, JSON.stringify(probe()))
