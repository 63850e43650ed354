import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { withLock } from '../../src/download/file-lock.js'
import { cacheDir, inCache } from '../setup/download/cache.mjs'
import { unpack } from '../setup/download/unzip.mjs'
import { fetchWheels } from '../setup/download/wheels.mjs'
import { findDamage, writeManifest } from '../setup/libtorch/manifest.mjs'

const VERSION = '0.17.1'

const REQUEST = {
  name: 'zig',
  wheels: [
    {
      requirement: `ziglang==${VERSION}`,
      file: `ziglang-${VERSION}-py3-none-manylinux_2_12_x86_64.manylinux2010_x86_64.musllinux_1_1_x86_64.whl`,
      bytes: 101_083_562,
      sha256: 'ea6cc5d87b033cf0aedfbc8f9549a908cae6c50ac31f1698188fa48a74524b54',
    },
  ],
  pipDownloadArgs: ['--platform', 'manylinux2010_x86_64', '--platform', 'manylinux_2_12_x86_64'],
}

/**
 * Returns the path of Zig, whose linker knows the symbols of every version of glibc. Downloads it into
 * the cache, if necessary.
 *
 * @param {NodeJS.ProcessEnv} [env]
 */
export async function findZig(env = process.env) {
  const target = join(cacheDir(env), 'zig', VERSION)
  const isComplete = async () => (await findDamage(target)) === undefined
  if (!(await isComplete())) {
    await inCache(dirname(target), async () => {
      await mkdir(dirname(target), { recursive: true })
      await withLock(`${target}.lock`, async () => {
        if (!(await isComplete())) await install(target)
      })
    })
  }
  return join(target, 'ziglang', 'zig')
}

/** @param {string} target */
async function install(target) {
  const downloads = `${target}.downloads`
  await mkdir(downloads, { recursive: true })
  const staging = await mkdtemp(`${target}.staging-`)
  try {
    const [folder, scratch] = [join(staging, 'install'), join(staging, 'scratch')]
    await mkdir(folder)
    await mkdir(scratch)
    await fetchWheels(REQUEST, { downloads, scratch })
    const files = []
    for (const { file } of REQUEST.wheels) {
      files.push(...(await unpack(join(downloads, file), folder, (name) => name)))
    }
    await writeManifest(folder, { version: VERSION, source: 'pip', files })
    await rm(target, { recursive: true, force: true })
    await rename(folder, target)
    await rm(downloads, { recursive: true, force: true })
  } finally {
    await rm(staging, { recursive: true, force: true })
  }
}
