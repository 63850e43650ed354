import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import test from 'ava'
import { pointCloneTo, rustOs } from '../../scripts/setup/clone.mjs'
import { buildEnv } from '../../scripts/setup.mjs'

const LIBTORCH = { root: '/cache/lib "torch"', lib: '/cache/torch/lib' }
const CONFIG = join('.cargo', 'config.toml')
const LINK = join('bindings', 'npm', 'libtorch-linux-x64', 'lib')

function newClone() {
  return mkdtempSync(join(tmpdir(), 'residual-clone-'))
}

test('configures cargo and the native loader for libtorch', async (t) => {
  const root = newClone()
  await pointCloneTo(root, LIBTORCH)
  const config = readFileSync(join(root, CONFIG), 'utf8')
  t.regex(config, /^LIBTORCH = \{ value = "\/cache\/lib \\"torch\\"", force = true \}$/m)
  t.regex(config, /^runner = \["env", "LD_LIBRARY_PATH=\/cache\/torch\/lib"\]$/m)
  t.is(readlinkSync(join(root, LINK)), LIBTORCH.lib)
})

test('the runner has the condition of each platform', (t) => {
  t.deepEqual(['darwin', 'linux', 'win32'].map(rustOs), ['macos', 'linux', 'windows'])
})

test('does not rewrite an unchanged configuration, so that cargo rebuilds nothing', async (t) => {
  const root = newClone()
  await pointCloneTo(root, LIBTORCH)
  const before = lstatSync(join(root, CONFIG)).mtimeMs
  await pointCloneTo(root, LIBTORCH)
  t.is(lstatSync(join(root, CONFIG)).mtimeMs, before)
})

test('replaces the link to another libtorch, and the folder of a packed package', async (t) => {
  const root = newClone()
  mkdirSync(join(root, LINK), { recursive: true })
  writeFileSync(join(root, LINK, 'libtorch_cpu.so'), '')
  await pointCloneTo(root, { root: '/older', lib: '/older/lib' })
  await pointCloneTo(root, LIBTORCH)
  t.is(readlinkSync(join(root, LINK)), LIBTORCH.lib)
})

test('the folder of libtorch precedes the search path, which on Windows contains cargo', (t) => {
  const env = { PATH: '/cargo', LD_LIBRARY_PATH: '' }
  t.is(buildEnv(LIBTORCH, env, 'PATH').PATH, ['/cache/torch/lib', '/cargo'].join(delimiter))
  t.is(buildEnv(LIBTORCH, env, 'LD_LIBRARY_PATH').LD_LIBRARY_PATH, '/cache/torch/lib')
  t.is(buildEnv(LIBTORCH, env, 'LD_LIBRARY_PATH').PATH, '/cargo')
})

test("does not change the user's cargo configuration", async (t) => {
  const root = newClone()
  mkdirSync(join(root, '.cargo'))
  writeFileSync(join(root, CONFIG), '[net]\n')
  await pointCloneTo(root, LIBTORCH)
  t.is(readFileSync(join(root, CONFIG), 'utf8'), '[net]\n')
})
