import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { withLock } from '../../src/download/file-lock.js'
import { run } from '../setup/command.mjs'
import { SetupError } from '../setup/error.mjs'
import { ROOT } from '../setup.mjs'

/** npm's packages of Node, without `win32`: its name there is `win`. */
const NODE_PACKAGE = `node-${process.platform.replace('win32', 'win')}-${process.arch}`

/** The registry, and the Node that it needs. */
const REGISTRY = { verdaccio: '6.10.4', node24: `npm:${NODE_PACKAGE}@24` }

/** Package managers and runtimes of other projects. */
const OTHERS = {
  node20: `npm:${NODE_PACKAGE}@20`,
  node22: `npm:${NODE_PACKAGE}@22`,
  node26: `npm:${NODE_PACKAGE}@26`,
  pnpm: '12.21.0',
  yarn: '1.22.22',
  '@yarnpkg/cli-dist': '4.18.1',
  bun: '1.4.5',
  deno: '2.9.6',
}

/**
 * Installs the registry and other tools once, outside of the repository's dependencies.
 *
 * @param {{ others: boolean }} options whether other package managers and runtimes are needed (1 GB)
 * @returns {Promise<string>} folder of the installed packages
 * @throws {SetupError} if npm cannot install them
 */
export async function installTools({ others }) {
  const folder = join(ROOT, 'target', 'registry', others ? 'all' : 'server')
  const dependencies = { ...REGISTRY, ...(others ? OTHERS : {}) }
  const manifest = JSON.stringify({
    private: true,
    dependencies,
    // verdaccio's dependency names a dist-tag, which not every mirror of the registry has.
    overrides: { 'node-fetch': '2.7.0' },
  })
  const stamp = join(folder, 'installed.json')
  const isReady = async () => (await readFile(stamp, 'utf8').catch(() => '')) === manifest
  if (await isReady()) return join(folder, 'node_modules')
  await mkdir(folder, { recursive: true })
  await withLock(join(folder, 'lock'), async () => {
    if (await isReady()) return
    await writeFile(join(folder, 'package.json'), manifest)
    const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund']
    const { status, stderr } = await run('npm', args, { cwd: folder })
    if (status !== 0) {
      throw new SetupError(
        'E_DEPENDENCIES',
        `npm cannot install ${Object.keys(dependencies).join(', ')}: ${stderr.trim()}`,
        {
          hint: 'Check the network and the registry of `npm config get registry`.',
        },
      )
    }
    await writeFile(stamp, manifest)
  })
  return join(folder, 'node_modules')
}

/**
 * Returns the path of a program in the installed tools. The packages of Bun and Deno contain one
 * program for each platform, in a package of its own.
 *
 * @param {string} modules
 * @param {`node${number}` | 'bun' | 'deno'} name
 * @param {{ platform: string, arch: string }} [machine]
 */
export function toolPath(modules, name, { platform, arch } = process) {
  const suffix = platform === 'win32' ? '.exe' : ''
  if (name.startsWith('node')) return join(modules, name, 'bin', `node${suffix}`)
  if (name === 'deno') {
    const libc = platform === 'linux' ? '-glibc' : ''
    return join(modules, '@deno', `${platform}-${arch}${libc}`, `deno${suffix}`)
  }
  const os = platform.replace('win32', 'windows')
  const cpu = arch.replace('arm64', 'aarch64')
  return join(modules, '@oven', `bun-${os}-${cpu}`, 'bin', `bun${suffix}`)
}
