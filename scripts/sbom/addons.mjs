import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { linkedCrates } from '../pack/linked-crates.mjs'
import { LIBTORCH_VERSION } from '../setup/libtorch/pins.mjs'
import { ROOT } from '../setup.mjs'

/** @typedef {import('../pack/linked-crates.mjs').Crate} Crate */
/** @typedef {import('../pack/tarball.mjs').Manifest} Manifest */

/**
 * A component in the notation of CycloneDX.
 *
 * @typedef {{ type: string, name: string, version: string, purl: string, 'bom-ref': string,
 *   licenses?: ({ expression: string } | { license: { id: string } })[],
 *   hashes?: { alg: string, content: string }[],
 *   externalReferences?: { type: string, url: string }[] }} Component
 */

/**
 * A bill of materials in the notation of CycloneDX 1.5.
 *
 * @typedef {{ bomFormat: string, specVersion: string,
 *   metadata: { timestamp?: string, component: Component }, components: Component[],
 *   dependencies: { ref: string, dependsOn: string[] }[] }} Bom
 */

/**
 * libtorch is published as part of PyTorch, under whose name advisories are published too.
 *
 * @type {Component}
 */
const LIBTORCH = {
  type: 'library',
  name: 'libtorch',
  version: LIBTORCH_VERSION,
  purl: `pkg:pypi/torch@${LIBTORCH_VERSION}`,
  'bom-ref': `pkg:pypi/torch@${LIBTORCH_VERSION}`,
  licenses: [{ expression: 'BSD-3-Clause' }],
  externalReferences: [{ type: 'website', url: 'https://pytorch.org' }],
}

/**
 * Returns the bill of materials of the addons: the crates that are compiled into them, and the
 * libtorch that they load.
 *
 * @param {Manifest} manifest package.json of the package that contains the addons
 * @returns {Promise<Bom & Record<string, unknown>>}
 */
export async function addonsBom({ name, version }) {
  const [{ crates, dependencies }, checksums] = await Promise.all([linkedCrates(), readChecksums()])
  const purls = new Map(crates.map((crate) => [crate.id, cratePurl(crate)]))
  const toPurls = (/** @type {readonly string[]} */ ids) =>
    ids.flatMap((id) => purls.get(id) ?? []).sort()
  const own = [...dependencies].filter(([id]) => !purls.has(id)).flatMap(([, ids]) => ids)
  const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`
  return {
    $schema: 'http://cyclonedx.org/schema/bom-1.5.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    serialNumber: `urn:uuid:${randomUUID()}`,
    version: 1,
    metadata: {
      timestamp: new Date().toISOString(),
      component: { type: 'library', name, version, purl, 'bom-ref': purl },
    },
    components: [...crates.map((crate) => crateComponent(crate, checksums)), LIBTORCH],
    dependencies: [
      { ref: purl, dependsOn: [...toPurls([...new Set(own)]), LIBTORCH.purl] },
      ...crates.map(({ id }) => ({
        ref: purls.get(id) ?? '',
        dependsOn: toPurls(dependencies.get(id) ?? []),
      })),
      { ref: LIBTORCH.purl, dependsOn: [] },
    ],
  }
}

/**
 * @param {Crate} crate
 * @param {ReadonlyMap<string, string>} checksums
 * @returns {Component}
 */
function crateComponent(crate, checksums) {
  const { name, version, license, repository } = crate
  const purl = cratePurl(crate)
  const checksum = checksums.get(purl)
  return {
    type: 'library',
    name,
    version,
    purl,
    'bom-ref': purl,
    // Before SPDX expressions, crates.io used a slash for a choice.
    ...(license && { licenses: [{ expression: license.replace(/ ?\/ ?/g, ' OR ') }] }),
    ...(checksum && { hashes: [{ alg: 'SHA-256', content: checksum }] }),
    ...(repository && { externalReferences: [{ type: 'vcs', url: repository }] }),
  }
}

/**
 * Returns the package URL of a crate.
 *
 * @param {Pick<Crate, 'name' | 'version'>} crate
 */
function cratePurl({ name, version }) {
  return `pkg:cargo/${name}@${version.replaceAll('+', '%2B')}`
}

/**
 * Reads the SHA-256 of each crate from Cargo.lock.
 *
 * @returns {Promise<Map<string, string>>} by package URL
 */
async function readChecksums() {
  const lockfile = await readFile(join(ROOT, 'Cargo.lock'), 'utf8')
  const entry = /^name = "(.+)"\nversion = "(.+)"\nsource = .*\nchecksum = "(.+)"$/gm
  return new Map(
    [...lockfile.matchAll(entry)].map(([, name = '', version = '', checksum = '']) => [
      cratePurl({ name, version }),
      checksum,
    ]),
  )
}
