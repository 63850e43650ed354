import { UrlError } from '../../download/download-error.js'
import {
  drain,
  type HttpClient,
  isTransient,
  type RetryOptions,
  type RetryPolicy,
  retryAfter,
  withRetries,
} from '../../download/http.js'

/** A file that an index lists. */
export interface IndexedFile {
  url: string
  /** SHA-256 in hexadecimal; undefined if the index does not state it. */
  sha256: string | undefined
  /** Size in bytes; undefined if the index does not state it. */
  bytes: number | undefined
}

/** Maximum size of a page: the largest pages of public indexes have 5 MB. */
const MAX_PAGE_BYTES = 64 << 20

const JSON_TYPE = 'application/vnd.pypi.simple.v1+json'
const ACCEPT = `${JSON_TYPE}, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1`

/**
 * Lists the files of a project in a package index (PEP 503 and PEP 691), by name.
 *
 * @param index URL of the index without credentials
 * @throws {UrlError}
 */
export async function listProject(
  http: HttpClient,
  policy: RetryPolicy,
  index: string,
  project: string,
  options: RetryOptions = {},
): Promise<Map<string, IndexedFile>> {
  return await listPage(http, policy, `${index.replace(/\/*$/, '')}/${project}/`, options)
}

/**
 * Lists the files that a page of an index, or any other HTML page, links to.
 *
 * @throws {UrlError}
 */
export async function listPage(
  http: HttpClient,
  policy: RetryPolicy,
  url: string,
  options: RetryOptions = {},
): Promise<Map<string, IndexedFile>> {
  return await withRetries(url, policy, options, async () => {
    const response = await http.get(url, { accept: ACCEPT }, options.signal)
    if (response.status !== 200) {
      await drain(response.body)
      throw new UrlError(`the server answered ${response.status}`, {
        canRetry: isTransient(response.status),
        retryAfter: retryAfter(response.header),
      })
    }
    const length = Number(response.header('content-length') ?? Number.NaN)
    const text = await readText(response.body, length)
    const isJson = (response.header('content-type') ?? '').includes('json')
    return isJson ? parseJson(text, response.url) : parseHtml(text, response.url)
  })
}

/** Reads a body of limited size; fails if it ends before `length` bytes, unless that is NaN. */
async function readText(body: AsyncIterable<Uint8Array>, length: number): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > MAX_PAGE_BYTES) throw new UrlError(`the page has more than ${MAX_PAGE_BYTES} bytes`)
    chunks.push(chunk)
  }
  if (bytes < length) {
    throw new UrlError(`the connection broke after ${bytes} of ${length} bytes`, { canRetry: true })
  }
  return Buffer.concat(chunks).toString('utf8')
}

function parseJson(text: string, base: URL): Map<string, IndexedFile> {
  const files = new Map<string, IndexedFile>()
  let listed: unknown
  try {
    listed = JSON.parse(text).files
  } catch {
    throw new UrlError('the page is not valid JSON')
  }
  if (!Array.isArray(listed)) throw new UrlError('the page lists no files')
  for (const entry of listed) {
    const { filename, url, hashes, size } = entry ?? {}
    const link = resolveLink(String(url), base)
    if (link === undefined || typeof filename !== 'string') continue
    const sha256 = typeof hashes?.sha256 === 'string' ? hashes.sha256.toLowerCase() : undefined
    files.set(filename, {
      url: link.href,
      sha256,
      bytes: typeof size === 'number' ? size : undefined,
    })
  }
  return files
}

function parseHtml(text: string, base: URL): Map<string, IndexedFile> {
  const files = new Map<string, IndexedFile>()
  for (const [, double, single] of text.matchAll(
    /<a\s[^>]*?href\s*=\s*(?:"([^"]*)"|'([^']*)')/gi,
  )) {
    const link = resolveLink(unescapeHtml(double ?? single ?? ''), base)
    if (link === undefined) continue
    const sha256 = /^#sha256=([0-9a-f]{64})$/i.exec(link.hash)?.[1]?.toLowerCase()
    link.hash = ''
    const name = decodeName(link.pathname.split('/').at(-1) ?? '')
    if (name !== undefined) files.set(name, { url: link.href, sha256, bytes: undefined })
  }
  return files
}

/** Resolves a link. Returns undefined for other protocols, and for HTTP on a page of HTTPS. */
function resolveLink(href: string, base: URL): URL | undefined {
  try {
    const url = new URL(href, base)
    const isSafe =
      url.protocol === 'https:' || (url.protocol === 'http:' && base.protocol === 'http:')
    return isSafe ? url : undefined
  } catch {
    return undefined
  }
}

function decodeName(name: string): string | undefined {
  try {
    return decodeURIComponent(name)
  } catch {
    return undefined
  }
}

function unescapeHtml(text: string): string {
  return text
    .replaceAll('&quot;', '"')
    .replaceAll('&#x27;', "'")
    .replaceAll('&#43;', '+')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&')
}
