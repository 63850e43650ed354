/**
 * Every code block of the README and of docs/, as far as can be told without doing what it says: types,
 * commands and their options, keys of configurations. Nothing is trained.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test from 'ava'
import { parse } from 'yaml'
import { ROOT } from '../child.js'
import { checkShell, checkSynopses } from './command.js'
import { wrongWith } from './configuration.js'
import { type Block, PAGES, readPage } from './markdown.js'
import { checkTypes, isProgram } from './types.js'

const MINUTES = 60_000

/** What is wrong on purpose, to show that it would be noticed. */
const BROKEN = readPage('__test__/docs/broken.md')

test('the types of all programs are right', async (t) => {
  t.timeout(10 * MINUTES)
  t.deepEqual(await checkTypes(blocksOf(PAGES).filter(isProgram), 'pages'), [])
})

test('every command and every configuration is one', async (t) => {
  t.timeout(10 * MINUTES)
  t.deepEqual(await check(blocksOf(PAGES)), [])
})

test('a block that is wrong is told of with its page and line', async (t) => {
  t.timeout(10 * MINUTES)
  const types = await checkTypes(BROKEN.blocks.filter(isProgram), 'broken')
  const failures = [...types, ...(await check(BROKEN.blocks))]
  const lines = failures.map((failure) => Number(/^[^:]+:(\d+): /.exec(failure)?.[1]))
  for (const { line, text } of BROKEN.blocks) {
    const end = line + text.split('\n').length
    const isTold = lines.some((told) => told >= line && told < end)
    t.true(isTold, `nobody has noticed the fault at ${BROKEN.path}:${line}`)
  }
  t.true(lines.every(Boolean), failures.join('\n'))
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

function blocksOf(pages: readonly { blocks: Block[] }[]): Block[] {
  return pages.flatMap(({ blocks }) => blocks)
}

/** What is wrong with blocks, with their places. */
async function check(blocks: readonly Block[]): Promise<string[]> {
  const failures: string[] = []
  for (const block of blocks) {
    const wrong = await wrongIn(block)
    failures.push(...wrong.map((sentence) => `${block.page}:${block.line}: ${sentence}`))
  }
  return failures
}

async function wrongIn(block: Block): Promise<string[]> {
  const { language, text, notRun, page } = block
  if (notRun === '') return ['the comment above it does not say why it is not run']
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
      return wrongInPython(text)
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
