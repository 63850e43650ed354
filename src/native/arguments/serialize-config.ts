import { ResidualError } from '../../errors/errors.js'

/** Deeper than any configuration, and shallow enough for every stack on the way. */
const DEEPEST = 64

/**
 * A configuration as JSON can carry it. Keys that are undefined are left out; what JSON would turn
 * into something else (NaN into null, a typed array into an object) is refused.
 *
 * @param value what the caller gave
 * @param name what to call it where it has no key yet
 * @throws {ResidualError} `E_CONFIG` with the key's path
 */
export function serializeConfig(value: unknown, name = 'the configuration'): string {
  return JSON.stringify(plain(value, { name, path: '', above: [] }))
}

/** A place in the value: its path, and the objects that lead there. */
interface Where {
  name: string
  path: string
  above: readonly object[]
}

function plain(value: unknown, where: Where): unknown {
  switch (typeof value) {
    case 'boolean':
      return value
    case 'string':
      // JSON escapes a lone surrogate, and the reader on the other side refuses it without a place.
      if (/\p{Surrogate}/u.test(value)) throw refuse(where, 'valid Unicode', 'half a character')
      return value
    case 'number':
      if (!Number.isFinite(value)) throw refuse(where, 'a finite number', String(value))
      return value
    case 'object':
      return value === null ? null : plainObject(value, where)
    case 'bigint':
      throw refuse(where, 'plain data', 'a bigint', 'Write a number, without the `n`.')
    default:
      throw refuse(where, 'plain data', `${value === undefined ? '' : 'a '}${typeof value}`)
  }
}

function plainObject(value: object, where: Where): unknown {
  if (where.above.includes(value)) throw refuse(where, 'plain data', 'a cycle')
  if (where.above.length >= DEEPEST) throw refuse(where, 'plain data', 'something so deeply nested')
  const above = [...where.above, value]
  if (Array.isArray(value)) {
    // Not map, which skips holes.
    return Array.from(value, (item: unknown, index) =>
      plain(item, { ...where, above, path: `${where.path}[${index}]` }),
    )
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    throw refuseInstance(value, where)
  }
  const entries = Object.entries(value)
    .filter(([, item]) => item !== undefined)
    .map(([key, item]): [string, unknown] => {
      const path = where.path === '' ? key : `${where.path}.${key}`
      return [key, plain(item, { ...where, above, path })]
    })
  return Object.fromEntries(entries)
}

function refuseInstance(value: object, where: Where): ResidualError {
  const hint = ArrayBuffer.isView(value)
    ? 'Use an ordinary array: `Array.from(values)`.'
    : 'Hooks, the signal and images in memory go into the second argument.'
  return refuse(where, 'plain data', `an instance of ${value.constructor?.name ?? 'a class'}`, hint)
}

function refuse({ name, path }: Where, wanted: string, found: string, hint?: string) {
  return new ResidualError({
    code: 'E_CONFIG',
    message: `${path === '' ? name : `\`${path}\``} must be ${wanted}, not ${found}`,
    ...(path === '' ? {} : { at: { key: path } }),
    ...(hint === undefined ? {} : { hint }),
  })
}
