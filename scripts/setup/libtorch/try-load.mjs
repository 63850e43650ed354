import { join } from 'node:path'
import { run } from '../command.mjs'
import { IS_CROSS, PLATFORM } from '../platform.mjs'

// RTLD_NOW | RTLD_NODELETE. Node rejects a library that is not an addon only after the dynamic
// loader has loaded it.
const LOAD = `
try {
  process.dlopen({ exports: {} }, process.argv[1], 2 | ${PLATFORM.rtldNoDelete})
} catch (error) {
  if (!String(error.message).includes('did not self-register')) {
    console.error(error.message)
    process.exit(1)
  }
}
`

/**
 * Loads a libtorch in a child process, because a damaged library crashes the process that maps it.
 * A libtorch of another platform is not loaded.
 *
 * @param {string} lib folder of the libraries
 * @returns {Promise<string | undefined>} the error of the dynamic loader; undefined on success
 */
export async function loadError(lib) {
  if (IS_CROSS) return undefined
  const library = join(lib, PLATFORM.libtorch.library)
  const { status, stderr } = await run(process.execPath, ['-e', LOAD, library])
  if (status === 0) return undefined
  return stderr.trim() || 'the process crashed: the library is truncated or damaged'
}
