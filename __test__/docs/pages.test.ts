/**
 * Runs every code block of the README and of docs/ in an example project. Blocks that cannot be run
 * have a reason, and are checked statically: types, commands and their options, configuration keys.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test from 'ava'
import { parse } from 'yaml'
import { ROOT } from '../child.js'
import { configError } from './check-config.js'
import { checkShell, checkSynopses } from './check-shell.js'
import { type Checked, checkTypes, isProgram } from './check-types.js'
import { type Block, PAGES, type Page, readPage } from './markdown.js'
import { createProject, type Project, removeProject } from './project.js'
import { runBlocks } from './run-blocks.js'
import { skipReasonErrors } from './skip-reason.js'

const MINUTES = 60_000

/** A page with deliberate errors, all of which must be found. */
const BROKEN = readPage('__test__/docs/broken.md')

let checked: Checked
let project: Project

test.before('check the types of all programs, and create the example project', async (t) => {
  t.timeout(10 * MINUTES)
  const programs = PAGES.flatMap(({ blocks }) => blocks).filter(isProgram)
  ;[checked, project] = await Promise.all([checkTypes(programs, 'pages'), createProject()])
})

test.after.always('remove the example project', () => {
  if (project !== undefined) removeProject(project)
})

test('the types of all programs are correct', (t) => {
  t.deepEqual(checked.failures, [])
})

test('every command and every configuration is valid', async (t) => {
  t.timeout(10 * MINUTES)
  t.deepEqual(await check(PAGES.flatMap(({ blocks }) => blocks)), [])
})

test('every command in a sentence exists, with its options', (t) => {
  const errors = (pages: readonly Page[]) =>
    pages.flatMap(({ path, commands }) =>
      commands.flatMap(({ line, text }) =>
        checkSynopses(text).map((message) => `${path}:${line}: ${message}`),
      ),
    )
  t.deepEqual(errors(PAGES), [])
  t.is(errors([BROKEN]).length, 2)
})

/** Number of pages whose blocks may be started now. */
let freeSlots = 2
const waiting: (() => void)[] = []

/** The translation has the same blocks, which are run only from the original. */
const [TRANSLATED, TRANSLATION] = ['README.md', 'README.zh-CN.md']

test(`${TRANSLATION} has the same blocks as ${TRANSLATED}, except for comments`, (t) => {
  const [original, translation] = [TRANSLATED, TRANSLATION].map((path) =>
    PAGES.filter((page) => page.path === path)
      .flatMap(({ blocks }) => blocks)
      .map(({ language, text, notRun }) => ({ language, notRun, text: withoutComments(text) })),
  )
  t.deepEqual(translation, original)
})

const TO_RUN = PAGES.filter(({ path, blocks }) => path !== TRANSLATION && blocks.length > 0)
for (const { path, blocks } of TO_RUN) {
  test(`${path}: every block runs`, async (t) => {
    t.timeout(20 * MINUTES)
    if (freeSlots > 0) freeSlots--
    else await new Promise<void>((resolve) => waiting.push(resolve))
    try {
      t.deepEqual(await runBlocks(blocks, checked.modules, project), [])
    } finally {
      const next = waiting.shift()
      if (next === undefined) freeSlots++
      else next()
    }
  })
}

test('an error in a block is reported with its page and line', async (t) => {
  t.timeout(10 * MINUTES)
  const types = await checkTypes(BROKEN.blocks.filter(isProgram), 'broken')
  const found = linesOf([...types.failures, ...(await check(BROKEN.blocks))])
  const remaining = BROKEN.blocks.filter((block) => !found.some((line) => isIn(block, line)))
  // Blocks that fail only when they run: in the last line with `nowhere`, otherwise in the first
  // line.
  const failingLine = ({ line, text }: Block) =>
    line +
    Math.max(
      0,
      text.split('\n').findLastIndex((textLine) => textLine.includes('nowhere')),
    )
  t.is(remaining.length, 5)
  t.deepEqual(
    linesOf(await runBlocks(remaining, types.modules, project)),
    remaining.map(failingLine),
  )
})

test('every link has a target', (t) => {
  for (const { path, links } of PAGES) {
    for (const { line, target } of links) {
      if (/^[a-z]+:/.test(target)) continue
      const [file = '', anchor] = decodeURI(target).split('#')
      const linked = file === '' ? path : join(dirname(path), file)
      t.true(existsSync(join(ROOT, linked)), `${path}:${line}: ${target} does not exist`)
      if (anchor === undefined || !linked.endsWith('.md')) continue
      const page = PAGES.find((page) => page.path === linked) ?? readPage(linked)
      t.true(page.anchors.has(anchor), `${path}:${line}: ${linked} has no heading ${anchor}`)
    }
  }
})

/** Returns the line numbers of failures on the page with deliberate errors. */
function linesOf(failures: readonly string[]): number[] {
  return failures.map((failure) => {
    const line = failure.startsWith(`${BROKEN.path}:`) ? Number(failure.split(':')[1]) : Number.NaN
    if (Number.isNaN(line)) throw new Error(`failure without a position: ${failure}`)
    return line
  })
}

function withoutComments(text: string): string {
  return text.replace(/\s+(?:#|\/\/) .*$/gm, '')
}

function isIn({ line, text }: Block, reported: number): boolean {
  return reported >= line && reported < line + text.split('\n').length
}

/** Returns the errors of blocks with their positions. */
async function check(blocks: readonly Block[]): Promise<string[]> {
  const failures: string[] = []
  for (const block of blocks) {
    const errors = [...skipReasonErrors(block.notRun), ...(await blockErrors(block))]
    failures.push(...errors.map((message) => `${block.path}:${block.line}: ${message}`))
  }
  return failures
}

async function blockErrors(block: Block): Promise<string[]> {
  const { language, text, notRun, path } = block
  switch (language) {
    case '':
    case 'text':
      return checkSynopses(text)
    case 'sh':
      return await checkShell(text)
    case 'ts':
    case 'js':
      return [] // checked together by checkTypes
    case 'typescript': // a signature
      return path.startsWith('docs/api/') ? [] : ['use the language `ts`']
    case 'json':
    case 'yaml':
      return await dataErrors(block)
    case 'python':
      return notRun === undefined
        ? ['Python is not run: add `<!-- not run: ... -->` above the block']
        : pythonErrors(text)
    default:
      return [`unknown language \`${language}\`; known: sh, ts, js, json, yaml, python, text`]
  }
}

/** Checks a configuration; a block that is not run may be other data. */
async function dataErrors({ language, text, notRun }: Block): Promise<string[]> {
  try {
    const data: unknown = language === 'json' ? JSON.parse(text) : parse(text)
    const error = notRun === undefined ? await configError(Object(data)) : undefined
    return error === undefined ? [] : [error]
  } catch (error) {
    return [(error as Error).message]
  }
}

/** Returns syntax errors of a Python program. */
function pythonErrors(text: string): string[] {
  const program = 'import ast, sys; ast.parse(sys.stdin.read())'
  const { status, stderr } = spawnSync('python3', ['-c', program], {
    input: text,
    encoding: 'utf8',
  })
  return status === 0 ? [] : [stderr.trim()]
}
