import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { ROOT } from '../child.js'
import type { Block } from './markdown.js'
import { run } from './process.js'

const TYPESCRIPT = /^ts$/
const JAVASCRIPT = /^js$/

/** Whether a block is a program. */
export function isProgram({ language }: Block): boolean {
  return TYPESCRIPT.test(language) || JAVASCRIPT.test(language)
}

/** What readers have whom the types of our own packages do not tell of. */
const MODULES = `
declare module 'electron'
declare module 'sharp'
declare namespace NodeJS {
  interface Process { parentPort?: any }
}
`

const OPTIONS = {
  target: 'es2023',
  lib: ['es2023', 'esnext.disposable'],
  types: ['node'],
  module: 'nodenext',
  moduleDetection: 'force',
  strict: true,
  exactOptionalPropertyTypes: true,
  skipLibCheck: true,
  rootDir: '.',
}

/** The languages, and how strictly each is taken: nobody annotates JavaScript for a page. */
const PROJECTS = [
  { language: TYPESCRIPT, ending: 'ts', options: { outDir: 'out', inlineSourceMap: true } },
  {
    language: JAVASCRIPT,
    ending: 'js',
    options: {
      ...{ allowJs: true, checkJs: true, noEmit: true },
      ...{ noImplicitAny: false, useUnknownInCatchVariables: false },
    },
  },
]

/** What the compiler makes of programs. */
export interface Checked {
  /** What is wrong, with its place: `docs/cli.md:12: ...` */
  failures: string[]
  /** The file that can be run for a block. */
  modules: Map<Block, string>
}

/**
 * Checks the types of programs, each a module of its own as a reader would have it.
 *
 * @param name of the folder in target/docs that they are put into
 */
export async function checkTypes(blocks: readonly Block[], name: string): Promise<Checked> {
  const folder = join(ROOT, 'target', 'docs', name)
  rmSync(folder, { recursive: true, force: true })
  const failures: string[] = []
  const modules = new Map<Block, string>()
  await Promise.all(
    PROJECTS.map(async ({ language, ending, options }) => {
      const project = join(folder, ending)
      mkdirSync(project, { recursive: true })
      const files = new Map<string, Block>()
      for (const block of blocks.filter((block) => language.test(block.language))) {
        const file = `${block.page.replace(/\W/g, '-')}-${block.line}`
        files.set(`${file}.${ending}`, block)
        writeFileSync(join(project, `${file}.${ending}`), block.text)
        modules.set(block, join(project, ending === 'ts' ? 'out' : '.', `${file}.js`))
      }
      if (files.size === 0) return
      writeFileSync(join(project, 'modules.d.ts'), MODULES)
      const config = { compilerOptions: { ...OPTIONS, ...options }, include: ['.'] }
      writeFileSync(join(project, 'tsconfig.json'), JSON.stringify(config))
      const tsc = join(ROOT, 'node_modules', '.bin', 'tsc')
      const { status, output } = await run(tsc, ['--project', '.'], project, process.env)
      const told = [...output.matchAll(/^(.+?)\((\d+),\d+\): error (.+)$/gm)]
      for (const [, file = '', line, message] of told) {
        const block = files.get(basename(file))
        if (block === undefined) failures.push(`${file}: ${message}`)
        else failures.push(`${block.page}:${block.line + Number(line) - 1}: ${message}`)
      }
      if (status !== 0 && told.length === 0) failures.push(output)
    }),
  )
  return { failures, modules }
}
