import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { packageFile } from '../native/loading/package-files.js'

/** Time limit for loading the libraries, in ms: reading 4 GB from a cold disk is slow. */
const TIMEOUT = 300_000

/**
 * Loads the CUDA libraries in a child process, which a damaged library would crash. No GPU is
 * needed.
 *
 * @param root folder that contains `torch/lib`
 * @param timeout time limit in ms
 * @returns the error of the dynamic loader; undefined on success
 */
export function tryLoading(
  root: string,
  signal?: AbortSignal,
  timeout = TIMEOUT,
): Promise<string | undefined> {
  const options = {
    timeout,
    encoding: 'utf8' as const,
    ...(signal !== undefined && { signal }),
    // In Electron `execPath` is the application; this variable makes it run as Node.
    env: { ...process.env, ELECTRON_RUN_AS_NODE: '1' },
  }
  return new Promise((resolve) => {
    // In a bundle, this module has another path than the program.
    const program = packageFile('dist', 'cuda', 'load-libraries.js')
    const args = [program, join(root, 'torch', 'lib')]
    execFile(process.execPath, args, options, (error, _, stderr) => {
      if (error === null) resolve(undefined)
      else if (error.killed) resolve(`loading them takes more than ${timeout / 1000} s`)
      else if (error.signal) resolve(`the process is killed by ${error.signal}`)
      else resolve(stderr.trim() || error.message)
    })
  })
}
