import { copyFile, cp } from 'node:fs/promises'
import { join } from 'node:path'
import { TSC } from '../build.mjs'
import { run } from '../setup/command.mjs'
import { BuildError } from '../setup/error.mjs'
import { ROOT } from '../setup.mjs'

/**
 * Stages the package `residual`: the `files` of its package.json. The TypeScript is compiled again,
 * because dist/ may contain output of deleted sources. There are no source maps, because the
 * sources are not published and the output resembles them, and no declarations besides index.d.ts.
 *
 * @param {string} folder
 * @param {readonly string[]} files
 */
export async function stageResidual(folder, files) {
  const compiled = await run(
    process.execPath,
    [TSC, '--project', 'tsconfig.json', '--outDir', join(folder, 'dist'), '--declaration', 'false'],
    { cwd: ROOT, output: 'show' },
  )
  if (compiled.status !== 0) throw new BuildError(`tsc failed (exit status ${compiled.status})`)
  for (const name of files.filter((name) => name !== 'dist')) {
    await cp(join(ROOT, name), join(folder, name), { recursive: true })
  }
  // npm adds these two to every package.
  for (const name of ['README.md', 'LICENSE']) await copyFile(join(ROOT, name), join(folder, name))
}
