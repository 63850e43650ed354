#!/usr/bin/env node
import { createRequire } from 'node:module'

const ENVIRONMENT_STATUS = 3

try {
  // `import` opens all modules at the same time, which fails under a low limit of open files.
  await createRequire(import.meta.url)('./run-command.js').completed
} catch (error) {
  process.stderr.write(`error: residual could not be loaded: ${(error as Error).message}\n`)
  process.exitCode = ENVIRONMENT_STATUS
}
