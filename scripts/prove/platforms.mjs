// node scripts/prove/platforms.mjs --platform darwin-arm64: links the addons of macOS on Linux x64
// and checks the result. A release is built on a Mac; this only proves that the sources compile and
// link.
//
// node scripts/prove/platforms.mjs: packs linux-arm64-gnu, installs it, trains with it under
// emulation, and compares the numbers with those of this machine.

import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BuildError } from '../setup/error.mjs'
import { IS_CROSS, PLATFORM_NAME } from '../setup/platform.mjs'
import { ROOT, runScript } from '../setup.mjs'
import {
  computeEmulated,
  computeHere,
  differences,
  installArm64,
  packArm64,
} from './platforms/arm64.mjs'
import { linkDarwin } from './platforms/darwin.mjs'
import { fetchNode } from './platforms/emulator.mjs'

/** Number of training steps under emulation. */
const STEPS = 20

/** Largest differences after these steps, which amplify those of each step. */
const MAX_DIFFERENCES = { loss: 1e-3, probability: 1e-4 }

async function trainArm64() {
  const folder = await mkdtemp(join(tmpdir(), 'residual-arm64-'))
  try {
    await packArm64()
    const project = await installArm64(folder)
    const here = join(folder, 'here')
    await mkdir(join(here, 'node_modules'), { recursive: true })
    await symlink(ROOT, join(here, 'node_modules', 'residual'))
    await writeFile(join(here, 'package.json'), '{ "type": "module" }')
    const expected = await computeHere(here, STEPS)
    for (const major of ['20', '22', '24']) {
      const numbers = await computeEmulated(await fetchNode(major), project, STEPS)
      const { loss, probability } = differences(numbers, expected)
      process.stdout.write(
        `Node ${numbers.node} on ${numbers.arch}: ${STEPS} steps; largest difference to ${expected.arch}: ` +
          `${loss.toExponential(1)} of the losses, ${probability.toExponential(1)} of probabilities\n`,
      )
      if (!(loss < MAX_DIFFERENCES.loss && probability < MAX_DIFFERENCES.probability)) {
        throw new BuildError(`the numbers of ${numbers.arch} differ from those of ${expected.arch}`)
      }
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

await runScript(import.meta.url, async () => {
  if (PLATFORM_NAME === 'darwin-arm64') await linkDarwin()
  else if (!IS_CROSS) await trainArm64()
  else throw new BuildError(`there is no proof for --platform ${PLATFORM_NAME}`)
})
