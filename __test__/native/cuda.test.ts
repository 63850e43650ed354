import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { assertCudaLoaded, cudaLoadError } from '#dist/native/cuda.js'
import { requestedDevice } from '#dist/native/device.js'
import { script } from '../child.js'
import { tempFolder } from '../tiny.js'

const nothingMissing = () => undefined

test('requestedDevice returns the configured device, and auto for anything else', (t) => {
  t.is(requestedDevice({ device: 'cuda' }), 'cuda')
  t.is(requestedDevice({ device: 'cpu' }), 'cpu')
  for (const config of [{}, null, undefined, 'cpu', { device: 'auto' }, { device: 7 }])
    t.is(requestedDevice(config), 'auto')
})

test('a libtorch_cuda that fails to load is reported with its file and a hint', async (t) => {
  const root = tempFolder(t)
  mkdirSync(join(root, 'lib'))
  for (const name of ['libtorch_cpu.so', 'libtorch_cuda.so']) {
    writeFileSync(join(root, 'lib', name), 'not a library')
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
  t.regex(hint, /setup --cuda --verify/)
  t.is(at.file, join(root, 'lib', 'libtorch_cuda.so'))
})

test('CUDA that failed to load is an error only when CUDA is requested', (t) => {
  const failed = { state: 'failed', error: cudaLoadError('damaged file', '/x.so') } as const
  t.throws(() => assertCudaLoaded('cuda', failed, nothingMissing), { message: /damaged file/ })
  t.notThrows(() => assertCudaLoaded('auto', failed, nothingMissing))
  t.notThrows(() => assertCudaLoaded('cpu', failed, nothingMissing))
})

test('a process that loaded libtorch for the CPU rejects a later request for CUDA', (t) => {
  const off = { state: 'off', requested: false } as const
  const error = t.throws(() => assertCudaLoaded('cuda', off, nothingMissing))
  t.like(error, { code: 'E_DEVICE', at: { key: 'device' } })
  t.regex(error?.message ?? '', /loaded libtorch with `device: 'cpu'`/)
  const noGpu = () => ({ detail: 'no GPU', isPartial: false })
  t.notThrows(() => assertCudaLoaded('cuda', off, noGpu))
  t.notThrows(() => assertCudaLoaded('cuda', { state: 'loaded' }, nothingMissing))
})
