import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { namedTorch, pythonTorch } from '../../scripts/setup/found.mjs'

/** @param {Record<string, string>} files */
function folderWith(files) {
  const folder = mkdtempSync(join(tmpdir(), 'residual-found-'))
  mkdirSync(join(folder, 'lib'))
  mkdirSync(join(folder, 'include', 'torch', 'headeronly'), { recursive: true })
  for (const [path, text] of Object.entries(files)) writeFileSync(join(folder, path), text)
  return folder
}

const HEADER = 'include/torch/headeronly/version.h'

/** @param {string} version */
function header(version) {
  const [major, minor, patch] = version.split('.')
  return `#define TORCH_VERSION_MAJOR ${major}
#define TORCH_VERSION_MINOR ${minor}
#define TORCH_VERSION_PATCH ${patch}
`
}

test('LIBTORCH naming another version is an error that names both', async (t) => {
  for (const [path, text] of [
    ['build-version', '2.10.0+cpu\n'],
    [HEADER, header('2.10.0')],
  ]) {
    const folder = folderWith({ 'lib/libtorch_cpu.so': '', [path]: text })
    const error = await t.throwsAsync(namedTorch(folder), { code: 'E_LIBTORCH' })
    t.true(error.message.startsWith(`LIBTORCH=${folder} is libtorch 2.10.0; 2.11.0 is needed`))
  }
})

test('LIBTORCH naming something else is an error that names it', async (t) => {
  const folder = folderWith({})
  await t.throwsAsync(namedTorch(folder), { code: 'E_LIBTORCH', message: /is no libtorch/ })
  await t.throwsAsync(namedTorch(join(folder, 'absent')), { message: /is no libtorch/ })
})

test('LIBTORCH with a damaged library is an error, not a crash', async (t) => {
  const folder = folderWith({ 'lib/libtorch_cpu.so': 'not a library', [HEADER]: header('2.11.0') })
  await t.throwsAsync(namedTorch(folder), { code: 'E_LIBTORCH', message: /cannot be loaded/ })
})

test("Python's torch is passed over when it is absent, another version or incomplete", async (t) => {
  const incomplete = folderWith({})
  for (const [status, stdout] of /** @type {const} */ ([
    [127, ''],
    [1, ''],
    [0, `2.10.0+cpu\n${incomplete}\n`],
    [0, `2.11.0+cpu\n${incomplete}\n`],
  ])) {
    t.is(await pythonTorch(async () => ({ status, stdout, stderr: '' })), undefined)
  }
})
