import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ConnectionOptions } from '../../download/http.js'
import { redactUrl } from '../../download/redact-url.js'
import { ResidualError } from '../../errors/errors.js'
import { homeDir } from '../../native/cache-dirs.js'
import { hostSystem, type System } from '../../native/system.js'
import { readNetrc } from './netrc.js'
import { readPipConfig } from './pip-config.js'
import type { PythonEnvironment } from './python-environment.js'

/** Sources of wheels, which are searched in this order: folders, pages, indexes. */
export interface WheelSources {
  folders: string[]
  /** URLs of web pages that link to wheels. */
  pages: string[]
  /** URLs of package indexes, without credentials. */
  indexes: string[]
  connection: ConnectionOptions
}

/** The index of PyTorch, which also has the libraries of NVIDIA. */
const PYTORCH_INDEX = 'https://download.pytorch.org/whl/cu130'

interface SourceRequest {
  /** Index that replaces those of pip's configuration. */
  indexUrl?: string | undefined
  pythons: readonly PythonEnvironment[]
  system?: System
  env?: NodeJS.ProcessEnv
}

/**
 * Returns the sources of wheels: `indexUrl`, otherwise those of pip's configuration. Without an
 * index in that configuration, pip's default index is used if pip is installed, and then PyTorch's
 * index.
 *
 * @throws {ResidualError} `E_USAGE` for an index that is not an HTTP URL
 */
export function resolveWheelSources(request: SourceRequest): WheelSources {
  const { indexUrl, pythons, system = hostSystem, env = process.env } = request
  const home = env.HOME || homeDir()
  const pip = readPipConfig(system, { env, home, prefix: pythons[0]?.prefix })
  const netrc = env.NETRC || (home && join(home, '.netrc'))
  const authorization = readNetrc((netrc && system.read(netrc)) ?? '')
  const withoutCredentials = (text: string, key: string) =>
    takeCredentials(text, key, authorization).href
  const configured = [...(pip.indexUrl === undefined ? [] : [pip.indexUrl]), ...pip.extraIndexUrls]
  const fallbacks =
    pip.indexUrl === undefined
      ? [...pythons.flatMap(({ defaultIndex }) => defaultIndex ?? []), PYTORCH_INDEX]
      : []
  const indexes =
    indexUrl !== undefined
      ? [withoutCredentials(indexUrl, '--index-url')]
      : pip.noIndex
        ? []
        : [...configured.map((url) => withoutCredentials(url, 'index-url of pip')), ...fallbacks]
  const links = indexUrl === undefined ? pip.findLinks : []
  const isPage = (link: string) => /^https?:/i.test(link)
  return {
    folders: links.filter((link) => !isPage(link)).map((link) => toFolder(link, home)),
    pages: links.filter(isPage).map((url) => withoutCredentials(url, 'find-links of pip')),
    indexes: [...new Set(indexes)],
    connection: {
      authorization,
      proxy: pip.proxy === undefined || /:\/\//.test(pip.proxy) ? pip.proxy : `http://${pip.proxy}`,
      ca: pip.cert && system.read(expandHome(pip.cert, home)),
    },
  }
}

/** Removes user and password from a URL, and adds them to the headers of its origin. */
function takeCredentials(text: string, key: string, authorization: Map<string, string>): URL {
  let url: URL
  try {
    url = new URL(text)
    if (url.protocol !== 'https:' && url.protocol !== 'http:') throw new Error('not HTTP')
  } catch {
    throw new ResidualError({
      code: 'E_USAGE',
      message: `${key} must be an http or https URL, not ${JSON.stringify(redactUrl(text))}`,
      at: { key },
      hint: 'Pass the URL of a package index that pip could use, such as https://host/simple.',
    })
  }
  const { username, password } = url
  if (username !== '') {
    const user = `${decodePercent(username)}:${decodePercent(password)}`
    authorization.set(url.origin, `Basic ${Buffer.from(user).toString('base64')}`)
  }
  url.username = ''
  url.password = ''
  return url
}

/** Decodes percent-encoded text; returns other text, such as `50%`, as it is. */
function decodePercent(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function toFolder(link: string, home: string | undefined): string {
  try {
    return /^file:/i.test(link) ? fileURLToPath(link) : resolve(expandHome(link, home))
  } catch {
    return link
  }
}

/** Replaces `~` at the beginning of a path, as pip does in its configuration. */
function expandHome(path: string, home: string | undefined): string {
  return home === undefined ? path : path.replace(/^~(?=\/|$)/, () => home)
}
