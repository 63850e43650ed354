import { chmod, mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { withLock } from '../../src/download/file-lock.js'
import { cacheDir, inCache } from '../setup/download/cache.mjs'
import { unpack } from '../setup/download/unzip.mjs'
import { fetchWheels } from '../setup/download/wheels.mjs'
import { BuildError } from '../setup/error.mjs'
import { findDamage, writeManifest } from '../setup/libtorch/manifest.mjs'

/** @typedef {import('../setup/download/wheels.mjs').Wheel} Wheel */

/**
 * A program in a wheel for Linux x64.
 *
 * @typedef {{ name: string, version: string, wheel: Wheel, platforms: readonly string[],
 *   program: string }} Tool
 */

/** @typedef {{ platform: string, arch: string }} Host */

/** @type {Tool} */
const ZIG = {
  name: 'zig',
  version: '0.17.1',
  wheel: {
    requirement: 'ziglang==0.17.1',
    file: 'ziglang-0.17.1-py3-none-manylinux_2_12_x86_64.manylinux2010_x86_64.musllinux_1_1_x86_64.whl',
    bytes: 101_083_562,
    sha256: 'ea6cc5d87b033cf0aedfbc8f9549a908cae6c50ac31f1698188fa48a74524b54',
  },
  platforms: ['manylinux2010_x86_64', 'manylinux_2_12_x86_64'],
  program: join('ziglang', 'zig'),
}

/** @type {Tool} */
const CARGO_ZIGBUILD = {
  name: 'cargo-zigbuild',
  version: '0.24.1',
  wheel: {
    requirement: 'cargo-zigbuild==0.24.1',
    file: 'cargo_zigbuild-0.24.1-py3-none-manylinux1_x86_64.manylinux_2_5_x86_64.whl',
    bytes: 1_656_264,
    sha256: '238a1ab54a95053a4eadc34775c81f795a8ad75f80bfed63f3f445f518102375',
  },
  platforms: ['manylinux1_x86_64', 'manylinux_2_5_x86_64'],
  program: join('cargo_zigbuild-0.24.1.data', 'scripts', 'cargo-zigbuild'),
}

/**
 * Returns the path of Zig, whose linker knows the symbols of every version of glibc and of macOS.
 *
 * @param {Host} [host]
 */
export function findZig(host) {
  return find(ZIG, host)
}

/** Returns the path of cargo-zigbuild, which calls Zig as the linker of a cross build. */
export function findCargoZigbuild() {
  return find(CARGO_ZIGBUILD)
}

/**
 * Downloads a tool into the cache, if necessary.
 *
 * @param {Tool} tool
 * @param {Host} [host]
 * @throws {BuildError} if the host cannot run the program
 */
async function find(tool, { platform, arch } = process) {
  if (platform !== 'linux' || arch !== 'x64') {
    throw new BuildError(
      `${tool.name} is only available for Linux on x64: build the packages of other platforms on ` +
        'them, those of Linux in a container with glibc 2.28 (manylinux_2_28)',
    )
  }
  const target = join(cacheDir(process.env), tool.name, tool.version)
  const isComplete = async () => (await findDamage(target)) === undefined
  if (!(await isComplete())) {
    await inCache(dirname(target), async () => {
      await mkdir(dirname(target), { recursive: true })
      await withLock(`${target}.lock`, async () => {
        if (!(await isComplete())) await install(tool, target)
      })
    })
  }
  return join(target, tool.program)
}

/**
 * @param {Tool} tool
 * @param {string} target
 */
async function install({ name, version, wheel, platforms, program }, target) {
  const downloads = `${target}.downloads`
  await mkdir(downloads, { recursive: true })
  const staging = await mkdtemp(`${target}.staging-`)
  try {
    const [folder, scratch] = [join(staging, 'install'), join(staging, 'scratch')]
    await mkdir(folder)
    await mkdir(scratch)
    const pipDownloadArgs = platforms.flatMap((platform) => ['--platform', platform])
    await fetchWheels({ name, wheels: [wheel], pipDownloadArgs }, { downloads, scratch })
    const files = await unpack(join(downloads, wheel.file), folder, (path) => path)
    await chmod(join(folder, program), 0o755)
    await writeManifest(folder, { version, source: 'pip', files })
    await rm(target, { recursive: true, force: true })
    await rename(folder, target)
    await rm(downloads, { recursive: true, force: true })
  } finally {
    await rm(staging, { recursive: true, force: true })
  }
}
