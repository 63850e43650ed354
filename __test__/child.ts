import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** The repository, from `target/ava/__test__`. */
export const ROOT = fileURLToPath(new URL('../../../', import.meta.url))

/** How a process ended, and what it said. */
export interface Ended {
  status: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

/** What can be done while it runs. */
export interface Child {
  kill(signal: NodeJS.Signals): void
  /** Resolves when it has printed a text, on either stream. */
  says(text: string): Promise<void>
  /** Resolves with its first line on stdout. */
  saysLine(): Promise<string>
  closeStdout(): void
}

interface Options {
  env?: NodeJS.ProcessEnv
  /** Where it runs; by default in the clone. */
  cwd?: string
  during?: (child: Child) => void | Promise<void>
}

/** Runs a module's source in a Node of its own, in which `residual` can be imported. */
export function script(source: string, options?: Options): Promise<Ended> {
  return node(['--input-type=module', '--eval', source], options)
}

/** Runs the command line. */
export function residual(args: readonly string[], options?: Options): Promise<Ended> {
  return node([`${ROOT}dist/cli/main.js`, ...args], options)
}

/** Runs a module of the clone. */
export async function node(
  args: readonly string[],
  { env, cwd = ROOT, during }: Options = {},
): Promise<Ended> {
  const child = spawn(process.execPath, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [stdout, stderr] = ['', '']
  const waiting = new Set<() => void>()
  const heard = () => {
    for (const check of waiting) check()
  }
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text
    heard()
  })
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text
    heard()
  })
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (status, signal) => resolve({ status, signal, stdout, stderr }))
  })
  const says = (text: string) =>
    new Promise<void>((resolve) => {
      const check = () => {
        if (!(stdout + stderr).includes(text)) return
        waiting.delete(check)
        resolve()
      }
      waiting.add(check)
      check()
    })
  const saysLine = () =>
    new Promise<string>((resolve) => {
      const check = () => {
        const end = stdout.indexOf('\n')
        if (end === -1) return
        waiting.delete(check)
        resolve(stdout.slice(0, end))
      }
      waiting.add(check)
      check()
    })
  const handle: Child = {
    kill: (signal) => child.kill(signal),
    says,
    saysLine,
    closeStdout: () => child.stdout.destroy(),
  }
  // A child that ends before it said what is waited for has to fail its test, not to hang it.
  await Promise.race([during?.(handle), ended])
  return await ended
}
