import { spawn } from 'node:child_process'

/** Exit status of a program, and its interleaved output on stdout and stderr. */
export interface ProcessResult {
  status: number | null
  output: string
}

const TIMEOUT_MS = 300_000

/** Runs a program in a folder until it exits. */
export function run(
  program: string,
  args: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv,
): Promise<ProcessResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      ...{ cwd, env, timeout: TIMEOUT_MS },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text
      })
    }
    child.on('error', reject)
    child.on('close', (status) => resolve({ status, output }))
  })
}
