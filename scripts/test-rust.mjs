// npm run test:rust -- [-p CRATE] [NAME ...]: Rust tests whose names contain NAME.

import { runScript, setup } from './setup.mjs'
import { runSuites } from './test/run-suites.mjs'
import { rustSuites } from './test/suites.mjs'

await runScript(import.meta.url, () =>
  runSuites(async () => {
    const { cargoEnv } = await setup()
    const [tests] = await rustSuites(cargoEnv, process.argv.slice(2))
    return tests === undefined ? [] : [tests]
  }),
)
