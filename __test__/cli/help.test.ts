import test from 'ava'
import type { Command } from 'commander'
import { commandName, getExamples } from '#dist/cli/help.js'
import { createProgram } from '#dist/cli/program.js'
import { residual } from '../child.js'

const program = createProgram()

/** Returns a command and all its subcommands. */
function withSubcommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(withSubcommands)]
}

test('every command has valid examples', (t) => {
  t.true(program.commands.length >= 12)
  for (const command of [program, ...program.commands]) {
    const lines = getExamples(command).map(([words]) => words)
    t.true(lines.length > 0, `${commandName(command)} has no examples`)
    for (const line of lines) {
      const words = line.split(/ [<>|]/)[0]?.split(' ') ?? []
      const findSubcommand = (parent: Command, word = '') =>
        parent.commands.find((subcommand) => subcommand.name() === word)
      const topLevel = findSubcommand(program, words[0])
      if (topLevel === undefined) {
        t.fail(`residual ${line}: no such command`)
        continue
      }
      const invoked = findSubcommand(topLevel, words[1]) ?? topLevel
      for (const flag of words.filter((word) => word.startsWith('--') && word !== '--help')) {
        const isKnown = invoked.options.some((option) => option.long === flag)
        t.true(isKnown, `residual ${line}: unknown option ${flag}`)
      }
    }
  }
})

test('every command, option and argument has a description', (t) => {
  for (const command of withSubcommands(program)) {
    t.truthy(command.description(), commandName(command))
    for (const option of command.options) {
      t.truthy(option.description, `${commandName(command)} ${option.flags}`)
    }
    for (const argument of command.registeredArguments) {
      t.truthy(argument.description, `${commandName(command)} ${argument.name()}`)
    }
  }
})

test('help fits into 80 columns', (t) => {
  for (const command of withSubcommands(program)) {
    let text = ''
    command.configureOutput({ writeOut: (part) => (text += part), getOutHelpWidth: () => 80 })
    command.outputHelp()
    for (const line of text.split('\n'))
      t.true(line.length <= 80, `${commandName(command)}: ${line}`)
  }
})

test('help has no colors in a pipe unless forced, and never with NO_COLOR', async (t) => {
  const isColored = async (env: NodeJS.ProcessEnv) =>
    (await residual(['--help'], { env })).stdout.includes('\x1b[1m')
  t.false(await isColored({ FORCE_COLOR: undefined, NO_COLOR: undefined }))
  t.true(await isColored({ FORCE_COLOR: '1', NO_COLOR: undefined }))
  t.false(await isColored({ FORCE_COLOR: '0', NO_COLOR: undefined }))
  t.false(await isColored({ FORCE_COLOR: '1', NO_COLOR: '1' }))
})

test('suggests the nearest command or option', async (t) => {
  for (const [args, suggestion] of [
    [['trane'], 'train'],
    [['train', '--epoch', '3'], '--epochs 3'],
    [['data', 'lst'], 'list'],
  ] as const) {
    const { status, stderr } = await residual(args)
    t.is(status, 2)
    t.true(stderr.includes(`Did you mean ${suggestion}?`), stderr)
    t.regex(stderr, /--help` for usage and examples/)
  }
})

test('wraps help at 40 columns and places descriptions below the commands', async (t) => {
  const narrow = { env: { COLUMNS: '40' } }
  for (const args of [['--help'], ['train', '--help']]) {
    const { stdout } = await residual(args, narrow)
    const [usage = '', examples = ''] = stdout.split('Examples:')
    for (const line of usage.split('\n').slice(1)) t.true(line.length <= 40, line)
    t.regex(examples, /^ {2}(?:npx )?residual train \.\/photos\n {6}\S/m)
  }
  t.regex((await residual([], narrow)).stdout, /^ {2}(?:npx )?residual doctor\n {6}check/m)
  t.regex((await residual([])).stdout, /^ {2}(?:npx )?residual doctor {2,}check/m)
})
