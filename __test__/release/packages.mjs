import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { create } from 'tar'
import { releasePackages } from '../../scripts/release/packages.mjs'

/** @typedef {import('../../scripts/release/packages.mjs').Package} Package */

const LINUX = {
  .../** @type {const} */ ({ os: 'linux', cpu: 'x64', libc: 'glibc', title: 'Linux on x64' }),
  ...{ rustTarget: 'x86_64-unknown-linux-gnu', librarySearchPath: 'LD_LIBRARY_PATH' },
  .../** @type {const} */ ({ minGlibc: [2, 28], libraryFormat: 'elf', rtldNoDelete: 0x1000 }),
  libtorch: { name: 'libtorch-linux-x64', library: 'libtorch_cpu.so' },
  cudaLibrary: 'residual-cuda.so',
}

/** A platform table for tests: one platform with CUDA, one without. */
export const PLATFORMS = {
  'linux-x64-gnu': LINUX,
  'darwin-arm64': {
    ...LINUX,
    .../** @type {const} */ ({ os: 'darwin', cpu: 'arm64', libc: undefined, title: 'macOS' }),
    libtorch: { name: 'libtorch-darwin-arm64', library: 'libtorch_cpu.dylib' },
    cudaLibrary: undefined,
  },
}

/**
 * Returns the packages of a release in a temporary folder, without tarballs.
 *
 * @param {import('ava').ExecutionContext} t
 * @param {string} [version]
 */
export function testPackages(t, version = '1.2.3') {
  const folder = mkdtempSync(join(tmpdir(), 'residual-release-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return releasePackages({ name: 'residual', version, license: 'MIT' }, PLATFORMS, folder)
}

/**
 * Creates the tarball of a package, each of its files with the same text.
 *
 * @param {Package} pkg
 * @param {{ text?: string, files?: readonly string[] }} [contents]
 */
export async function writeTarball(
  { name, manifest, tarball, files: all },
  { text = name, files = all } = {},
) {
  const staging = mkdtempSync(join(dirname(tarball), 'staging-'))
  for (const file of files) {
    const path = join(staging, 'package', file)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
  }
  mkdirSync(join(staging, 'package'), { recursive: true })
  writeFileSync(join(staging, 'package', 'package.json'), JSON.stringify(manifest))
  await create({ file: tarball, cwd: staging, gzip: true, portable: true }, ['package'])
}
