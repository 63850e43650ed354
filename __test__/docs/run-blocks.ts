import { copyFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { isProgram } from './check-types.js'
import type { Block } from './markdown.js'
import { run } from './process.js'
import { copyProject, type Project, removeProject } from './project.js'

/**
 * Runs the blocks of a page in order, in a copy of the example project.
 *
 * @param modules files that Node can run, for the programs among the blocks
 * @returns failures with their positions: `docs/cli.md:12: ...`
 */
export async function runBlocks(
  blocks: readonly Block[],
  modules: ReadonlyMap<Block, string>,
  template: Project,
): Promise<string[]> {
  const failures: string[] = []
  const project = copyProject(template)
  try {
    for (const [index, block] of blocks.entries()) {
      const { file } = block
      if (file !== undefined) {
        writeFileSync(join(project.folder, file), block.text)
        const later = blocks.slice(index + 1).filter(({ notRun }) => notRun === undefined)
        if (later.some(({ text }) => text.includes(file))) continue
        failures.push(`${block.path}:${block.line}: no block below uses ${file}`)
        continue
      }
      if (block.notRun !== undefined) continue
      const failure = await runBlock(block, modules, project)
      if (failure !== undefined) failures.push(failure)
    }
  } finally {
    removeProject(project)
  }
  return failures
}

/** Runs a block if its language can be run, and returns a failure. */
async function runBlock(
  block: Block,
  modules: ReadonlyMap<Block, string>,
  { folder, env }: Project,
): Promise<string | undefined> {
  const { language, text } = block
  if (isProgram(block)) {
    const module = modules.get(block)
    if (module === undefined) throw new Error(`${block.path}:${block.line} was not compiled`)
    const name = basename(module)
    copyFileSync(module, join(folder, name))
    const { status, output } = await run('node', ['--enable-source-maps', name], folder, env)
    const source = name.replace(/js$/, language)
    const line = new RegExp(`${source.replaceAll('.', '\\.')}:(\\d+)`).exec(output)?.[1]
    return status === 0 ? undefined : failureMessage(block, line, status, output)
  }
  if (language === 'sh') {
    writeFileSync(join(folder, 'block.sh'), text)
    const { status, output } = await run('bash', ['-ec', TRACED], folder, env)
    const line = [...output.matchAll(TRACE)].at(-1)?.[1]
    return status === 0 ? undefined : failureMessage(block, line, status, output)
  }
  if (language === 'json' || language === 'yaml') {
    const name = `block.${language}`
    writeFileSync(join(folder, name), text)
    const args = ['train', './photos', '--config', name, '--dry-run']
    const { status, output } = await run('residual', args, folder, env)
    return status === 0 ? undefined : failureMessage(block, undefined, status, output)
  }
  return undefined
}

/** Prints the line number of each command before running it. Requires bash. */
const TRACED = "PS4='+ line $LINENO: '; set -x; . ./block.sh"
const TRACE = /^\++ line (\d+): /gm

function failureMessage(
  { path, line }: Block,
  lineInBlock: string | undefined,
  status: number | null,
  output: string,
): string {
  const position = line + Number(lineInBlock ?? 1) - 1
  return `${path}:${position}: exit status ${status}\n${output.trim()}`
}
