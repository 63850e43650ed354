import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { ROOT } from '../child.js'
import { idxData, imageFolder, pixels, png } from '../tiny.js'
import { run } from './process.js'
import { scaleWeights } from './scale-weights.js'

/**
 * The example project in which the blocks of the pages run, with residual and onnxruntime-node,
 * images in photos/, cat.jpg and dog.jpg, weights files, small data sets and finished runs.
 * Training with its `residual` is shortened (short-runs.ts).
 */
export interface Project {
  folder: string
  env: NodeJS.ProcessEnv
}

/** Runs and files that pages use without creating them. */
const RUNS = ['one', 'other', 'a', 'b', 'c', 'photos-resnet18']
const WEIGHTS = ['weights.pth', 'resnet18.pth', 'resnet50.pth', 'resnet20.th']

/** Creates the project, which is copied for every page. */
export async function createProject(): Promise<Project> {
  const folder = mkdtempSync(join(tmpdir(), 'residual-docs-'))
  imageFolder(folder, ['cat', 'dog'])
  for (const [label, name] of ['cat', 'dog'].entries()) {
    writeFileSync(join(folder, `${name}.jpg`), png(pixels(label, 20))) // the format is recognized by content
  }
  const weights = scaleWeights(readFileSync(join(ROOT, 'crates/weights/tests/fixtures/zip.pth')))
  for (const name of WEIGHTS) writeFileSync(join(folder, name), weights)
  writeFileSync(join(folder, 'run.yaml'), 'model: resnet8\n')
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }')
  install(folder)
  addDatasets(folder)
  const project = { folder, env: environment(folder) }
  const { status, output } = await run(
    'residual',
    ['train', './photos', '--model', 'resnet8', '--out', 'runs/one', 'batchSize=4'],
    project.folder,
    project.env,
  )
  if (status !== 0) throw new Error(`the run of the example project failed: ${output}`)
  for (const name of RUNS.slice(1)) {
    cpSync(join(folder, 'runs', 'one'), join(folder, 'runs', name), { recursive: true })
  }
  return project
}

/** Copies the project for a page. */
export function copyProject({ folder }: Project): Project {
  const copy = mkdtempSync(join(tmpdir(), 'residual-docs-'))
  cpSync(folder, copy, { recursive: true, verbatimSymlinks: true })
  return { folder: copy, env: environment(copy) }
}

export function removeProject({ folder }: Project): void {
  rmSync(folder, { recursive: true, force: true })
}

function environment(folder: string): NodeJS.ProcessEnv {
  const paths = [join(folder, 'node_modules', '.bin'), dirname(process.execPath), process.env.PATH]
  return {
    ...process.env,
    PATH: paths.join(delimiter),
    HOME: folder,
    RESIDUAL_CACHE: join(folder, '.cache', 'residual'),
    OMP_NUM_THREADS: '1', // for commands without the setting `threads`
    // Without a display, no browser is opened.
    DISPLAY: undefined,
    WAYLAND_DISPLAY: undefined,
  }
}

function install(folder: string): void {
  const modules = join(folder, 'node_modules')
  const file = (name: string, text: string) =>
    writeFileSync(join(modules, name), text, { mode: 0o755 })
  const moduleUrl = (name: string) => JSON.stringify(new URL(name, import.meta.url).href)
  mkdirSync(join(modules, '.bin'), { recursive: true })
  mkdirSync(join(modules, 'residual'))
  const exports = {
    ...{ '.': './index.js', './electron': './electron.js' },
    './config.schema.json': './config.schema.json',
  }
  file('residual/package.json', JSON.stringify({ type: 'module', exports }))
  file('residual/index.js', `export * from ${moduleUrl('short-runs.js')}\n`)
  const electron = pathToFileURL(join(ROOT, 'dist', 'electron', 'index.js')).href
  file('residual/electron.js', `export * from ${JSON.stringify(electron)}\n`)
  cpSync(join(ROOT, 'config.schema.json'), join(modules, 'residual', 'config.schema.json'))
  file('.bin/package.json', '{ "type": "module" }')
  file('.bin/residual', `#!/usr/bin/env node\nimport ${moduleUrl('short-command.js')}\n`)
  file('.bin/npx', '#!/bin/sh\nexec "$@"\n')
  for (const name of ['onnxruntime-node', 'onnxruntime-common']) {
    symlinkSync(join(ROOT, 'node_modules', name), join(modules, name))
  }
}

function addDatasets(folder: string): void {
  const cifar = join(folder, 'cifar-10-batches-bin')
  mkdirSync(cifar)
  for (const batch of [1, 2, 3, 4, 5]) {
    const records = Buffer.concat([record(batch - 1), record(batch + 4)])
    writeFileSync(join(cifar, `data_batch_${batch}.bin`), records)
  }
  writeFileSync(join(cifar, 'test_batch.bin'), Buffer.concat([record(3), record(5)]))
  const small = join(folder, 'small')
  for (const name of ['cifar10', 'imagenet']) cpSync(cifar, join(small, name), { recursive: true })
  renameSync(idxData(folder), join(small, 'fashion-mnist-mini'))
}

/** A CIFAR-10 record with an image of one color per class. */
function record(label: number): Buffer {
  return Buffer.concat([Buffer.of(label), Buffer.alloc(3 * 32 * 32, 25 * label)])
}
