/**
 * Every code block of the README and of docs/ is done as it says, in a made-up project; what cannot be
 * done here says why, and is looked at as far as can be told: types, commands and their options, keys
 * of configurations.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test from 'ava'
import { parse } from 'yaml'
import { ROOT } from '../child.js'
import { checkShell, checkSynopses } from './command.js'
import { wrongWith } from './configuration.js'
import { type Block, PAGES, type Page, readPage } from './markdown.js'
import { createProject, type Project, removeProject } from './project.js'
import { wrongWithReason } from './reason.js'
import { runBlocks } from './runs.js'
import { type Checked, checkTypes, isProgram } from './types.js'

const MINUTES = 60_000

/** What is wrong on purpose, to show that it would be noticed. */
const BROKEN = readPage('__test__/docs/broken.md')

let checked: Checked
let project: Project

test.before('the types of all programs are checked, and a project is made', async (t) => {
  t.timeout(10 * MINUTES)
  const programs = PAGES.flatMap(({ blocks }) => blocks).filter(isProgram)
  ;[checked, project] = await Promise.all([checkTypes(programs, 'pages'), createProject()])
})

test.after.always('the project goes', () => {
  if (project !== undefined) removeProject(project)
})

test('the types of all programs are right', (t) => {
  t.deepEqual(checked.failures, [])
})

test('every command and every configuration is one', async (t) => {
  t.timeout(10 * MINUTES)
  t.deepEqual(await check(PAGES.flatMap(({ blocks }) => blocks)), [])
})

test('every command that a sentence names is one, with options that it has', (t) => {
  const wrong = (pages: readonly Page[]) =>
    pages.flatMap(({ path, commands }) =>
      commands.flatMap(({ line, text }) =>
        checkSynopses(text).map((sentence) => `${path}:${line}: ${sentence}`),
      ),
    )
  t.deepEqual(wrong(PAGES), [])
  t.is(wrong([BROKEN]).length, 2)
})

/** Pages whose blocks are run at once. */
let free = 2
const waiting: (() => void)[] = []

/** In another language a page says the same, which is done once. */
const [TRANSLATED, TRANSLATION] = ['README.md', 'README.zh-CN.md']

test(`${TRANSLATION} has the blocks of ${TRANSLATED}, comments aside`, (t) => {
  const [ours, theirs] = [TRANSLATED, TRANSLATION].map((path) =>
    PAGES.filter((page) => page.path === path)
      .flatMap(({ blocks }) => blocks)
      .map(({ language, text, notRun }) => ({ language, notRun, text: withoutComments(text) })),
  )
  t.deepEqual(theirs, ours)
})

const TO_RUN = PAGES.filter(({ path, blocks }) => path !== TRANSLATION && blocks.length > 0)
for (const { path, blocks } of TO_RUN) {
  test(`${path}: every block does what it says`, async (t) => {
    t.timeout(20 * MINUTES)
    if (free > 0) free--
    else await new Promise<void>((resolve) => waiting.push(resolve))
    try {
      t.deepEqual(await runBlocks(blocks, checked.modules, project), [])
    } finally {
      const next = waiting.shift()
      if (next === undefined) free++
      else next()
    }
  })
}

test('a block that is wrong is told of with its page and line', async (t) => {
  t.timeout(10 * MINUTES)
  const types = await checkTypes(BROKEN.blocks.filter(isProgram), 'broken')
  const seen = linesOf([...types.failures, ...(await check(BROKEN.blocks))])
  const unseen = BROKEN.blocks.filter((block) => !seen.some((line) => isIn(block, line)))
  // What looks right, and fails when it is run; the line that does has `nowhere` in it, or is the first.
  const fails = ({ line, text }: Block) =>
    line +
    Math.max(
      0,
      text.split('\n').findLastIndex((one) => one.includes('nowhere')),
    )
  t.is(unseen.length, 5)
  t.deepEqual(linesOf(await runBlocks(unseen, types.modules, project)), unseen.map(fails))
})

test('every link leads somewhere', (t) => {
  for (const { path, links } of PAGES) {
    for (const { line, target } of links) {
      if (/^[a-z]+:/.test(target)) continue
      const [file = '', anchor] = decodeURI(target).split('#')
      const there = file === '' ? path : join(dirname(path), file)
      t.true(existsSync(join(ROOT, there)), `${path}:${line}: there is no ${target}`)
      if (anchor === undefined || !there.endsWith('.md')) continue
      const page = PAGES.find((page) => page.path === there) ?? readPage(there)
      t.true(page.anchors.has(anchor), `${path}:${line}: ${there} has no heading ${anchor}`)
    }
  }
})

/** The lines that failures on the wrong page are told of. */
function linesOf(failures: readonly string[]): number[] {
  return failures.map((failure) => {
    const line = failure.startsWith(`${BROKEN.path}:`) ? Number(failure.split(':')[1]) : Number.NaN
    if (Number.isNaN(line)) throw new Error(`without a place: ${failure}`)
    return line
  })
}

function withoutComments(text: string): string {
  return text.replace(/\s+(?:#|\/\/) .*$/gm, '')
}

function isIn({ line, text }: Block, told: number): boolean {
  return told >= line && told < line + text.split('\n').length
}

/** What is wrong with blocks, with their places. */
async function check(blocks: readonly Block[]): Promise<string[]> {
  const failures: string[] = []
  for (const block of blocks) {
    const wrong = [...wrongWithReason(block.notRun), ...(await wrongIn(block))]
    failures.push(...wrong.map((sentence) => `${block.page}:${block.line}: ${sentence}`))
  }
  return failures
}

async function wrongIn(block: Block): Promise<string[]> {
  const { language, text, notRun, page } = block
  switch (language) {
    case '':
    case 'text':
      return checkSynopses(text)
    case 'sh':
      return await checkShell(text)
    case 'ts':
    case 'js':
      return [] // its types are looked at with all the others
    case 'typescript': // a signature
      return page.startsWith('docs/api/') ? [] : ['say `ts`, and it is tried']
    case 'json':
    case 'yaml':
      return await wrongInData(block)
    case 'python':
      return notRun === undefined
        ? ['Python is not run: say so in a comment above it']
        : wrongInPython(text)
    default:
      return [`nothing is known here of \`${language}\`: sh, ts, js, json, yaml, python, text are`]
  }
}

/** A configuration, unless its comment says what else it is. */
async function wrongInData({ language, text, notRun }: Block): Promise<string[]> {
  try {
    const data: unknown = language === 'json' ? JSON.parse(text) : parse(text)
    const wrong = notRun === undefined ? await wrongWith(Object(data)) : undefined
    return wrong === undefined ? [] : [wrong]
  } catch (error) {
    return [(error as Error).message]
  }
}

/** Its syntax. */
function wrongInPython(text: string): string[] {
  const program = 'import ast, sys; ast.parse(sys.stdin.read())'
  const { status, stderr } = spawnSync('python3', ['-c', program], {
    input: text,
    encoding: 'utf8',
  })
  return status === 0 ? [] : [stderr.trim()]
}
