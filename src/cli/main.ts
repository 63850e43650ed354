#!/usr/bin/env node
import { createRequire } from 'node:module'
import { describeUnsupportedNode } from '../native/node-version.js'

const ENVIRONMENT_STATUS = 3

const unsupportedNode = describeUnsupportedNode()
if (unsupportedNode === undefined) await runCommand()
else fail(unsupportedNode, 'Install a current version of Node from https://nodejs.org.')

async function runCommand(): Promise<void> {
  try {
    // `import` opens all modules at the same time, which fails under a low limit of open files.
    await createRequire(import.meta.url)('./run-command.js').completed
  } catch (error) {
    fail(
      `residual could not be loaded: ${(error as Error).message}`,
      'Raise the limit of open files (`ulimit -n 1024`), or reinstall the package.',
    )
  }
}

function fail(message: string, hint: string): void {
  process.stderr.write(`error: ${message}\n  ${hint}\n`)
  process.exitCode = ENVIRONMENT_STATUS
}
