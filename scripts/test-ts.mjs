// npm run test:ts -- FILE ... [ava's options]: builds what is stale, then runs the tests in FILE.

import { build } from './build.mjs'
import { run } from './setup/command.mjs'
import { BuildError } from './setup/error.mjs'
import { ROOT, runScript } from './setup.mjs'
import { avaArguments } from './test/ava-arguments.mjs'
import { findChromium } from './test/chromium.mjs'

await runScript(import.meta.url, async () => {
  const args = avaArguments(process.argv.slice(2))
  await build()
  await step('tsc', ['--project', 'tsconfig.test.json'])
  const RESIDUAL_TEST_CHROMIUM = process.env.RESIDUAL_TEST_CHROMIUM || (await findChromium()) || ''
  await step('ava', args, { ...process.env, RESIDUAL_TEST_CHROMIUM })
})

/**
 * @param {'tsc' | 'ava'} program
 * @param {readonly string[]} args
 * @param {NodeJS.ProcessEnv} [env]
 */
async function step(program, args, env) {
  const command = `node_modules/.bin/${program}`
  const { status } = await run(command, args, { cwd: ROOT, env, output: 'show' })
  if (status !== 0) throw new BuildError(`${program} failed (exit status ${status})`)
}
