import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Command, CommanderError } from 'commander'
import { type ConfigFlags, configFromArguments } from '#dist/cli/arguments/config-arguments.js'
import { commandName } from '#dist/cli/help.js'
import { createProgram } from '#dist/cli/program.js'
import { ROOT } from '../child.js'
import { configError } from './check-config.js'
import { run } from './process.js'

/** Programs that blocks may call. They are replaced by stubs. */
const PROGRAMS = [
  ...['residual', 'npx', 'npm', 'node', 'curl', 'cargo', 'pip', 'mkdir', 'tsc', 'torchrun'],
]

/** Commands whose arguments include configuration settings. */
const CONFIG_COMMANDS = [
  'residual train',
  'residual find-lr',
  'residual experiment degradation',
  'residual experiment repeat',
]

/**
 * Checks a shell block without executing its programs. A shell runs the block with a stub in place
 * of each program, which records its arguments. The arguments of `residual` are then parsed by its
 * own parser, and configurations are validated.
 *
 * @returns one message per error
 */
export async function checkShell(text: string): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'residual-docs-'))
  try {
    const record = join(folder, 'record')
    writeFileSync(record, '')
    writeFileSync(join(folder, 'cat.jpg'), '') // for blocks that redirect stdin
    for (const program of PROGRAMS) {
      if (program === 'mkdir') continue
      const args = `for arg in ${program} "$@"; do printf '%s\\0' "$arg"; done; printf '\\1\\0'`
      writeFileSync(join(folder, program), `#!/bin/sh\n{ ${args}; } >> "$RECORD"\n`, {
        mode: 0o755,
      })
    }
    // Folders are created, because later lines may write into them.
    symlinkSync('/bin/mkdir', join(folder, 'mkdir'))
    const env = { PATH: folder, HOME: folder, RECORD: record }
    const { status, output } = await run('/bin/sh', ['-e', '-c', text], folder, env)
    if (status !== 0) return [output.trim()]
    const calls = readFileSync(record, 'utf8').split('\u0001\0').slice(0, -1)
    const errors = await Promise.all(calls.map((call) => callError(call.split('\0').slice(0, -1))))
    return errors.filter((error) => error !== undefined)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function callError([program, ...args]: string[]): Promise<string | undefined> {
  if (program === 'residual') return await residualError(args)
  if (program === 'npx') return await callError(args)
  if (program === 'npm') return npmError(args)
  if (program === 'torchrun') return await callError(args.slice(args.indexOf('npx')))
  if (PROGRAMS.includes(program ?? '')) return undefined
  return `unknown program \`${program}\``
}

/** Returns an error in the arguments of `residual`. */
async function residualError(args: readonly string[]): Promise<string | undefined> {
  const program = createProgram()
  let message = ''
  let parsed: { command: Command; args: readonly string[] } | undefined
  const intercept = (command: Command) => {
    command.configureOutput({ writeOut: () => {}, writeErr: (text) => (message += text) })
    command.action(() => {
      parsed = { command, args: command.args }
    })
    for (const inner of command.commands) if (inner.commands.length === 0) intercept(inner)
    for (const inner of command.commands.flatMap(({ commands }) => commands)) intercept(inner)
  }
  for (const command of program.commands) intercept(command)
  try {
    await program.parseAsync(args, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode !== 0) {
      return `residual ${args.join(' ')}: ${message.trim() || error.message}`
    }
  }
  if (parsed === undefined || !CONFIG_COMMANDS.includes(commandName(parsed.command)))
    return undefined
  const error = await settingsError(parsed.args, parsed.command.opts())
  return error && `residual ${args.join(' ')}: ${error}`
}

async function settingsError(
  args: readonly string[],
  flags: ConfigFlags & { data?: string; seeds?: number },
): Promise<string | undefined> {
  try {
    // The file of --config is checked as a separate block; --seeds is not part of the
    // configuration.
    const { config: _, seeds: _seeds, data = './photos', ...others } = flags
    return await configError(configFromArguments([...args], { ...others, data }, 'train'))
  } catch (error) {
    return (error as Error).message
  }
}

function npmError([verb, name]: readonly string[]): string | undefined {
  const script = verb === 'run' ? name : verb === 'test' ? 'test' : undefined
  if (script === undefined) return undefined
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  return Object.hasOwn(scripts, script) ? undefined : `package.json has no script \`${script}\``
}

/**
 * Checks the synopses of commands in a block that is not shell
 * (`residual report RUN [--out page.html]`): the command and its options must exist.
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
      const inner = command.commands.find((subcommand) => subcommand.name() === word)
      if (inner === undefined) break
      command = inner
    }
    const [first = ''] = words
    if (command === program && /^[a-z]/.test(first))
      return [`unknown command \`residual ${first}\``]
    return words
      .filter((word) => word.startsWith('--') && word !== '--help' && word !== '--version')
      .filter((word) => !command.options.some(({ long }) => long === word))
      .map((word) => `\`${commandName(command)}\` has no option ${word}`)
  })
}
