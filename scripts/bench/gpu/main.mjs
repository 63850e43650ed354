// What is measured on a GPU, by scripts/bench/gpu/run: whole training steps of ResNet-20 (batch 128),
// CIFAR ResNet-18 (512) and ResNet-50 at 224 (256), and, with --data, the recipe `fast` from start to
// end: accuracy and seconds. Beside PyTorch on the same card, used as the notebook does and in the
// best of several ways.
//
//   --tiny        sizes that a CPU does in seconds: to see that all of it runs, on a GPU or without
//   --data FOLDER images of 32 x 32 in train/<class> and test/<class> (CIFAR-10)
//   --rounds 5, --python python3
//
// Where there is no GPU it says `unmeasured`. So it does where ours cannot use the one that PyTorch
// found; why is told on stderr.

import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { toMarkdown } from '../../../dist/experiment/result-table.js'
import { run } from '../../setup/command.mjs'
import { BuildError } from '../../setup/error.mjs'
import { ROOT, runScript } from '../../setup.mjs'
import { makeImageFolder } from '../data.mjs'
import { foreignShare } from '../machine.mjs'
import { writeJson } from '../record.mjs'
import { UNMEASURED } from './how.mjs'
import { fastRecipe, recipeTable } from './recipe.mjs'
import { NETS, step, stepTable } from './step.mjs'

const TINY_IMAGES = 300

/** @param {string} line */
function log(line) {
  process.stderr.write(`gpu: ${line}\n`)
}

/**
 * @param {string} python
 * @returns {Promise<{ torch: string, gpu: string | null }>}
 */
async function pythonFacts(python) {
  const { status, stdout, stderr } = await run(python, [
    '-c',
    'import json, torch; g = torch.cuda.is_available(); print(json.dumps({"torch": torch.__version__, "gpu": torch.cuda.get_device_name() if g else None}))',
  ])
  if (status !== 0) throw new BuildError(`${python} has no PyTorch:\n${stderr.trim()}`)
  return JSON.parse(stdout)
}

/** @param {string} folder */
async function tinyImages(folder) {
  for (const part of ['train', 'test']) {
    await mkdir(join(folder, part), { recursive: true })
    await makeImageFolder(join(folder, part), TINY_IMAGES)
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
  const { torch, gpu } = await pythonFacts(python)
  const folder = await mkdtemp(join(tmpdir(), 'residual-gpu-'))
  /** @type {import('./how.mjs').How} */
  const how = {
    python,
    device: gpu === null ? 'cpu' : 'cuda',
    tiny,
    folder,
    game: {
      rounds: Number(values.rounds ?? (tiny ? 2 : 5)),
      repeats: 5,
      foreign: await foreignShare(),
      sliceSeconds: tiny ? 0.2 : 1.5,
      compile: !tiny,
      log,
    },
  }
  const where = gpu ?? `${UNMEASURED}: no GPU here${tiny ? '; tiny sizes on the CPU instead' : ''}`
  process.stdout.write(`${where}; PyTorch ${torch}, Node ${process.versions.node}\n\n`)
  /** @type {import('./step.mjs').Measured[]} */
  const steps = []
  /** @type {import('./recipe.mjs').Trained | undefined} */
  let recipe
  try {
    if (gpu !== null || tiny) {
      for (const one of NETS) {
        log(one.net)
        steps.push(await step(one, how))
      }
      const data = values.data ?? (tiny ? await tinyImages(join(folder, 'images')) : undefined)
      if (data !== undefined) recipe = await fastRecipe(data, how)
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  process.stdout.write(`${toMarkdown(stepTable(steps))}\n${toMarkdown(recipeTable(recipe))}`)
  const file = join(ROOT, 'runs', 'bench', 'gpu.json')
  await writeJson(file, { gpu, tiny, torch, rounds: how.game.rounds, steps, recipe })
})
