import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** The repository, from `target/ava/__test__`. */
export const ROOT = fileURLToPath(new URL('../../../', import.meta.url))

/** Exit status, signal and output of a process. */
export interface ProcessResult {
  status: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

/** Controls of a running process. */
export interface Child {
  kill(signal: NodeJS.Signals): void
  /** Resolves when stdout or stderr contains `text`. */
  waitForOutput(text: string): Promise<void>
  /** Resolves with the first line of stdout. */
  waitForLine(): Promise<string>
  closeStdout(): void
}

interface Options {
  env?: NodeJS.ProcessEnv
  /** Working directory. Default: the root of the clone. */
  cwd?: string
  during?: (child: Child) => void | Promise<void>
}

/** Runs the source of a module in a child process, which can import `residual`. */
export function script(source: string, options?: Options): Promise<ProcessResult> {
  return node(['--input-type=module', '--eval', source], options)
}

/** Runs the `residual` command. */
export function residual(args: readonly string[], options?: Options): Promise<ProcessResult> {
  return node([`${ROOT}dist/cli/main.js`, ...args], options)
}

/** Runs Node with arguments, such as the path of a module. */
export async function node(
  args: readonly string[],
  { env, cwd = ROOT, during }: Options = {},
): Promise<ProcessResult> {
  const child = spawn(process.execPath, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [stdout, stderr] = ['', '']
  const pendingChecks = new Set<() => void>()
  const checkOutput = () => {
    for (const check of pendingChecks) check()
  }
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text
    checkOutput()
  })
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text
    checkOutput()
  })
  const exited = new Promise<ProcessResult>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (status, signal) => resolve({ status, signal, stdout, stderr }))
  })
  const waitForOutput = (text: string) =>
    new Promise<void>((resolve) => {
      const check = () => {
        if (!(stdout + stderr).includes(text)) return
        pendingChecks.delete(check)
        resolve()
      }
      pendingChecks.add(check)
      check()
    })
  const waitForLine = () =>
    new Promise<string>((resolve) => {
      const check = () => {
        const end = stdout.indexOf('\n')
        if (end === -1) return
        pendingChecks.delete(check)
        resolve(stdout.slice(0, end))
      }
      pendingChecks.add(check)
      check()
    })
  const handle: Child = {
    kill: (signal) => child.kill(signal),
    waitForOutput,
    waitForLine,
    closeStdout: () => child.stdout.destroy(),
  }
  // A child that exits before the expected output fails its test instead of blocking it.
  await Promise.race([during?.(handle), exited])
  return await exited
}
