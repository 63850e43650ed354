import { spawn } from 'node:child_process'

/** How a program ended, and all that it said. */
export interface Ended {
  status: number | null
  output: string
}

/** Far longer than anything takes that is done here, also on a machine that does much else. */
const LONGEST = 300_000

/** Runs a program to its end, in a folder. */
export function run(
  program: string,
  args: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv,
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      ...{ cwd, env, timeout: LONGEST },
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
