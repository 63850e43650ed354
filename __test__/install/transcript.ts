import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'

/**
 * The expected terminal session of a user's task:
 *
 * ```
 * # Title of the task
 * help: text of `residual --help` that describes the command
 *
 * $ residual train photos
 * resnet20, [..]       `[..]` matches any text within a line
 * ...                  matches any lines
 * ^C                   sends SIGINT after the preceding lines were printed
 * ...
 * ? 130                exit status; 0 if omitted
 * ```
 *
 * Every transcript is a file in `transcripts/`. All are executed in the order of their names, in one
 * folder.
 */
export interface Transcript {
  title: string
  /** Text that `residual --help` must contain. */
  helpText: string
  commands: Session[]
}

/** A command with its expected output and exit status. */
interface Session {
  command: string
  lines: string[]
  status: number
}

const ANY_LINES = '...'
const INTERRUPT = '^C'
const HELP_TEXT = 'help:'

/** Reads all transcripts of a folder, in order. */
export function readTranscripts(folder: string): Transcript[] {
  return readdirSync(folder)
    .sort()
    .map((name) => parse(readFileSync(join(folder, name), 'utf8')))
}

function parse(text: string): Transcript {
  const [head = '', ...parts] = text.split(/^\$ /m)
  const title = /^# (.*)$/m.exec(head)?.[1]
  const helpText = head.slice(head.indexOf(HELP_TEXT) + HELP_TEXT.length).trim()
  if (title === undefined || !head.includes(HELP_TEXT)) {
    throw new TypeError(`not a transcript: ${head}`)
  }
  const commands = parts.map((part) => {
    const [command = '', ...output] = part.trimEnd().split('\n')
    const status = /^\? (\d+)$/.exec(output.at(-1) ?? '')?.[1]
    const lines = status === undefined ? output : output.slice(0, -1)
    return { command, lines, status: Number(status ?? 0) }
  })
  return { title, helpText, commands }
}

/** Runs the commands of a transcript, and compares their output and exit status. */
export async function runTranscript(
  t: ExecutionContext,
  { commands, helpText }: Transcript,
  cwd: string,
  env: NodeJS.ProcessEnv,
): Promise<void> {
  const help = await outputOf('residual --help', cwd, env)
  t.true(
    collapseSpaces(help).includes(collapseSpaces(helpText)),
    `--help does not contain: ${helpText}`,
  )
  for (const { command, lines, status } of commands) {
    const [program, subcommand = '', ...args] = command.split(' ')
    if (program === 'residual') {
      t.regex(help, new RegExp(`^ {2}${subcommand} `, 'm'))
      const details = await outputOf(`residual ${subcommand} --help`, cwd, env)
      for (const option of args.filter((arg) => arg.startsWith('--'))) {
        t.true(
          details.includes(`  ${option} `),
          `\`residual ${subcommand} --help\` does not contain ${option}`,
        )
      }
    }
    const result = await run(command, lines, cwd, env)
    const transcript = `$ ${command}\n${result.text}? ${result.status}`
    const expected = lines.map((line) => (line === INTERRUPT ? ANY_LINES : line))
    t.true(
      matches(expected, result.text.trimEnd().split('\n')),
      `the output differs from the transcript:\n${transcript}`,
    )
    t.is(result.status, status, transcript)
  }
}

async function outputOf(command: string, cwd: string, env: NodeJS.ProcessEnv): Promise<string> {
  return (await run(command, [], cwd, env)).text
}

/** Runs a command, and sends SIGINT when the expected lines before `^C` were printed. */
function run(command: string, lines: readonly string[], cwd: string, env: NodeJS.ProcessEnv) {
  // `exec` replaces the shell, so that the program itself receives SIGINT.
  const child = spawn('sh', ['-c', `exec ${command} 2>&1`], { cwd, env })
  const position = lines.indexOf(INTERRUPT)
  let linesBefore = position < 0 ? undefined : [...lines.slice(0, position), ANY_LINES]
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
    if (linesBefore === undefined || !matches(linesBefore, text.split('\n'))) return
    linesBefore = undefined
    child.kill('SIGINT')
  })
  return new Promise<{ text: string; status: number | null }>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (status) => resolve({ text, status }))
  })
}

/** Returns whether the lines match the expected lines. */
function matches(expected: readonly string[], lines: readonly string[]): boolean {
  const [first, ...rest] = expected
  if (first === undefined) return lines.length === 0 || lines.join('') === ''
  if (first === ANY_LINES) {
    return lines.some((_, at) => matches(rest, lines.slice(at))) || matches(rest, [])
  }
  const [line, ...remaining] = lines
  return line !== undefined && toPattern(first).test(line) && matches(rest, remaining)
}

/** Converts an expected line to a regular expression. */
function toPattern(line: string): RegExp {
  const parts = line.split('[..]').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${parts.join('.*')}$`)
}

/** Replaces line breaks and repeated spaces by single spaces, because `--help` wraps its text. */
function collapseSpaces(text: string): string {
  return text.replace(/\s+/g, ' ')
}
