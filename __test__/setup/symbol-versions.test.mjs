import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { isNewer } from '../../scripts/build/release-target.mjs'
import { newerSymbolVersions } from '../../scripts/pack/symbol-versions.mjs'
import { run } from '../../scripts/setup/command.mjs'
import { findLibtorch } from '../../scripts/setup/libtorch/libtorch.mjs'
import { PLATFORM } from '../../scripts/setup/platform.mjs'

const onLinux = PLATFORM.minGlibc === undefined ? test.skip : test

/**
 * Compiles a library whose only function refers to a symbol of a version.
 *
 * @param {import('ava').ExecutionContext} t
 * @param {string} symbol such as `exp@GLIBC_2.29`
 */
async function libraryWith(t, symbol) {
  const folder = mkdtempSync(join(tmpdir(), 'residual-test-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const [source, library] = [join(folder, 'a.c'), join(folder, 'a.so')]
  const [name] = symbol.split('@')
  writeFileSync(
    source,
    `__asm__(".symver ${name}_old,${symbol}");
     double ${name}_old(double);
     double call(double x) { return ${name}_old(x); }`,
  )
  const { status, stderr } = await run('cc', ['-shared', '-fPIC', source, '-lm', '-o', library])
  if (status !== 0) throw new Error(stderr)
  return library
}

onLinux('names the symbols that the oldest supported Linux lacks', async (t) => {
  t.deepEqual(await newerSymbolVersions(await libraryWith(t, 'exp@GLIBC_2.29')), ['GLIBC_2.29'])
  t.deepEqual(await newerSymbolVersions(await libraryWith(t, 'exp@GLIBC_2.2.5')), [])
  await t.throwsAsync(newerSymbolVersions('/missing.so'), {
    message: /readelf \/missing.so failed/,
  })
})

onLinux('libtorch loads on the oldest supported Linux', async (t) => {
  const libtorch = await findLibtorch()
  const library = join(libtorch?.lib ?? '', PLATFORM.libtorch.library)
  t.deepEqual(await newerSymbolVersions(library), [])
})

test('versions are compared by their numbers', (t) => {
  t.true(isNewer('2.36', '2.28'))
  t.true(isNewer('3.4.30', '3.4.9'))
  t.false(isNewer('2.28', '2.28'))
  t.false(isNewer('2.9', '2.28'))
})
