import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { download } from '../download/download.mjs'
import { byteProgress } from '../download/progress.mjs'
import { unpack } from '../download/unzip.mjs'
import { LIBTORCH_PINS } from './pins.mjs'

const FILES = /^libtorch\/(include\/.*|lib\/[^/]*\.(so(\.\d+)*|dylib|dll|lib)|build-hash)$/

/**
 * The zip archive on PyTorch's download site, for machines without pip.
 *
 * @type {import('./install.mjs').Source}
 */
export const pytorchZip = {
  name: "PyTorch's download site",
  bytesNeeded: 1_300_000_000,
  async unpackInto(folder, { downloads }) {
    const archive = join(downloads, 'libtorch.zip')
    /** @type {ReturnType<typeof byteProgress> | undefined} */
    let progress
    await download(/** @type {string} */ (LIBTORCH_PINS?.zipUrl), archive, {
      onStart(total) {
        progress = byteProgress("libtorch: downloading from PyTorch's site", total)
      },
      onBytes: (bytes) => progress?.update(bytes),
    })
    progress?.end()
    try {
      const files = await unpack(archive, folder, (name) =>
        FILES.test(name) ? name.replace(/^libtorch/, 'torch') : undefined,
      )
      return {
        torch: { lib: join(folder, 'torch', 'lib'), include: join(folder, 'torch', 'include') },
        files,
      }
    } catch (error) {
      // Keeping a complete archive that cannot be unpacked would make the next attempt fail too.
      await rm(archive, { force: true })
      throw error
    }
  },
}
