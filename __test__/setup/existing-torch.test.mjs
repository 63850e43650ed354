import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { namedTorch, pythonTorch } from '../../scripts/setup/libtorch/existing-torch.mjs'

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

test('rejects a LIBTORCH of another version and names both versions', async (t) => {
  for (const [path, text] of [
    ['build-version', '2.10.0+cpu\n'],
    [HEADER, header('2.10.0')],
  ]) {
    const folder = folderWith({ 'lib/libtorch_cpu.so': '', [path]: text })
    const error = await t.throwsAsync(namedTorch(folder), { code: 'E_LIBTORCH' })
    t.true(error.message.startsWith(`LIBTORCH=${folder} is libtorch 2.10.0; 2.11.0 is required`))
  }
})

test('rejects a LIBTORCH that is not a libtorch', async (t) => {
  const folder = folderWith({})
  await t.throwsAsync(namedTorch(folder), { code: 'E_LIBTORCH', message: /is not a libtorch/ })
  await t.throwsAsync(namedTorch(join(folder, 'absent')), { message: /is not a libtorch/ })
})

test('rejects a LIBTORCH with a damaged library instead of crashing', async (t) => {
  const folder = folderWith({ 'lib/libtorch_cpu.so': 'not a library', [HEADER]: header('2.11.0') })
  await t.throwsAsync(namedTorch(folder), { code: 'E_LIBTORCH', message: /cannot be loaded/ })
})

test('skips a torch of Python that is missing, incomplete or of another version', async (t) => {
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
