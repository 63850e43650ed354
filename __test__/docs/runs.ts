import { copyFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Block } from './markdown.js'
import { run } from './process.js'
import { copyProject, type Project, removeProject } from './project.js'
import { isProgram } from './types.js'

/**
 * Does what the blocks of a page say, one after the other, in a project of the page's own.
 *
 * @param modules the programs among them, as files that Node can run
 * @returns what failed, with its place: `docs/cli.md:12: ...`
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
        failures.push(`${block.page}:${block.line}: nothing that is run below it uses ${file}`)
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

/** Runs a block, if it is one that can be run. */
async function runBlock(
  block: Block,
  modules: ReadonlyMap<Block, string>,
  { folder, env }: Project,
): Promise<string | undefined> {
  const { language, text } = block
  if (isProgram(block)) {
    const module = modules.get(block)
    if (module === undefined) throw new Error(`${block.page}:${block.line} was not compiled`)
    const name = basename(module)
    copyFileSync(module, join(folder, name))
    const { status, output } = await run('node', ['--enable-source-maps', name], folder, env)
    const source = name.replace(/js$/, language)
    const line = new RegExp(`${source.replaceAll('.', '\\.')}:(\\d+)`).exec(output)?.[1]
    return status === 0 ? undefined : told(block, line, status, output)
  }
  if (language === 'sh') {
    writeFileSync(join(folder, 'block.sh'), text)
    const { status, output } = await run('bash', ['-ec', TRACED], folder, env)
    const line = [...output.matchAll(TRACE)].at(-1)?.[1]
    return status === 0 ? undefined : told(block, line, status, output)
  }
  if (language === 'json' || language === 'yaml') {
    const name = `block.${language}`
    writeFileSync(join(folder, name), text)
    const words = ['train', './photos', '--config', name, '--dry-run']
    const { status, output } = await run('residual', words, folder, env)
    return status === 0 ? undefined : told(block, undefined, status, output)
  }
  return undefined
}

/** Says of each command, before it is run, in which line it is. Not every sh knows that; bash does. */
const TRACED = "PS4='+ line $LINENO: '; set -x; . ./block.sh"
const TRACE = /^\++ line (\d+): /gm

function told(
  { page, line }: Block,
  inBlock: string | undefined,
  status: number | null,
  output: string,
): string {
  const place = line + Number(inBlock ?? 1) - 1
  return `${page}:${place}: ended with status ${status}\n${output.trim()}`
}
