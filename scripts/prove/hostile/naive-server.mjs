// A dashboard without any protection, to which the attacks are applied as a negative control.

import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { serve } from './http-server.mjs'
import { SECRET } from './requests.mjs'

/**
 * Starts the server.
 *
 * @param {string} folder folder of the runs
 */
export async function serveNaively(folder) {
  return await serve(async ({ url = '/' }, response) => {
    if (!URL.canParse(url, 'http://x')) return void response.end()
    const { pathname, searchParams } = new URL(url, 'http://x')
    response.setHeader('Access-Control-Allow-Origin', '*')
    if (pathname === '/api/runs') return void response.end(JSON.stringify({ runs: [SECRET] }))
    if (pathname === '/' || pathname === '/report') {
      response.setHeader('Content-Type', 'text/html')
      // Names are written into the page as they are.
      const script =
        'document.body.innerHTML = decodeURIComponent(location.hash.slice(5).replaceAll("+", " "))'
      return void response.end(
        `<!doctype html><body>${searchParams.get('run') ?? ''}<script>${script}
        addEventListener('hashchange', () => { ${script} })<\x2fscript>`,
      )
    }
    const path = join(folder, decode(url.split('?')[0]))
    response.end(await readFile(resolve(path)).catch(() => ''))
  })
}

/**
 * Decodes a path as far as possible.
 *
 * @param {string} path
 */
function decode(path) {
  return path.replaceAll('%2f', '/').replaceAll('%2e', '.').replaceAll('%5c', '/')
}
