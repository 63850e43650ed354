#!/usr/bin/env node
import { createRequire } from 'node:module'

const ENVIRONMENT_STATUS = 3

try {
  // `import` opens all modules at the same time, which fails under a low limit of open files.
  await createRequire(import.meta.url)('./run-command.js').completed
} catch (error) {
  process.stderr.write(
    `error: residual could not be loaded: ${(error as Error).message}\n` +
      '  Raise the limit of open files (`ulimit -n 1024`), or reinstall the package.\n',
  )
  process.exitCode = ENVIRONMENT_STATUS
}
