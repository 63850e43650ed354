// Run by `doctor()` in a process of its own: loads libtorch and tells, on stdout, what it sees.
import { writeSync } from 'node:fs'
import { ResidualError } from '../errors/errors.js'
import { torchAddon } from '../native/addon.js'
import { open } from '../native/native-result.js'
import type { TorchFacts } from './cpu.js'

const STDOUT = 1

function look(): object {
  try {
    return { facts: open<TorchFacts>(torchAddon().environment()) }
  } catch (error) {
    if (!(error instanceof ResidualError)) throw error
    const { code, message, at, hint } = error
    return { error: { code, message, at, hint } }
  }
}

// At once, for a process that is about to crash tells nothing later.
writeSync(STDOUT, JSON.stringify(look()))
