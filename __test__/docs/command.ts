import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Command, CommanderError } from 'commander'
import {
  type ConfigFlags,
  configFromArguments,
  isObject,
  setKey,
} from '#dist/cli/arguments/config-arguments.js'
import { commandName } from '#dist/cli/help.js'
import { createProgram } from '#dist/cli/program.js'
import { ROOT } from '../child.js'
import { wrongWith } from './configuration.js'
import { type Ended, run } from './process.js'

/** Programs that blocks which are not run may name; anything else in them is a mistake. */
const PROGRAMS = ['residual', 'npx', 'npm', 'node', 'curl', 'cargo', 'pip', 'mkdir', 'tsc']

/** The commands whose words are a configuration, with what else they take. */
const CONFIGURED = [
  'residual train',
  'residual find-lr',
  'residual experiment degradation',
  'residual experiment repeat',
]

/**
 * Checks a block of shell without doing what it says: the shell itself takes it apart, and every
 * program in it is replaced by one that only writes down how it was called. `residual`'s arguments
 * then go through its own parser, and configurations through their schema.
 *
 * @returns what is wrong with it, a sentence each
 */
export async function checkShell(text: string): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'residual-docs-'))
  try {
    const record = join(folder, 'record')
    writeFileSync(record, '')
    writeFileSync(join(folder, 'cat.jpg'), '') // what is read from stdin
    for (const program of PROGRAMS) {
      if (program === 'mkdir') continue
      const words = `for word in ${program} "$@"; do printf '%s\\0' "$word"; done; printf '\\1\\0'`
      writeFileSync(join(folder, program), `#!/bin/sh\n{ ${words}; } >> "$RECORD"\n`, {
        mode: 0o755,
      })
    }
    // Folders are made, for what is written into them.
    symlinkSync('/bin/mkdir', join(folder, 'mkdir'))
    const env = { PATH: folder, HOME: folder, RECORD: record }
    const ended: Ended = await run('/bin/sh', ['-e', '-c', text], folder, env)
    if (ended.status !== 0) return [ended.output.trim()]
    const calls = readFileSync(record, 'utf8').split('\u0001\0').slice(0, -1)
    const wrong = await Promise.all(calls.map((call) => checkCall(call.split('\0').slice(0, -1))))
    return wrong.filter((sentence) => sentence !== undefined)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function checkCall([program, ...words]: string[]): Promise<string | undefined> {
  if (program === 'residual') return await checkResidual(words)
  if (program === 'npx') return await checkCall(words)
  if (program === 'npm') return checkNpm(words)
  if (PROGRAMS.includes(program ?? '')) return undefined
  return `nobody knows here what \`${program}\` is`
}

/** What is wrong with `residual`'s arguments. */
async function checkResidual(words: readonly string[]): Promise<string | undefined> {
  const program = createProgram()
  let said = ''
  let parsed: { command: Command; args: readonly string[] } | undefined
  const watch = (command: Command) => {
    command.configureOutput({ writeOut: () => {}, writeErr: (text) => (said += text) })
    command.action(() => {
      parsed = { command, args: command.args }
    })
    for (const inner of command.commands) if (inner.commands.length === 0) watch(inner)
    for (const inner of command.commands.flatMap(({ commands }) => commands)) watch(inner)
  }
  for (const command of program.commands) watch(command)
  try {
    await program.parseAsync(words, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode !== 0) return `residual ${words.join(' ')}: ${said.trim() || error.message}`
  }
  if (parsed === undefined || !CONFIGURED.includes(commandName(parsed.command))) return undefined
  const wrong = await checkDraft(parsed.args, parsed.command.opts())
  return wrong && `residual ${words.join(' ')}: ${wrong}`
}

async function checkDraft(
  args: readonly string[],
  flags: ConfigFlags & { data?: string; seeds?: number },
): Promise<string | undefined> {
  try {
    // The file of --config is a block of its own, checked where it stands; seeds are the experiment's.
    const { config: _, seeds: _seeds, data, ...others } = flags
    const draft = configFromArguments([...args], others)
    if (data !== undefined) setKey(draft, 'data.source', data)
    return isObject(draft) ? await wrongWith(draft) : undefined
  } catch (error) {
    return (error as Error).message
  }
}

function checkNpm([verb, name]: readonly string[]): string | undefined {
  const script = verb === 'run' ? name : verb === 'test' ? 'test' : undefined
  if (script === undefined) return undefined
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  return Object.hasOwn(scripts, script) ? undefined : `package.json has no script \`${script}\``
}

/**
 * Checks lines that show how a command is written (`residual report RUN [--out page.html]`), in a
 * block that is no shell: the command and its options exist.
 */
export function checkSynopses(text: string): string[] {
  const program = createProgram()
  return text.split('\n').flatMap((line) => {
    const words = /^(?:npx )?residual (\S.*?)(?: {2,}.*| # .*)?$/
      .exec(line)?.[1]
      ?.split(/[\s[\]|]+/)
    if (words === undefined) return []
    let command: Command = program
    for (const word of words) {
      const inner = command.commands.find((one) => one.name() === word)
      if (inner === undefined) break
      command = inner
    }
    const [first = ''] = words
    if (command === program && /^[a-z]/.test(first)) return [`there is no \`residual ${first}\``]
    return words
      .filter((word) => word.startsWith('--') && word !== '--help' && word !== '--version')
      .filter((word) => !command.options.some(({ long }) => long === word))
      .map((word) => `\`${commandName(command)}\` has no ${word}`)
  })
}
