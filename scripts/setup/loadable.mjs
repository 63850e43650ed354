import { join } from 'node:path'
import { run } from './command.mjs'

// RTLD_NOW | RTLD_NODELETE. Node complains that a plain library registers no addon after the
// dynamic loader has succeeded with it, and only then.
const LOAD = `
try {
  process.dlopen({ exports: {} }, process.argv[1], 2 | 0x1000)
} catch (error) {
  if (!String(error.message).includes('did not self-register')) {
    console.error(error.message)
    process.exit(1)
  }
}
`

/**
 * Why this libtorch cannot be loaded here, in the dynamic loader's words; undefined when it can.
 * Tried in a process of its own, as a damaged library kills the process that maps it.
 *
 * @param {string} lib the folder with libtorch_cpu.so
 * @returns {Promise<string | undefined>}
 */
export async function loadFailure(lib) {
  const { status, stderr } = await run(process.execPath, ['-e', LOAD, join(lib, 'libtorch_cpu.so')])
  if (status === 0) return undefined
  return stderr.trim() || 'loading it killed the process: it is truncated or damaged'
}
