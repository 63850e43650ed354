// npm test: builds everything, then runs every check and every test.

import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { build } from './build.mjs'
import { ROOT, runScript } from './setup.mjs'
import { provideArm64Tools } from './test/arm64.mjs'
import { provideChromium } from './test/chromium.mjs'
import { runSuites } from './test/run-suites.mjs'
import {
  avaSuite,
  generatedFiles,
  otherPlatforms,
  rustSuites,
  staticSuites,
} from './test/suites.mjs'

async function allSuites() {
  const { cargoEnv } = await build()
  // ava would still run the compiled file of a test that was renamed or removed.
  await rm(join(ROOT, 'target', 'ava'), { recursive: true, force: true })
  await provideArm64Tools()
  return [
    ...staticSuites(cargoEnv),
    ...(await otherPlatforms()),
    generatedFiles(),
    ...(await rustSuites(cargoEnv)),
    avaSuite(await provideChromium()),
  ]
}

await runScript(import.meta.url, () => runSuites(allSuites))
