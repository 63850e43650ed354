import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { ROOT } from '../child.js'
import type { Block } from './markdown.js'
import { run } from './process.js'

const TYPESCRIPT = /^ts$/
const JAVASCRIPT = /^js$/

/** Returns whether a block is a program. */
export function isProgram({ language }: Block): boolean {
  return TYPESCRIPT.test(language) || JAVASCRIPT.test(language)
}

/** Declarations of packages that this repository does not install. */
const MODULES = `
declare module 'electron'
declare module 'esbuild'
declare module 'sharp'
declare module 'vite'
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

/** Compiler options by language. JavaScript may omit annotations. */
const PROJECTS = [
  { language: TYPESCRIPT, extension: 'ts', options: { outDir: 'out', inlineSourceMap: true } },
  {
    language: JAVASCRIPT,
    extension: 'js',
    options: {
      ...{ allowJs: true, checkJs: true, noEmit: true },
      ...{ noImplicitAny: false, useUnknownInCatchVariables: false },
    },
  },
]

/** Result of the compiler. */
export interface Checked {
  /** Errors with their positions: `docs/cli.md:12: ...`. */
  failures: string[]
  /** JavaScript file of each block. */
  modules: Map<Block, string>
}

/**
 * Checks the types of programs. Each program is a separate module.
 *
 * @param name folder in target/docs for the files
 */
export async function checkTypes(blocks: readonly Block[], name: string): Promise<Checked> {
  const folder = join(ROOT, 'target', 'docs', name)
  rmSync(folder, { recursive: true, force: true })
  const failures: string[] = []
  const modules = new Map<Block, string>()
  await Promise.all(
    PROJECTS.map(async ({ language, extension, options }) => {
      const project = join(folder, extension)
      mkdirSync(project, { recursive: true })
      const files = new Map<string, Block>()
      for (const block of blocks.filter((block) => language.test(block.language))) {
        const file = `${block.path.replace(/\W/g, '-')}-${block.line}`
        files.set(`${file}.${extension}`, block)
        writeFileSync(join(project, `${file}.${extension}`), block.text)
        modules.set(block, join(project, extension === 'ts' ? 'out' : '.', `${file}.js`))
      }
      if (files.size === 0) return
      writeFileSync(join(project, 'modules.d.ts'), MODULES)
      const config = { compilerOptions: { ...OPTIONS, ...options }, include: ['.'] }
      writeFileSync(join(project, 'tsconfig.json'), JSON.stringify(config))
      const tsc = join(ROOT, 'node_modules', '.bin', 'tsc')
      const { status, output } = await run(tsc, ['--project', '.'], project, process.env)
      const errors = [...output.matchAll(/^(.+?)\((\d+),\d+\): error (.+)$/gm)]
      for (const [, file = '', line, message] of errors) {
        const block = files.get(basename(file))
        if (block === undefined) failures.push(`${file}: ${message}`)
        else failures.push(`${block.path}:${block.line + Number(line) - 1}: ${message}`)
      }
      if (status !== 0 && errors.length === 0) failures.push(output)
    }),
  )
  return { failures, modules }
}
