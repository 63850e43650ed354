// Entry point of the child process that loads the CUDA libraries once before they are used. Its
// argument is the folder of libtorch.
import { join } from 'node:path'
import { listLibraries, loadLibrary } from '../native/libtorch.js'
import { checkLibrary } from '../native/loading/check-library.js'
import { supportedPlatform } from '../native/platform.js'

const [, , folder = ''] = process.argv

try {
  const { library } = supportedPlatform().libtorch
  for (const path of listLibraries(join(folder, library))) checkLibrary(path, 'E_LIBTORCH')
  for (const name of [library, 'libtorch_cuda.so']) loadLibrary(join(folder, name))
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`)
  process.exitCode = 1
}
