/** Tests that settings in hints are printed in a syntax that the command line accepts. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import type { Command } from 'commander'
import {
  type ConfigFlags,
  configFromArguments,
  type Draft,
} from '#dist/cli/arguments/config-arguments.js'
import { localizeHint } from '#dist/cli/arguments/config-sources.js'
import { createProgram } from '#dist/cli/program.js'
import { checkOptions } from '#dist/native/arguments/check-options.js'
import { ROOT, residual } from '../child.js'
import { idxData, tempFolder } from '../tiny.js'

const MINI = 'fashion-mnist-mini'

/** The boolean settings of a configuration, as dotted keys. */
const BOOLEAN_KEYS = [
  'overwrite',
  'cudaGraphs',
  'data.balanced',
  'transform.flip',
  'transform.pixelMean',
  'model.zeroInitResidual',
  'optimizer.nesterov',
  'optimizer.decayNorms',
]

/** Commands that take settings; first the one without `--overwrite`, as options are recorded. */
const COMMANDS = ['find-lr', 'train', 'experiment repeat', 'experiment degradation']

/** Parses a command line with the parser of the program, and returns its configuration. */
async function parse(words: readonly string[]): Promise<Draft> {
  let draft: Draft | undefined
  const program = createProgram()
  const replaceActions = (command: Command) => {
    command.action((...parameters: unknown[]) => {
      const [data, overrides, flags] = parameters as [string, string[], ConfigFlags]
      draft = configFromArguments([data, ...overrides], flags, command.name())
    })
    for (const subcommand of command.commands) replaceActions(subcommand)
  }
  for (const command of program.commands) replaceActions(command)
  await program.parseAsync(words, { from: 'user' })
  if (draft === undefined) throw new Error(`${words.join(' ')} runs no command`)
  return draft
}

/** Returns the settings between backticks as words, without the quotes for the shell. */
function settingsOf(hint: string): string[][] {
  return [...hint.matchAll(/`([^`]+)`/g)]
    .map(([, snippet = '']) => snippet)
    .filter((snippet) => /^--|=/.test(snippet))
    .map((snippet) => snippet.replaceAll("'", '').split(' '))
}

/** Writes a setting as a hint does: `optimizer: { nesterov: true }`. */
function snippet(key: string, value: boolean): string {
  const [outer, inner] = key.split('.')
  return `\`${inner === undefined ? `${outer}: ${value}` : `${outer}: { ${inner}: ${value} }`}\``
}

/** Returns the value at a dotted key. */
function valueAt(draft: unknown, key: string): unknown {
  return key.split('.').reduce((value, name) => (value as Draft)?.[name], draft)
}

test.serial('a hint to set a boolean is accepted by every command', async (t) => {
  for (const command of COMMANDS) {
    const line = [...command.split(' '), MINI]
    await parse(line) // records the options of the command
    for (const key of BOOLEAN_KEYS) {
      for (const value of [true, false]) {
        const [words = []] = settingsOf(localizeHint(`Set ${snippet(key, value)}.`))
        const draft = await parse([...line, ...words])
        t.is(valueAt(draft, key), value, `${command}: ${words.join(' ')}`)
        if (command === 'train') t.notThrows(() => checkOptions('train', JSON.stringify(draft)))
      }
    }
  }
})

test('the booleans are those of the schema', (t) => {
  const schema = JSON.parse(readFileSync(join(ROOT, 'config.schema.json'), 'utf8'))
  const keys = new Set<string>()
  const collect = (value: unknown, key = '') => {
    if (typeof value !== 'object' || value === null) return
    const { type } = value as { type?: string | string[] }
    if ([type].flat().includes('boolean')) keys.add(key)
    for (const [name, child] of Object.entries(value)) {
      if (name !== 'properties') collect(child, key)
      else for (const [inner, property] of Object.entries(child)) collect(property, inner)
    }
  }
  collect(schema)
  t.deepEqual([...keys].sort(), BOOLEAN_KEYS.map((key) => key.replace(/.*\./, '')).sort())
})

test.serial(
  'a flag without a value is printed without one, and its opposite as a setting',
  async (t) => {
    await parse(['train', MINI])
    t.is(localizeHint('`overwrite: true`'), '`--overwrite`')
    t.is(localizeHint('`overwrite: false`'), '`overwrite=false`')
    t.is(localizeHint('`report: false`'), '`--no-report`')
    const place = { text: 'overwrite=1', syntax: 'override', key: 'overwrite' } as const
    t.is(localizeHint('`overwrite: true`', place), '`overwrite=true`')
  },
)

test('the hints for a folder that contains a run are accepted', async (t) => {
  const parent = tempFolder(t)
  const out = join(parent, 'run')
  const train = ['train', idxData(parent), '--out', out]
  const settings = ['model.arch=resnet8', 'budget.steps=1', 'batchSize=4', 'threads=1', 'workers=1']
  const first = await residual([...train, ...settings, '--quiet', '--no-report'])
  t.is(first.status, 0, first.stderr)
  const { status, stderr } = await residual([...train, ...settings, '--quiet', '--no-report'])
  t.not(status, 0)
  const hints = settingsOf(stderr.replace(/\n */g, ' '))
  t.deepEqual(hints, [['--resume', out], ['--overwrite']])
  for (const words of hints) await t.notThrowsAsync(parse([...train, ...words]))
  const again = await residual([...train, ...settings, '--quiet', '--no-report', '--overwrite'])
  t.is(again.status, 0, again.stderr)
})
