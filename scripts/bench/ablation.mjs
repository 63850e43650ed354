// Measures what each part that residual implements itself is worth, in interleaved runs with and
// without it, and writes docs/ablation.json and docs/performance.md:
//
//   node scripts/bench/ablation.mjs --data FOLDER
//
//   --data FOLDER   JPEGs for the case jpeg-folder
//   --case NAMES    some cases, separated by commas
//   --rounds 5      rounds per case
//
// Builds the addon and the batch loader with the feature `ablation`, in target/ablation. The
// variants are one build with different values of `RESIDUAL_WITHOUT`
// (crates/kernels/src/ablation.rs).

import { copyFile, cp, mkdir, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { ADDON_FILES } from '../../src/native/prebuilt-platforms.js'
import { build, step, TARGET } from '../build.mjs'
import { BuildError } from '../setup/error.mjs'
import { PLATFORM_NAME } from '../setup/platform.mjs'
import { ROOT, runScript } from '../setup.mjs'
import { ABLATION_FILE, PERFORMANCE_FILE, writeDocument } from './document-files.mjs'
import { describeMachine } from './machine.mjs'
import { addCase, continueRecord, readRecord, writeRecord } from './record.mjs'
import { compareVariants, VARIANT_CASES } from './variants.mjs'

/** @typedef {import('./variants.mjs').Variant} Variant */

const WINOGRAD = { key: 'winograd', label: "without Winograd convolutions (oneDNN's instead)" }
const BATCH_NORM = {
  ...{ key: 'batch-norm', label: "without batch normalization kernels (ATen's instead)" },
}
const HUGE_PAGES = { key: 'huge-pages', label: "without the huge-page allocator (c10's instead)" }
const C10_HUGE_PAGES = {
  ...{ key: 'huge-pages', label: "with c10's transparent huge pages instead of the allocator" },
  env: { THP_MEM_ALLOC_ENABLE: '1' },
}

/** Components of a training step, and what replaces each. */
const TRAINING_PARTS = [
  ...[WINOGRAD, BATCH_NORM, HUGE_PAGES, C10_HUGE_PAGES],
  { key: 'winograd,batch-norm,huge-pages', label: 'without all three' },
]
/** For inference, batch normalization is folded into the weights. */
const INFERENCE_PARTS = [
  ...[WINOGRAD, HUGE_PAGES, C10_HUGE_PAGES],
  { key: 'winograd,huge-pages', label: 'without both' },
]
const IMAGE_PARTS = [
  { key: 'crop-decoding', label: 'without crop decoding (whole images instead)' },
  { key: 'jpeg-decoder', label: 'without the JPEG decoder (zune-jpeg instead)' },
]

/** The components that each case can do without. */
const CASES = {
  'train-resnet20': TRAINING_PARTS,
  'train-resnet18': TRAINING_PARTS,
  'infer-resnet18-b128': INFERENCE_PARTS,
  'jpeg-folder': IMAGE_PARTS,
}

/** Builds a copy of this checkout in which parts can be switched off, and returns its folder. */
async function buildVariant() {
  const { cargoEnv } = await build()
  const root = join(ROOT, 'target', 'ablation')
  const release = join('target', TARGET, 'release')
  const options = ['build', '--release', '--target', TARGET, '--features', 'ablation']
  const cargo = (/** @type {readonly string[]} */ args) =>
    step('cargo build', 'cargo', [...options, ...args], cargoEnv)
  await rm(root, { recursive: true, force: true })
  for (const path of ['dist', 'scripts/bench/residual', 'package.json', 'bindings/npm']) {
    await cp(join(ROOT, path), join(root, path), { recursive: true })
  }
  await mkdir(join(root, release, 'examples'), { recursive: true })
  await cargo(['--package', 'residual-node-torch'])
  await copyFile(
    join(ROOT, release, 'libresidual_node_torch.so'),
    join(root, 'bindings', 'npm', PLATFORM_NAME, ADDON_FILES.torch),
  )
  await cargo(['--package', 'residual-data', '--example', 'bench_batches'])
  const example = join(release, 'examples', 'bench_batches')
  await copyFile(join(ROOT, example), join(root, example))
  return root
}

/**
 * @param {string} root
 * @param {readonly { key: string, label: string, env?: NodeJS.ProcessEnv }[]} parts
 * @returns {Variant[]}
 */
function variantsOf(root, parts) {
  return [
    { key: 'all', label: 'all parts', root },
    ...parts.map(({ key, label, env }, index) => ({
      ...{ key: `without-${index}`, label, root },
      env: { RESIDUAL_WITHOUT: key, ...env },
    })),
  ]
}

await runScript(import.meta.url, async () => {
  const { values } = parseArgs({
    options: {
      case: { type: 'string', default: Object.keys(CASES).join(',') },
      data: { type: 'string' },
      rounds: { type: 'string', default: '5' },
    },
  })
  const names = values.case.split(',')
  const unknown = names.find((name) => !Object.hasOwn(CASES, name))
  if (unknown !== undefined) throw new BuildError(`--case: unknown case ${unknown}`)
  const rounds = Number(values.rounds)
  const root = await buildVariant()
  const here = await describeMachine()
  const command = 'node scripts/bench/ablation.mjs --data FOLDER'
  const record = await continueRecord(ABLATION_FILE, { command, machine: here })
  for (const name of names) {
    const parts = CASES[/** @type {keyof typeof CASES} */ (name)]
    const date = new Date().toISOString()
    const start = performance.now()
    const data = values.data === undefined ? {} : { data: resolve(values.data) }
    const config = { variants: variantsOf(root, parts), rounds, ...data }
    await compareVariants(config, [name], async (_, result, otherLoad) => {
      const seconds = (performance.now() - start) / 1000
      const head = { name, title: VARIANT_CASES[name].title, date, commit: here.commit }
      addCase(record, { ...head, rounds, otherLoad, seconds, result }, Object.keys(CASES))
      await writeRecord(ABLATION_FILE, record)
    })
  }
  await writeDocument(await readRecord(PERFORMANCE_FILE))
})
