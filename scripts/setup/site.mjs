import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { unpack } from './archive.mjs'
import { download } from './download.mjs'
import { SITE_URL } from './pins.mjs'
import { byteProgress } from './progress.mjs'

const WANTED = /^libtorch\/(include\/.*|lib\/[^/]*\.so(\.\d+)*|build-hash)$/

/**
 * The zip archive on PyTorch's own site, for machines without pip.
 *
 * @type {import('./install.mjs').Source}
 */
export const site = {
  name: "PyTorch's site",
  bytesNeeded: 1_300_000_000,
  async unpackInto(folder, { downloads }) {
    const archive = join(downloads, 'libtorch.zip')
    /** @type {ReturnType<typeof byteProgress> | undefined} */
    let progress
    await download(SITE_URL, archive, {
      onStart(total) {
        progress = byteProgress("libtorch: downloading from PyTorch's site", total)
      },
      onBytes: (bytes) => progress?.update(bytes),
    })
    progress?.end()
    try {
      const files = await unpack(archive, folder, (name) =>
        WANTED.test(name) ? name.replace(/^libtorch/, 'torch') : undefined,
      )
      return {
        torch: { lib: join(folder, 'torch', 'lib'), include: join(folder, 'torch', 'include') },
        files,
      }
    } catch (error) {
      // A whole download that cannot be unpacked would fail again the next time.
      await rm(archive, { force: true })
      throw error
    }
  },
}
