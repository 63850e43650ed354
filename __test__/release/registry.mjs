import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * A registry on a loopback address that stores published packages in memory.
 *
 * @typedef {object} Registry
 * @property {string[]} published `name@version` in the order of publication
 * @property {string[]} tags dist-tag of each publication
 * @property {Set<string>} rejected names of packages whose publication fails
 * @property {Set<string>} unpublished names of packages of which every version was unpublished
 */

/**
 * Starts a registry, and makes it npm's registry of this process.
 *
 * @param {import('ava').ExecutionContext} t
 * @returns {Promise<Registry>}
 */
export async function startRegistry(t) {
  /** @type {Registry} */
  const registry = { published: [], tags: [], rejected: new Set(), unpublished: new Set() }
  /** @type {Map<string, { versions: Record<string, unknown> }>} */
  const packages = new Map()
  const server = createServer(async (request, response) => {
    const reply = (/** @type {number} */ status, /** @type {unknown} */ body) => {
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(JSON.stringify(body))
    }
    const name = decodeURIComponent((request.url ?? '').slice(1).replace(/\?.*/, ''))
    if (request.method === 'PUT') {
      const chunks = []
      for await (const chunk of request) chunks.push(chunk)
      const document = JSON.parse(Buffer.concat(chunks).toString('utf8'))
      if (registry.rejected.has(name)) return reply(403, { error: 'rejected by the test' })
      packages.set(name, document)
      for (const version of Object.keys(document.versions)) {
        registry.published.push(`${name}@${version}`)
      }
      registry.tags.push(...Object.keys(document['dist-tags']))
      return reply(201, { ok: true })
    }
    if (registry.unpublished.has(name)) return reply(200, { name, time: {} })
    const found = packages.get(name)
    return found === undefined ? reply(404, { error: 'not found' }) : reply(200, found)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
  const folder = mkdtempSync(join(tmpdir(), 'residual-registry-'))
  const npmrc = join(folder, 'npmrc')
  writeFileSync(npmrc, `//127.0.0.1:${port}/:_authToken=test\n`)
  Object.assign(process.env, {
    npm_config_registry: `http://127.0.0.1:${port}/`,
    npm_config_userconfig: npmrc,
    npm_config_cache: join(folder, 'cache'),
    npm_config_fetch_retries: '0',
    npm_config_update_notifier: 'false',
  })
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
    rmSync(folder, { recursive: true, force: true })
  })
  return registry
}
