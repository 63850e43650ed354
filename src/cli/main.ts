#!/usr/bin/env node
import { printError } from './output/print-error.js'
import { exitOnBrokenPipe, print } from './output/streams.js'
import { createProgram } from './program.js'
import { formatWelcome } from './welcome.js'

exitOnBrokenPipe(process.stdout)
exitOnBrokenPipe(process.stderr)
try {
  const program = createProgram()
  if (process.argv.length > 2) await program.parseAsync()
  else await print(formatWelcome(program.commands.map((command) => command.name())))
} catch (error) {
  process.exitCode = printError(error)
}
