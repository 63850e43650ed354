// npm run registry: publishes the tarballs in pack/ to a registry on this machine, in the order of
// a release, then installs and uses them with package managers and runtimes.
//
//   npm run registry                        all, and writes the table of docs/platforms.md
//   npm run registry -- --client npm        only npm: the short form, which the workflows run
//   npm run registry -- --client npm,pnpm   some, separated by commas
//   npm run registry -- --time 5            also measures from `npm install` to the first step
//
//   --tarballs FOLDER   folder of the tarballs (pack/)

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { PACK } from './pack/tarball.mjs'
import { installers, selectInstallers } from './registry/installers.mjs'
import { publishTarballs } from './registry/publish.mjs'
import { startRegistry } from './registry/server.mjs'
import { measureFirstStep } from './registry/time.mjs'
import { installTools } from './registry/tools.mjs'
import { BuildError } from './setup/error.mjs'
import { PLATFORM_NAME } from './setup/platform.mjs'
import { ROOT, runScript } from './setup.mjs'

/** @typedef {import('./registry/installers.mjs').Result} Result */

const DOCUMENT = join(ROOT, 'docs', 'platforms.md')
const TABLE = /(<!-- npm run registry -->\n)[\s\S]*?(?=\n<!-- end -->)/

/** @param {string} line */
function log(line) {
  process.stderr.write(`registry: ${line}\n`)
}

/** @param {readonly Result[]} results */
function toTable(results) {
  const date = new Date().toISOString().slice(0, 10)
  const rows = results.map(
    ({ name, command, problem, seen }) =>
      `| ${name} | \`${command}\` | ${problem === undefined ? seen : `**failed**: ${problem}`} |`,
  )
  return [
    `${date}, ${PLATFORM_NAME}, ${cpus().length} cores of ${cpus()[0]?.model}.\n`,
    '| installer or runtime | command | seen |',
    '|---|---|---|',
    ...rows,
    '',
  ].join('\n')
}

await runScript(import.meta.url, async () => {
  const { client, tarballs, time } = parseArgs({
    options: {
      client: { type: 'string' },
      tarballs: { type: 'string', default: PACK },
      time: { type: 'string', default: '0' },
    },
  }).values
  const names = client?.split(',')
  const others = names === undefined || names.some((name) => !name.startsWith('npm'))
  const modules = await installTools({ others })
  const folder = await mkdtemp(join(tmpdir(), 'residual-registry-'))
  const registry = await startRegistry(modules, join(folder, 'server'))
  try {
    const selected = selectInstallers(installers({ folder, modules, registry }), names)
    const standIns = await publishTarballs({ registry, tarballs: resolve(tarballs), folder, log })
    if (standIns.length > 0) log(`without libraries: ${standIns.join(', ')}`)
    /** @type {Result[]} */
    const results = []
    for (const installer of selected) {
      const result = await installer.run()
      log(`${result.name}: ${result.problem ?? 'passed'}`)
      results.push(result)
    }
    const runs = Number(time)
    if (runs > 0) log(await measureFirstStep({ folder, registry, runs }))
    process.stdout.write(toTable(results))
    if (names === undefined) {
      const page = await readFile(DOCUMENT, 'utf8')
      await writeFile(
        DOCUMENT,
        page.replace(TABLE, (_, start) => `${start}\n${toTable(results)}`),
      )
    }
    const failed = results.filter(({ problem }) => problem !== undefined)
    if (failed.length > 0) throw new BuildError(`${failed.length} of ${results.length} failed`)
  } finally {
    registry.stop()
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  }
})
