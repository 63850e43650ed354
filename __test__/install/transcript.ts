import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'

/**
 * A task as a user does it, written down as it looks in a terminal:
 *
 * ```
 * # What is to be done
 * found by: words of `residual --help` that lead to the command
 *
 * $ residual train photos
 * resnet20, [..]       a part of a line that may be anything
 * ...                  lines that may be anything
 * ^C                   pressed once all above has been said
 * ...
 * ? 130                the exit status, where it is not 0
 * ```
 *
 * A new one is a file in `transcripts/`; they are done in the order of their names, in one folder.
 */
export interface Transcript {
  title: string
  foundBy: string
  steps: Step[]
}

interface Step {
  command: string
  lines: string[]
  status: number
}

const ANY_LINES = '...'
const INTERRUPT = '^C'
const FOUND_BY = 'found by:'

/** All transcripts, in order. */
export function transcripts(folder: string): Transcript[] {
  return readdirSync(folder)
    .sort()
    .map((name) => parse(readFileSync(join(folder, name), 'utf8')))
}

function parse(text: string): Transcript {
  const [head = '', ...parts] = text.split(/^\$ /m)
  const title = /^# (.*)$/m.exec(head)?.[1]
  const foundBy = head.slice(head.indexOf(FOUND_BY) + FOUND_BY.length).trim()
  if (title === undefined || !head.includes(FOUND_BY)) throw new TypeError(`no transcript: ${head}`)
  const steps = parts.map((part) => {
    const [command = '', ...said] = part.trimEnd().split('\n')
    const last = /^\? (\d+)$/.exec(said.at(-1) ?? '')?.[1]
    const lines = last === undefined ? said : said.slice(0, -1)
    return { command, lines, status: Number(last ?? 0) }
  })
  return { title, foundBy, steps }
}

/** Does a task, and compares what is said with what is written down. */
export async function perform(
  t: ExecutionContext,
  { steps, foundBy }: Transcript,
  cwd: string,
  env: NodeJS.ProcessEnv,
): Promise<void> {
  const help = await said('residual --help', cwd, env)
  t.true(spaced(help).includes(spaced(foundBy)), `--help does not say: ${foundBy}`)
  for (const { command, lines, status } of steps) {
    const [program, verb = '', ...words] = command.split(' ')
    if (program === 'residual') {
      t.regex(help, new RegExp(`^ {2}${verb} `, 'm'))
      const about = await said(`residual ${verb} --help`, cwd, env)
      for (const word of words.filter((word) => word.startsWith('--'))) {
        t.true(about.includes(`  ${word} `), `\`residual ${verb} --help\` does not say ${word}`)
      }
    }
    const ended = await run(command, lines, cwd, env)
    const transcript = `$ ${command}\n${ended.text}? ${ended.status}`
    const expected = lines.map((line) => (line === INTERRUPT ? ANY_LINES : line))
    t.true(
      matches(expected, ended.text.trimEnd().split('\n')),
      `not as written down:\n${transcript}`,
    )
    t.is(ended.status, status, transcript)
  }
}

async function said(command: string, cwd: string, env: NodeJS.ProcessEnv): Promise<string> {
  return (await run(command, [], cwd, env)).text
}

function run(command: string, lines: readonly string[], cwd: string, env: NodeJS.ProcessEnv) {
  // `exec`, so that Ctrl-C reaches the program and not the shell before it.
  const child = spawn('sh', ['-c', `exec ${command} 2>&1`], { cwd, env })
  const pressed = lines.indexOf(INTERRUPT)
  const before = pressed < 0 ? undefined : [...lines.slice(0, pressed), ANY_LINES]
  let text = ''
  let waiting = before !== undefined
  child.stdout.setEncoding('utf8').on('data', (more: string) => {
    text += more
    if (!waiting || !matches(before as string[], text.split('\n'))) return
    waiting = false
    child.kill('SIGINT')
  })
  return new Promise<{ text: string; status: number | null }>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (status) => resolve({ text, status }))
  })
}

/** Whether lines are as written down. */
function matches(expected: readonly string[], lines: readonly string[]): boolean {
  const [first, ...rest] = expected
  if (first === undefined) return lines.length === 0 || lines.join('') === ''
  if (first === ANY_LINES) {
    return lines.some((_, at) => matches(rest, lines.slice(at))) || matches(rest, [])
  }
  const [line, ...others] = lines
  return line !== undefined && pattern(first).test(line) && matches(rest, others)
}

function pattern(line: string): RegExp {
  const parts = line.split('[..]').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${parts.join('.*')}$`)
}

/** Words without the line breaks of a narrow help. */
function spaced(text: string): string {
  return text.replace(/\s+/g, ' ')
}
