import type { Command } from 'commander'
import { isColoured, paint } from './output/colors.js'
import { columnsOf, padEnd, widthOf } from './output/terminal.js'

/** A command line as it is typed (in `examples` what comes after `residual`), and what it does. */
export type Example = readonly [words: string, about: string]

/** What commander leaves in a line of its own, however narrow the terminal is. */
const NARROWEST = 12

const shown = new WeakMap<Command, readonly Example[]>()

/** Teaches a command by examples, below its help. */
export function examples(command: Command, ...all: Example[]): Command {
  shown.set(command, all)
  const lines = () => laidOut(all.map(([words, about]) => [`residual ${words}`, about]))
  return command.addHelpText('after', () => `\n${heading('Examples:')}\n${lines()}`)
}

/** The examples of a command; for whoever checks them. */
export function examplesOf(command: Command): readonly Example[] {
  return shown.get(command) ?? []
}

/** Makes all of a program's help and usage errors look as everything else here does. */
export function dress(program: Command): void {
  const dressed = (command: Command) => {
    command
      .showHelpAfterError(`(\`${nameOf(command)} --help\` shows examples)`)
      .exitOverride() // its own exit status for a wrong usage is 1; ours is 2
      .configureOutput({
        getOutHelpWidth: () => columnsOf(process.stdout),
        getErrHelpWidth: () => columnsOf(process.stderr),
        getOutHasColors: () => isColoured(process.stdout),
        getErrHasColors: () => isColoured(process.stderr),
        outputError: (text, write) => {
          write(text.replace(/^error/, paint(process.stderr, ['red', 'bold'], 'error')))
        },
      })
      .configureHelp({
        minWidthToWrap: NARROWEST,
        styleTitle: heading,
        // Arguments are for the command's own help; here they would push all else aside.
        subcommandTerm: (inner) => inner.name(),
      })
    for (const inner of command.commands) dressed(inner)
  }
  dressed(program)
}

/** `residual data show` */
export function nameOf(command: Command): string {
  const { parent } = command
  return parent === null ? command.name() : `${nameOf(parent)} ${command.name()}`
}

function heading(title: string): string {
  return paint(process.stdout, 'bold', title)
}

/** Commands with what they do, beside each other where a narrow terminal has room for that, else below. */
export function laidOut(all: readonly Example[]): string {
  const width = Math.max(...all.map(([command]) => widthOf(command)))
  const longest = Math.max(...all.map(([, about]) => widthOf(about)))
  const beside = 2 + width + 2 + longest <= columnsOf(process.stdout)
  return all
    .map(([command, about]) => {
      const said = paint(process.stdout, 'dim', about)
      return beside ? `  ${padEnd(command, width)}  ${said}` : `  ${command}\n      ${said}`
    })
    .join('\n')
}
