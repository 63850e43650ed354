import { fileURLToPath } from 'node:url'
import { ResidualError } from '../../errors/errors.js'

/** A scheme with an authority, such as `https://`. A Windows drive (`C:\`) does not match. */
const URL_SCHEME = /^([a-z][a-z0-9+.-]+):\/\//i

/**
 * Returns the scheme of a URL, without the colon; undefined for a path.
 *
 * @param input a path, a URL or the text of a URL
 */
export function urlScheme(input: string | URL): string | undefined {
  if (typeof input !== 'string') return input.protocol.slice(0, -1)
  const scheme = /^(data|blob):/i.exec(input) ?? URL_SCHEME.exec(input)
  return scheme?.[1]?.toLowerCase()
}

/** Whether a value is a `URL`, also one of another realm (`vm`), such as that of a test runner. */
export function isUrl(value: unknown): value is URL {
  if (value instanceof URL) return true
  return Object.prototype.toString.call(value) === '[object URL]'
}

/**
 * Converts a `file:` URL to a path.
 *
 * @param key name of the argument, for the error message
 * @throws {ResidualError} `E_USAGE` for a URL of another host, or with encoded slashes
 */
export function convertFileUrl(url: string | URL, key: string): string {
  try {
    return fileURLToPath(String(url))
  } catch (cause) {
    throw new ResidualError(
      {
        code: 'E_USAGE',
        message: `\`${key}\` is not the URL of a file on this machine: ${(cause as Error).message}`,
        at: { key },
        hint: 'Pass a path, or a URL of the form file:///folder/file.',
      },
      { cause },
    )
  }
}

/**
 * Decodes a `data:` URL.
 *
 * @param key name of the argument, for the error message
 * @throws {ResidualError} `E_USAGE` for a URL without a comma
 */
export function decodeDataUrl(url: string | URL, key: string): Buffer {
  const text = String(url)
  const comma = text.indexOf(',')
  if (comma < 0) {
    throw new ResidualError({
      code: 'E_USAGE',
      message: `\`${key}\` is a data: URL without a comma before its content`,
      at: { key },
      hint: 'Pass a URL of the form data:image/png;base64,CONTENT.',
    })
  }
  const content = text
    .slice(comma + 1)
    .replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
  const isBase64 = /;\s*base64\s*$/i.test(text.slice(0, comma))
  return Buffer.from(content, isBase64 ? 'base64' : 'latin1')
}
