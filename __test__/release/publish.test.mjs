import { readFileSync, writeFileSync } from 'node:fs'
import test from 'ava'
import {
  planProblems,
  planRelease,
  planText,
  publishOptions,
  publishSteps,
} from '../../scripts/release/plan.mjs'
import { tarballProblems } from '../../scripts/release/tarballs.mjs'
import { PLATFORMS, testPackages, writeTarball } from './packages.mjs'
import { startRegistry } from './registry.mjs'

const OPTIONS = publishOptions('1.2.3', {})
const NAMES = [
  ...['@residual/libtorch-linux-x64@1.2.3', '@residual/libtorch-darwin-arm64@1.2.3'],
  ...['@residual/linux-x64-gnu@1.2.3', '@residual/darwin-arm64@1.2.3', 'residual@1.2.3'],
]

test('dependencies precede residual, which depends on every platform package', (t) => {
  const packages = testPackages(t)
  t.deepEqual(
    packages.map(({ name, version }) => `${name}@${version}`),
    NAMES,
  )
  t.deepEqual(
    packages.at(-1)?.manifest.optionalDependencies,
    Object.fromEntries(
      Object.entries(PLATFORMS).flatMap(([name, { libtorch }]) => [
        [`@residual/${name}`, '1.2.3'],
        [`@residual/${libtorch.name}`, '1.2.3'],
      ]),
    ),
  )
})

test('a prerelease has its own dist-tag, and a workflow adds provenance', (t) => {
  t.deepEqual(publishOptions('1.2.3', {}), ['--access=public', '--tag=latest'])
  t.deepEqual(publishOptions('1.2.3-rc.0', { ACTIONS_ID_TOKEN_REQUEST_URL: 'x' }), [
    ...['--access=public', '--tag=next', '--provenance'],
  ])
})

test.serial('a release that failed half-way is completed by the same command', async (t) => {
  t.timeout(120_000)
  const registry = await startRegistry(t)
  const packages = testPackages(t)
  for (const pkg of packages) await writeTarball(pkg)
  registry.rejected.add('@residual/linux-x64-gnu')
  registry.unpublished.add('residual')

  const first = await planRelease(packages)
  t.deepEqual(
    first.map(({ action }) => action),
    NAMES.map(() => 'publish'),
  )
  /** @type {string[]} */
  const log = []
  await t.throwsAsync(
    publishSteps(first, OPTIONS, (line) => void log.push(line)),
    { message: 'npm publish of @residual/linux-x64-gnu@1.2.3 failed' },
  )
  t.deepEqual(registry.published, NAMES.slice(0, 2))

  registry.rejected.clear()
  registry.unpublished.clear()
  const second = await planRelease(packages)
  t.deepEqual(
    second.map(({ action }) => action),
    ['skip', 'skip', 'publish', 'publish', 'publish'],
  )
  await publishSteps(second, OPTIONS, (line) => void log.push(line))
  t.deepEqual(registry.published, NAMES)
  t.deepEqual([...new Set(registry.tags)], ['latest'])
  t.deepEqual(log, [
    ...NAMES.slice(0, 2).map((name) => `${name}: published`),
    ...NAMES.slice(0, 2).map((name) => `${name}: already published`),
    ...NAMES.slice(2).map((name) => `${name}: published`),
  ])
  t.true((await planRelease(packages)).every(({ action }) => action === 'skip'))

  await writeTarball(/** @type {any} */ (packages[0]), { text: 'other' })
  const conflict = await planRelease(packages)
  t.is(conflict[0]?.action, 'conflict')
  t.regex(planProblems(conflict).join(), /^@residual\/libtorch-linux-x64@1\.2\.3 is published with/)
  t.regex(planText(conflict, OPTIONS), /1 {2}@residual.* ANOTHER TARBALL IS PUBLISHED/)
  t.is(planProblems(await planRelease(packages.slice(1))).length, 0)
})

test('a complete tarball has no problem', async (t) => {
  for (const pkg of testPackages(t)) {
    const own = pkg.name === 'residual' ? ['dist/native/nvidia-driver.js'] : []
    await writeTarball(pkg, { files: [...pkg.files, ...own] })
    t.deepEqual(await tarballProblems(pkg), [])
  }
})

test('incomplete, changed and large tarballs are rejected', async (t) => {
  const [libtorch, , addons] = testPackages(t)
  if (libtorch === undefined || addons === undefined) throw new Error('no packages')
  t.deepEqual(await tarballProblems(addons), ['residual-linux-x64-gnu-1.2.3.tgz is missing'])

  await writeTarball(addons, { files: ['LICENSE', 'README.md', 'residual.node'] })
  t.deepEqual(await tarballProblems(addons), [
    'residual-linux-x64-gnu-1.2.3.tgz lacks THIRD-PARTY-NOTICES.txt, residual-torch.node, ' +
      'residual-cuda.so',
  ])

  await writeTarball({ ...addons, manifest: { ...addons.manifest, version: '1.2.2' } })
  t.deepEqual(await tarballProblems(addons), [
    'residual-linux-x64-gnu-1.2.3.tgz was packed with another package.json: pack it again',
  ])

  await writeTarball(addons, { text: '\0GLIBC_2.28\0GLIBCXX_3.4.25\0GLIBC_2.34\0' })
  t.deepEqual(
    (await tarballProblems(addons)).map((problem) => problem.replace(/^\S+ /, '')).sort(),
    ['residual-cuda.so', 'residual-torch.node', 'residual.node'].map(
      (file) => `${file} needs GLIBC_2.34: pack it without --no-build`,
    ),
  )

  await writeTarball(libtorch, { files: [...libtorch.files, 'lib/libnvpl_blas_core.so.0'] })
  t.deepEqual(await tarballProblems(libtorch), [
    "residual-libtorch-linux-x64-1.2.3.tgz contains NVIDIA's libraries: pack PyTorch's CPU build " +
      'of libtorch',
  ])

  await writeTarball(libtorch)
  const size = readFileSync(libtorch.tarball).length / 2 ** 20
  t.deepEqual(await tarballProblems(libtorch, size), [])
  t.regex((await tarballProblems(libtorch, size / 2)).join(), /has 0\.0 MiB, more than 0\.000/)

  writeFileSync(libtorch.tarball, 'no archive')
  t.regex((await tarballProblems(libtorch)).join(), /^residual-libtorch.* cannot be read: /)
})
