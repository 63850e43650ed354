import { readFile } from 'node:fs/promises'
import test from 'ava'
import { addonsBom } from '../../scripts/sbom/addons.mjs'
import { packageBom } from '../../scripts/sbom/package.mjs'
import { LIBTORCH_VERSION } from '../../scripts/setup/libtorch/pins.mjs'

/** @typedef {import('../../scripts/sbom/addons.mjs').Bom} Bom */

test.before('without network', () => {
  process.env.CARGO_NET_OFFLINE = 'true'
  process.env.npm_config_offline = 'true'
})

/** @param {string} file */
async function readJson(file) {
  return JSON.parse(await readFile(new URL(`../../${file}`, import.meta.url), 'utf8'))
}

/**
 * Checks that references are unique and resolve.
 *
 * @param {import('ava').ExecutionContext} t
 * @param {Bom} bom
 */
function checkReferences(t, { bomFormat, specVersion, metadata, components, dependencies }) {
  t.deepEqual({ bomFormat, specVersion }, { bomFormat: 'CycloneDX', specVersion: '1.5' })
  const refs = [metadata.component, ...components].map((component) => component['bom-ref'])
  t.is(new Set(refs).size, refs.length)
  t.deepEqual(dependencies.map(({ ref }) => ref).sort(), refs.toSorted())
  const unknown = dependencies
    .flatMap(({ dependsOn }) => dependsOn)
    .filter((r) => !refs.includes(r))
  t.deepEqual(unknown, [])
}

test('the SBOM of the addons lists libtorch and the crates that are compiled in', async (t) => {
  const bom = await addonsBom({ name: '@residual/linux-x64-gnu', version: '0.1.0' })
  checkReferences(t, bom)
  t.is(bom.metadata.component.purl, 'pkg:npm/%40residual/linux-x64-gnu@0.1.0')
  const { components } = bom
  const libtorch = components.find(({ name }) => name === 'libtorch')
  t.is(libtorch?.version, LIBTORCH_VERSION)
  for (const { name, purl, licenses, hashes } of components) {
    if (name === 'libtorch') continue
    t.regex(purl, /^pkg:cargo\/[\w-]+@\d+\.\d+\.\d+(-[\w.]+)?(%2B[\w.-]+)?$/)
    t.regex(hashes?.[0]?.content ?? '', /^[0-9a-f]{64}$/, name)
    t.notRegex(JSON.stringify(licenses), /\//, name)
    t.is(licenses?.length, 1, name)
  }
  const names = new Set(components.map(({ name }) => name))
  for (const name of ['napi', 'image', 'tch', 'torch-sys', 'safetensors']) t.true(names.has(name))
  // A development dependency, a build dependency, a procedural macro and a crate of this workspace.
  for (const name of ['proptest', 'cc', 'serde_derive', 'residual-data']) t.false(names.has(name))
})

test('the SBOM of the npm package lists all packages that npm installs', async (t) => {
  const manifest = await readJson('package.json')
  const bom = await packageBom(manifest)
  checkReferences(t, bom)
  t.like(bom.metadata.component, { name: 'residual', version: manifest.version })
  const { packages } = await readJson('package-lock.json')
  /** @type {[string, { version: string, dev?: boolean }][]} */
  const locked = Object.entries(packages)
  const expected = locked
    .filter(([path, { dev }]) => path !== '' && !dev)
    .map(([path, { version }]) => `${path.replace(/^.*node_modules\//, '')}@${version}`)
  t.deepEqual(
    bom.components.map(({ name, version }) => `${name}@${version}`).sort(),
    [...new Set(expected)].sort(),
  )
  t.true(expected.some((name) => name.startsWith('tar@')))
})
