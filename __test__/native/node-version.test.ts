import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { describeUnsupportedNode } from '#dist/native/node-version.js'
import { node, ROOT } from '../child.js'

/** Source of a module that makes this Node claim to be version 18. */
const NODE_18 = `data:text/javascript,Object.defineProperty(process, 'versions', {
  value: { ...process.versions, node: '18.20.8' } })`
const MESSAGE = 'residual needs Node 20.19 or later, this is 18.20.8'

const versions = (more: object) => ({ ...process.versions, ...more })

test('versions of Node below `engines` are not supported', (t) => {
  const { engines } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  t.is(engines.node, '>=20.19')
  for (const version of ['20.19.0', '22.0.0', process.versions.node]) {
    t.is(describeUnsupportedNode(versions({ node: version })), undefined)
  }
  t.is(describeUnsupportedNode(versions({ node: '18.20.8' })), MESSAGE)
  t.regex(describeUnsupportedNode(versions({ node: '20.18.3' })) ?? '', /this is 20\.18\.3$/)
  t.is(describeUnsupportedNode(versions({ node: '20.18.3', electron: '33.0.0' })), undefined)
})

test('the command and the import name the version that is needed', async (t) => {
  const command = await node(['--import', NODE_18, join(ROOT, 'dist/cli/main.js'), 'doctor'])
  t.is(command.status, 3)
  t.true(command.stderr.startsWith(`error: ${MESSAGE}\n`), command.stderr)
  const program = "import 'residual'"
  const args = ['--import', NODE_18, '--input-type=module', '--eval', program]
  const imported = await node(args)
  t.true(imported.stderr.includes(`ResidualError: ${MESSAGE}`), imported.stderr)
})

test('no module has an import whose linking fails in Node 18 before the version is checked', (t) => {
  const files = readdirSync(join(ROOT, 'dist'), { recursive: true, encoding: 'utf8' })
  const modules = files.filter((file) => file.endsWith('.js'))
  t.true(modules.length > 100)
  for (const file of modules) {
    t.notRegex(
      readFileSync(join(ROOT, 'dist', file), 'utf8'),
      /import \{.*\bcrc32\b.*node:zlib/,
      file,
    )
  }
})
