import { join } from 'node:path'
import { byteProgress } from '../download/progress.mjs'
import { unpack } from '../download/unzip.mjs'
import { fetchWheels } from '../download/wheels.mjs'
import { LIBTORCH_PINS } from './pins.mjs'

// Pinned files exist: set-up refuses an unsupported platform first.
const { wheels: WHEELS, pipDownloadArgs } = /** @type {import('./pins.mjs').LibtorchPins} */ (
  LIBTORCH_PINS
)

// Files needed to build and run on a CPU. They keep the paths that they have in the wheels, because
// the libraries find each other by relative paths.
const FILES = [
  /^torch\/include\//,
  /^torch\/lib\/lib(torch_cpu|c10|arm_compute|arm_compute_graph)\.so$/,
  /^torch\/lib\/lib(gomp|gfortran|nvpl_\w+)\.so\.\d+$/,
  /^torch\/lib\/lib(torch|torch_cpu|c10|omp)\.dylib$/,
  /^torch\/lib\/(torch|torch_cpu|c10|libiomp5md|uv)\.(dll|lib)$/,
  /^torch\/version\.py$/,
  /^nvidia\/cu13\/include\//,
  /^nvidia\/cu13\/lib\/(libcudart|libcupti)\.so\.13$/,
  /^[^/]+\.dist-info\/licenses\//,
]

/**
 * The libtorch in PyTorch's wheel, downloaded with pip.
 *
 * @type {import('./install.mjs').Source}
 */
export const wheels = {
  name: 'pip',
  // pip temporarily stores each wheel twice; later wheels and unpacked files coexist.
  bytesNeeded: 1_300_000_000,
  async unpackInto(folder, { downloads, scratch }) {
    const request = { name: 'libtorch', wheels: WHEELS, pipDownloadArgs }
    await fetchWheels(request, { downloads, scratch })
    const files = []
    const progress = byteProgress('libtorch: unpacking', 504_000_000)
    let unpacked = 0
    for (const { file } of WHEELS) {
      const unpackedFiles = await unpack(
        join(downloads, file),
        folder,
        (name) => (FILES.some((pattern) => pattern.test(name)) ? name : undefined),
        (bytes) => {
          unpacked += bytes
          progress.update(unpacked)
        },
      )
      files.push(...unpackedFiles)
    }
    progress.end()
    return {
      torch: { lib: join(folder, 'torch', 'lib'), include: join(folder, 'torch', 'include') },
      files,
    }
  },
}
