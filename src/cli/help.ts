import type { Command } from 'commander'
import { hasColors, styled } from './output/colors.js'
import { displayWidth, padEnd, terminalWidth } from './output/terminal.js'

/** A command line and its effect; in `addExamples`, without the leading `residual`. */
export type Example = readonly [command: string, description: string]

/** Narrowest column of descriptions that commander wraps; below it, lines would overflow. */
const MIN_WIDTH_TO_WRAP = 12

const examplesByCommand = new WeakMap<Command, readonly Example[]>()

/** Adds examples to the help of a command. */
export function addExamples(command: Command, ...examples: Example[]): Command {
  examplesByCommand.set(command, examples)
  const lines = () =>
    formatExamples(examples.map(([words, description]) => [`residual ${words}`, description]))
  return command.addHelpText('after', () => `\n${formatHeading('Examples:')}\n${lines()}`)
}

/** Returns the examples of a command, for tests. */
export function getExamples(command: Command): readonly Example[] {
  return examplesByCommand.get(command) ?? []
}

/** Applies colors, widths and exit statuses of this program to commander's help and errors. */
export function configureHelp(program: Command): void {
  const configure = (command: Command) => {
    command
      .showHelpAfterError(`(run \`${commandName(command)} --help\` for usage and examples)`)
      .exitOverride() // commander exits with 1 after a usage error; the contract says 2
      .configureOutput({
        getOutHelpWidth: () => terminalWidth(process.stdout),
        getErrHelpWidth: () => terminalWidth(process.stderr),
        getOutHasColors: () => hasColors(process.stdout),
        getErrHasColors: () => hasColors(process.stderr),
        outputError: (text, write) => {
          write(text.replace(/^error/, styled(process.stderr, ['red', 'bold'], 'error')))
        },
      })
      .configureHelp({
        minWidthToWrap: MIN_WIDTH_TO_WRAP,
        styleTitle: formatHeading,
        // The arguments of subcommands would widen the list; their own help shows them.
        subcommandTerm: (inner) => inner.name(),
      })
    for (const inner of command.commands) configure(inner)
  }
  configure(program)
}

/** Returns the full name of a command: `residual data preview`. */
export function commandName(command: Command): string {
  const { parent } = command
  return parent === null ? command.name() : `${commandName(parent)} ${command.name()}`
}

function formatHeading(title: string): string {
  return styled(process.stdout, 'bold', title)
}

/** Formats examples as two columns, or in a narrow terminal with the description below. */
export function formatExamples(examples: readonly Example[]): string {
  const width = Math.max(...examples.map(([command]) => displayWidth(command)))
  const longest = Math.max(...examples.map(([, description]) => displayWidth(description)))
  const isWide = 2 + width + 2 + longest <= terminalWidth(process.stdout)
  return examples
    .map(([command, description]) => {
      const dimmed = styled(process.stdout, 'dim', description)
      return isWide ? `  ${padEnd(command, width)}  ${dimmed}` : `  ${command}\n      ${dimmed}`
    })
    .join('\n')
}
