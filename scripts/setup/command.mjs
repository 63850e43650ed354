import { spawn } from 'node:child_process'
import { win32 } from 'node:path'

/**
 * Exit status and output of a command. A missing command has status 127, as in a shell.
 *
 * @typedef {{ status: number, stdout: string, stderr: string }} CommandResult
 */

/** @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set()

/** @type {Record<string, import('node:child_process').StdioOptions>} */
const STDIO = {
  collect: ['ignore', 'pipe', 'pipe'],
  both: ['ignore', 'pipe', 'pipe'],
  show: ['ignore', 2, 2],
  terminal: 'inherit',
}

/**
 * Returns the program and the arguments that start a command. On Windows npm and npx are scripts of
 * cmd.exe, which Node cannot start; the JavaScript that these scripts run is installed next to
 * Node.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ platform: string, execPath: string }} [host]
 * @returns {[string, string[]]}
 */
export function toProgram(command, args, { platform, execPath } = process) {
  if (platform !== 'win32' || !/^np[mx]$/.test(command)) return [command, [...args]]
  const folder = win32.join(win32.dirname(execPath), 'node_modules', 'npm', 'bin')
  return [execPath, [win32.join(folder, `${command}-cli.js`), ...args]]
}

/**
 * Runs a command to completion, without stdin by default.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, output?: 'collect' | 'show' | 'both' | 'terminal' }} [options]
 *   `collect` returns the output; `show` passes our stderr to the command, whose progress bar then
 *   detects the terminal; `both` returns and prints the output; `terminal` passes all three streams,
 *   so that the command can ask questions
 * @returns {Promise<CommandResult>}
 */
export function run(command, args, { cwd, env, output = 'collect' } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(...toProgram(command, args), {
      cwd,
      env,
      stdio: STDIO[output],
    })
    running.add(child)
    let stdout = ''
    let stderr = ''
    child.stdout?.setEncoding('utf8').on('data', (text) => {
      stdout += text
      if (output === 'both') process.stdout.write(text)
    })
    child.stderr?.setEncoding('utf8').on('data', (text) => {
      stderr += text
      if (output === 'both') process.stderr.write(text)
    })
    child.on('error', (error) => {
      running.delete(child)
      if (/** @type {NodeJS.ErrnoException} */ (error).code === 'ENOENT') {
        resolve({ status: 127, stdout, stderr: `${command}: not found` })
      } else {
        reject(error)
      }
    })
    child.on('close', (status) => {
      running.delete(child)
      resolve({ status: status ?? 1, stdout, stderr })
    })
  })
}

/** Forwards SIGINT and SIGTERM to running commands, then exits. */
export function forwardSignals() {
  for (const [signal, number] of /** @type {const} */ ([
    ['SIGINT', 2],
    ['SIGTERM', 15],
  ])) {
    process.once(signal, () => {
      for (const child of running) child.kill(signal)
      process.exit(128 + number)
    })
  }
}
