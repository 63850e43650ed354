import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { deviceIn, refuseLost, unusable } from '#dist/native/cuda.js'
import { script } from '../child.js'
import { folder } from '../tiny.js'

/** No step to CUDA is missing. */
const none = () => undefined

test('the device is what the configuration says, and else whatever can be had', (t) => {
  t.is(deviceIn({ device: 'cuda' }), 'cuda')
  t.is(deviceIn({ device: 'cpu' }), 'cpu')
  for (const said of [{}, null, undefined, 'cpu', { device: 'auto' }, { device: 7 }])
    t.is(deviceIn(said), 'auto')
})

test('a libtorch_cuda that cannot be loaded is told with its file and what to do', async (t) => {
  const root = folder(t)
  mkdirSync(join(root, 'lib'))
  for (const name of ['libtorch_cpu.so', 'libtorch_cuda.so']) {
    writeFileSync(join(root, 'lib', name), 'no library')
  }
  const program = `
    import { loadCuda } from '#dist/native/cuda.js'
    const { state, error } = loadCuda('auto', '/proc/self/exe', () => undefined)
    console.log(JSON.stringify({ state, code: error?.code, message: error?.message, hint: error?.hint, at: error?.at }))`
  const { stdout, stderr } = await script(program, { env: { RESIDUAL_LIBTORCH: root } })
  t.is(stderr, '')
  const { state, code, message, hint, at } = JSON.parse(stdout)
  t.deepEqual([state, code], ['failed', 'E_DEVICE'])
  t.regex(message, /^CUDA could not be loaded: .*libtorch_cuda\.so/)
  t.regex(hint, /PyTorch 2\.11\.0 for CUDA 13/)
  t.is(at.file, join(root, 'lib', 'libtorch_cuda.so'))
})

test('a failure of CUDA is an error only where CUDA was asked for', (t) => {
  const failed = { state: 'failed', error: unusable('it is broken', '/x.so') } as const
  t.throws(() => refuseLost('cuda', failed, none), { message: /it is broken/ })
  t.notThrows(() => refuseLost('auto', failed, none))
  t.notThrows(() => refuseLost('cpu', failed, none))
})

test('a process that began on the CPU by its own wish cannot change to CUDA, and says so', (t) => {
  const off = { state: 'off', asked: false } as const
  const error = t.throws(() => refuseLost('cuda', off, none))
  t.like(error, { code: 'E_DEVICE', at: { key: 'device' } })
  t.regex(error?.message ?? '', /has begun with `device: 'cpu'`/)
  t.notThrows(() => refuseLost('cuda', off, () => ({ found: 'no GPU', begun: false })))
  t.notThrows(() => refuseLost('cuda', { state: 'loaded' }, none))
})
