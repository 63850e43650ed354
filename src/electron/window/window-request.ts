import { types } from 'node:util'
import { ResidualError } from '../../errors/errors.js'

/** A request of a page after validation. */
export type WindowRequest =
  | { method: 'subscribe' | 'pause' | 'resume' | 'stop' }
  | { method: 'train' | 'exportModel'; request: unknown }
  | { method: 'predict'; image: Uint8Array; config: Record<string, unknown> | undefined }

/** Maximum size of an image file, in bytes. */
const MAX_IMAGE_BYTES = 64 * 2 ** 20

const METHODS = ['subscribe', 'train', 'pause', 'resume', 'stop', 'predict', 'exportModel']

/**
 * Validates a request that a page sent.
 *
 * @throws {ResidualError} `E_USAGE`
 */
export function parseWindowRequest(message: unknown): WindowRequest {
  const { method, args } = (message ?? {}) as { method?: unknown; args?: unknown }
  if (typeof method !== 'string' || !METHODS.includes(method) || !Array.isArray(args)) {
    throw refused('the request is not one of the bridge', `Use ${METHODS.join(', ')}.`)
  }
  switch (method as WindowRequest['method']) {
    case 'train':
    case 'exportModel':
      checkLength(method, args, 1)
      return { method: method as 'train', request: args[0] }
    case 'predict':
      checkLength(method, args, 2)
      return { method: 'predict', image: toImage(args[0]), config: toConfig(args[1]) }
    default:
      checkLength(method, args, 0)
      return { method: method as 'stop' }
  }
}

function checkLength(method: string, args: readonly unknown[], max: number): void {
  if (args.length <= max) return
  throw refused(`\`${method}\` has ${args.length} arguments`, `Pass at most ${max}.`)
}

/** Paths are refused: a page must not read the files of the user. */
function toImage(image: unknown): Uint8Array {
  const bytes = types.isAnyArrayBuffer(image) ? new Uint8Array(image) : image
  if (!types.isUint8Array(bytes)) {
    throw refused(
      '`image` must be the bytes of a JPEG or PNG file',
      'Pass a Uint8Array or an ArrayBuffer: `await file.arrayBuffer()`.',
      'image',
    )
  }
  if (bytes.byteLength <= MAX_IMAGE_BYTES) return bytes
  const size = Math.round(bytes.byteLength / 2 ** 20)
  throw refused(`\`image\` has ${size} MiB`, 'Pass a file of at most 64 MiB.', 'image')
}

function toConfig(config: unknown): Record<string, unknown> | undefined {
  if (config === undefined || config === null) return undefined
  if (typeof config === 'object' && !Array.isArray(config)) return config as never
  throw refused('`config` must be an object', 'Pass options such as `{ top: 3 }`.', 'config')
}

function refused(message: string, hint: string, key?: string): ResidualError {
  return new ResidualError({ code: 'E_USAGE', message, hint, ...(key && { at: { key } }) })
}
