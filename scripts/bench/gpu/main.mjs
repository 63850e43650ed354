// The GPU benchmark, started by scripts/bench/gpu/run. Compares training steps of ResNet-20 (batch
// 128), CIFAR ResNet-18 (512) and ResNet-50 at 224 (256) with PyTorch eager and its fastest
// configuration on the same GPU and, with --data, a complete training run of the recipe `fast`.
//
//   --tiny          small sizes for a functional test, which also runs without a GPU
//   --data FOLDER   images of 32 x 32 in train/<class> and test/<class> (CIFAR-10)
//   --rounds 5, --python python3
//
// Prints `not measured` without a GPU, or if residual cannot train on the GPU that PyTorch found.
// The reason is written to stderr.

import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { toMarkdown } from '../../../dist/experiment/result-table.js'
import { run } from '../../setup/command.mjs'
import { BuildError } from '../../setup/error.mjs'
import { ROOT, runScript } from '../../setup.mjs'
import { otherCpuLoad } from '../machine.mjs'
import { writeJson } from '../record.mjs'
import { createImageFolder } from '../synthetic-data.mjs'
import { recipeTable, trainFastRecipe } from './fast-recipe.mjs'
import { NOT_MEASURED } from './options.mjs'
import { compareStep, NETWORKS, stepTable } from './train-step.mjs'

const TINY_IMAGES = 300

/** @param {string} line */
function log(line) {
  process.stderr.write(`gpu: ${line}\n`)
}

/**
 * @param {string} python
 * @returns {Promise<{ torch: string, gpu: string | null }>}
 */
async function pytorchInfo(python) {
  const { status, stdout, stderr } = await run(python, [
    '-c',
    'import json, torch; g = torch.cuda.is_available(); print(json.dumps({"torch": torch.__version__, "gpu": torch.cuda.get_device_name() if g else None}))',
  ])
  if (status !== 0) throw new BuildError(`${python} cannot import PyTorch:\n${stderr.trim()}`)
  return JSON.parse(stdout)
}

/** @param {string} folder */
async function createTinyImages(folder) {
  for (const split of ['train', 'test']) {
    await mkdir(join(folder, split), { recursive: true })
    await createImageFolder(join(folder, split), TINY_IMAGES)
  }
  return folder
}

await runScript(import.meta.url, async () => {
  const { values } = parseArgs({
    options: {
      data: { type: 'string' },
      python: { type: 'string', default: 'python3' },
      rounds: { type: 'string' },
      tiny: { type: 'boolean', default: false },
    },
  })
  const { python, tiny } = values
  const { torch, gpu } = await pytorchInfo(python)
  const folder = await mkdtemp(join(tmpdir(), 'residual-gpu-'))
  /** @type {import('./options.mjs').GpuOptions} */
  const options = {
    python,
    device: gpu === null ? 'cpu' : 'cuda',
    tiny,
    folder,
    settings: {
      rounds: Number(values.rounds ?? (tiny ? 2 : 5)),
      repeats: 5,
      otherLoad: await otherCpuLoad(),
      sliceSeconds: tiny ? 0.2 : 1.5,
      compile: !tiny,
      log,
    },
  }
  const device = gpu ?? `${NOT_MEASURED}: no GPU${tiny ? '; tiny sizes on the CPU instead' : ''}`
  process.stdout.write(`${device}; PyTorch ${torch}, Node ${process.versions.node}\n\n`)
  /** @type {import('./train-step.mjs').StepResult[]} */
  const steps = []
  /** @type {import('./fast-recipe.mjs').FastRecipeResult | undefined} */
  let recipe
  try {
    if (gpu !== null || tiny) {
      for (const network of NETWORKS) {
        log(network.net)
        steps.push(await compareStep(network, options))
      }
      const data =
        values.data ?? (tiny ? await createTinyImages(join(folder, 'images')) : undefined)
      if (data !== undefined) recipe = await trainFastRecipe(data, options)
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  process.stdout.write(`${toMarkdown(stepTable(steps))}\n${toMarkdown(recipeTable(recipe))}`)
  const file = join(ROOT, 'runs', 'bench', 'gpu.json')
  await writeJson(file, { gpu, tiny, torch, rounds: options.settings.rounds, steps, recipe })
})
