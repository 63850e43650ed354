/** Tests of a packaged application: layout of the archive, and the training process outside it. */
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { parse } from 'yaml'
import { hostPath, unpackedPath } from '#dist/electron/host/host-process.js'
import { libtorchLibrary } from '#dist/native/libtorch.js'
import { VERSION } from '#dist/native/version.js'
import { ROOT } from '../child.js'
import { tempFolder, tinyConfig } from '../tiny.js'
import { EXAMPLE } from './example-app.js'

const require = createRequire(import.meta.url)
const asar: typeof import('@electron/asar') = require('@electron/asar')

const ADDONS = '@residual/linux-x64-gnu'
const LIBTORCH = '@residual/libtorch-linux-x64'

/** The files of the application in the packages, as npm installs them. */
function installApplication(parent: string): string {
  const app = join(parent, 'app')
  cpSync(EXAMPLE, app, { recursive: true })
  const packages = join(app, 'node_modules')
  const copy = (from: string, to: string) => cpSync(from, join(packages, to), { recursive: true })
  for (const name of ['dist', 'package.json', 'data', 'recipes']) {
    copy(join(ROOT, name), join('residual', name))
  }
  copy(dirname(require.resolve('undici/package.json')), 'undici')
  copy(join(ROOT, 'bindings', 'npm', 'linux-x64-gnu'), ADDONS)
  writeFileSync(
    join(packages, ADDONS, 'package.json'),
    `{ "name": "${ADDONS}", "version": "${VERSION}" }`,
  )
  // Stands for libtorch's 400 MB; the process of the test finds libtorch elsewhere.
  mkdirSync(join(packages, LIBTORCH, 'lib'), { recursive: true })
  writeFileSync(
    join(packages, LIBTORCH, 'package.json'),
    `{ "name": "${LIBTORCH}", "version": "${VERSION}" }`,
  )
  writeFileSync(join(packages, LIBTORCH, 'lib', 'libtorch_cpu.so'), 'ELF')
  return app
}

/** Options with which electron-builder and Electron Forge call @electron/asar. */
function packagers(app: string): [name: string, options: object][] {
  const { asarUnpack } = parse(readFileSync(join(EXAMPLE, 'electron-builder.yml'), 'utf8'))
  const forge = require(join(EXAMPLE, 'forge.config.cjs'))
  const patterns = asarUnpack.map((pattern: string) => join(app, pattern))
  return [
    ['electron-builder', { unpack: `{${patterns.join(',')},}` }],
    ['Electron Forge', forge.packagerConfig.asar],
  ]
}

/** Returns the files of an archive, with whether each is unpacked. */
function filesOf(archive: string): { file: string; isUnpacked: boolean }[] {
  return asar.listPackage(archive, { isPack: false }).flatMap((path: string) => {
    const file = relative('/', path)
    const entry = asar.statFile(archive, file) as { files?: object; unpacked?: boolean }
    return entry.files === undefined ? [{ file, isUnpacked: entry.unpacked === true }] : []
  })
}

/** Trains in a packaged application, in a process of its own, which uses no other copy. */
async function trainUnpacked(t: ExecutionContext, unpacked: string) {
  // Found instead of the package that stands for libtorch.
  process.env.RESIDUAL_LIBTORCH = dirname(libtorchLibrary())
  const entry = join(unpacked, 'node_modules', 'residual', 'dist', 'electron', 'index.js')
  const { createTrainer } = await import(pathToFileURL(entry).href)
  await using trainer = createTrainer()
  return await trainer.train(tinyConfig(t, { model: 'plain8', epochs: 1 }))
}

test.serial('packages are unpacked from the archive, and train from there', async (t) => {
  const parent = tempFolder(t)
  const app = installApplication(parent)
  for (const [name, options] of packagers(app)) {
    const archive = join(parent, name.replace(' ', '-'), 'app.asar')
    await asar.createPackageWithOptions(app, archive, options)
    const files = filesOf(archive)
    t.true(files.some(({ file }) => file === 'main.mjs'))
    for (const { file, isUnpacked } of files) {
      // Unlike electron-builder, patterns of @electron/asar do not match names such as `.gitkeep`.
      if (!basename(file).startsWith('.')) {
        t.is(isUnpacked, file.startsWith('node_modules'), `${name}: ${file}`)
      }
      if (isUnpacked) t.true(existsSync(join(`${archive}.unpacked`, file)), `${name}: ${file}`)
    }
    const unpackedFiles = files.filter(({ isUnpacked }) => isUnpacked).map(({ file }) => file)
    for (const file of [
      `node_modules/${ADDONS}/residual.node`,
      `node_modules/${ADDONS}/residual-torch.node`,
      `node_modules/${LIBTORCH}/lib/libtorch_cpu.so`,
      'node_modules/residual/dist/electron/host/host.js',
      'node_modules/residual/dist/electron/window/preload.cjs',
    ]) {
      t.true(unpackedFiles.includes(file), `${name}: ${file}`)
    }
    const host = 'node_modules/residual/dist/electron/host/host.js'
    t.is(hostPath(join(archive, host)), join(`${archive}.unpacked`, host))
  }
  const { stopReason } = await trainUnpacked(
    t,
    join(parent, 'electron-builder', 'app.asar.unpacked'),
  )
  t.is(stopReason, 'completed')
})

test.serial('the host stays in the archive if its packages are not unpacked', (t) => {
  const parent = tempFolder(t)
  const path = join(parent, 'app.asar', 'node_modules', 'residual', 'host.js')
  t.is(unpackedPath(path), join(parent, 'app.asar.unpacked', 'node_modules', 'residual', 'host.js'))
  t.is(hostPath(path), path)
  mkdirSync(dirname(unpackedPath(path)), { recursive: true })
  writeFileSync(unpackedPath(path), '')
  // A host outside the archive could not import its packages.
  t.is(hostPath(path), path)
  const packages = join(parent, 'app.asar.unpacked', 'node_modules')
  symlinkSync(dirname(require.resolve('undici/package.json')), join(packages, 'undici'))
  t.is(hostPath(path), unpackedPath(path))
})
