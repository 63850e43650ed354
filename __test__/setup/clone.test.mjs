import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { pointCloneTo } from '../../scripts/setup/clone.mjs'

const LIBTORCH = { root: '/cache/lib "torch"', lib: '/cache/torch/lib' }
const CONFIG = join('.cargo', 'config.toml')
const LINK = join('bindings', 'npm', 'libtorch-linux-x64', 'lib')

function newClone() {
  return mkdtempSync(join(tmpdir(), 'residual-clone-'))
}

test('cargo and the native loader are told where libtorch is', async (t) => {
  const root = newClone()
  await pointCloneTo(root, LIBTORCH)
  const config = readFileSync(join(root, CONFIG), 'utf8')
  t.regex(config, /^LIBTORCH = \{ value = "\/cache\/lib \\"torch\\"", force = true \}$/m)
  t.regex(config, /^runner = \["env", "LD_LIBRARY_PATH=\/cache\/torch\/lib"\]$/m)
  t.is(readlinkSync(join(root, LINK)), LIBTORCH.lib)
})

test('nothing is touched when it is right, so that cargo rebuilds nothing', async (t) => {
  const root = newClone()
  await pointCloneTo(root, LIBTORCH)
  const before = lstatSync(join(root, CONFIG)).mtimeMs
  await pointCloneTo(root, LIBTORCH)
  t.is(lstatSync(join(root, CONFIG)).mtimeMs, before)
})

test("another libtorch replaces the one before, and a packed package's folder", async (t) => {
  const root = newClone()
  mkdirSync(join(root, LINK), { recursive: true })
  writeFileSync(join(root, LINK, 'libtorch_cpu.so'), '')
  await pointCloneTo(root, { root: '/older', lib: '/older/lib' })
  await pointCloneTo(root, LIBTORCH)
  t.is(readlinkSync(join(root, LINK)), LIBTORCH.lib)
})

test('a cargo configuration of the user stays', async (t) => {
  const root = newClone()
  mkdirSync(join(root, '.cargo'))
  writeFileSync(join(root, CONFIG), '[net]\n')
  await pointCloneTo(root, LIBTORCH)
  t.is(readFileSync(join(root, CONFIG), 'utf8'), '[net]\n')
})
