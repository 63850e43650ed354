// npm run check: format, lints and types, without building an addon or running a test.

import { runScript, setup } from './setup.mjs'
import { runSuites } from './test/run-suites.mjs'
import { packageTypes, staticSuites } from './test/suites.mjs'

await runScript(import.meta.url, () =>
  runSuites(async () => {
    const { cargoEnv } = await setup()
    return [packageTypes(), ...staticSuites(cargoEnv)]
  }),
)
