import type { Argument, Command, Option } from 'commander'
import { suggestSetting } from '../api/run/suggestions.js'
import { commandName as programName, withCommandName } from '../errors/command-name.js'
import { shellQuote } from '../errors/shell-quote.js'
import { recordFlags } from './arguments/config-arguments.js'
import { localizeHint } from './arguments/config-sources.js'
import { hasColors, styled } from './output/colors.js'
import {
  displayWidth,
  outputWidth,
  padEnd,
  terminalWidth,
  wrap,
  wrapLines,
} from './output/terminal.js'

/** A command line and its effect; in `addExamples`, without the leading `residual`. */
export type Example = readonly [command: string, description: string]

/**
 * Minimum width of the description column for wrapping. With commander's default of 40, lines
 * overflow a narrow terminal.
 */
const MIN_WIDTH_TO_WRAP = 12

/** Indentation of the second line of a usage that is wrapped. */
const USAGE_INDENT = '  '

const examplesByCommand = new WeakMap<Command, readonly Example[]>()

/** Adds examples to the help of a command. */
export function addExamples(command: Command, ...examples: Example[]): Command {
  examplesByCommand.set(command, examples)
  const lines = () =>
    formatExamples(
      examples.map(([words, description]) => [`${programName()} ${words}`, description]),
    )
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
      .showHelpAfterError(
        withCommandName(`  Run \`${commandName(command)} --help\` for usage and examples.`),
      )
      .exitOverride() // commander exits with 1 after a usage error instead of 2
      .configureOutput({
        getOutHelpWidth: () => terminalWidth(process.stdout),
        getErrHelpWidth: () => terminalWidth(process.stderr),
        getOutHasColors: () => hasColors(process.stdout),
        getErrHasColors: () => hasColors(process.stderr),
        outputError: (text, write) => {
          const label = styled(process.stderr, ['red', 'bold'], 'error')
          const message = withSuggestion(text, command)
            .replace(/^error/, label)
            .replace(/\n\((.*)\)\n$/, '\n  $1\n')
          write(message)
        },
        writeErr: (text) => process.stderr.write(wrapLines(text, outputWidth(process.stderr))),
      })
      .configureHelp({
        minWidthToWrap: MIN_WIDTH_TO_WRAP,
        styleTitle: formatHeading,
        styleUsage: (usage) =>
          wrap(usage, terminalWidth(process.stdout) - 'Usage: '.length, USAGE_INDENT),
        // The arguments of subcommands would widen the list; the help of each subcommand shows
        // them.
        subcommandTerm: (subcommand) => subcommand.name(),
      })
    for (const option of command.options) showPlainDefault(option)
    for (const argument of command.registeredArguments) showPlainDefault(argument)
    for (const subcommand of command.commands) configure(subcommand)
  }
  configure(program)
}

/** Adds the most similar option or setting (`KEY=VALUE`) to the error for an unknown option. */
function withSuggestion(text: string, command: Command): string {
  const [message, option, word = '', inline] =
    /^error: unknown option '(--?([\w-]+?)(?:=(.*))?)'/s.exec(text) ?? []
  if (message === undefined) return text
  const { argv } = process
  const next = argv[argv.indexOf(option as string) + 1]
  const value = inline ?? (next?.startsWith('--') ? undefined : next)
  if (text.includes('(Did you mean')) return withValue(text, value, command)
  const takesSettings = command.options.some(({ long }) => long === '--config')
  if (!takesSettings) return text
  // An option without a value is a switch.
  const setting = suggestSetting(word, value ?? 'true')
  if (setting === undefined) return text
  recordFlags(command)
  const suggestion = localizeHint(`\`${setting}\``).replaceAll('`', '')
  return `${text.trimEnd()}\n(Did you mean ${suggestion}?)\n`
}

/** Adds the value of an unknown option to the option that commander suggests. */
function withValue(text: string, value: string | undefined, command: Command): string {
  return text.replace(/\(Did you mean (--[\w-]+)\?\)/, (suggestion, name) => {
    const option = command.options.find(({ long }) => long === name)
    return option?.required && value !== undefined
      ? `(Did you mean ${name} ${shellQuote(value)}?)`
      : suggestion
  })
}

/** Shows a text as a default without the quotes that commander adds. */
function showPlainDefault(parameter: Argument | Option): void {
  const { defaultValue } = parameter
  if (typeof defaultValue === 'string') parameter.default(defaultValue, defaultValue)
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
      if (isWide) return `  ${padEnd(command, width)}  ${dimmed}`
      return wrapLines(`  ${command}\n      ${dimmed}`, terminalWidth(process.stdout))
    })
    .join('\n')
}
