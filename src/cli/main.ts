#!/usr/bin/env node
import { report } from './output/print-error.js'
import { endWithItsReader, print } from './output/streams.js'
import { createProgram } from './program.js'
import { welcome } from './welcome.js'

endWithItsReader(process.stdout)
endWithItsReader(process.stderr)
try {
  const program = createProgram()
  if (process.argv.length > 2) await program.parseAsync()
  else await print(welcome(program.commands.map((command) => command.name())))
} catch (error) {
  process.exitCode = report(error)
}
