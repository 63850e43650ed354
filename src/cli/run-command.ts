import { printError } from './output/print-error.js'
import { exitOnOutputError, print } from './output/streams.js'
import { printProcessWarning } from './output/warning.js'
import { createProgram } from './program.js'
import { formatWelcome } from './welcome.js'

exitOnOutputError()
process.removeAllListeners('warning').on('warning', printProcessWarning)

/** Resolves when the command has ended. */
export const completed = runCommand().catch((error: unknown) => {
  process.exitCode = printError(error)
})

async function runCommand(): Promise<void> {
  const program = createProgram()
  if (process.argv.length > 2) await program.parseAsync()
  else await print(formatWelcome(program.commands.map((command) => command.name())))
}
