import { ResidualError } from '../../errors/errors.js'
import { isObject } from '../../run-folder/json-object.js'

/** Hint for functions and instances, which a configuration cannot contain. */
const SECOND_ARGUMENT = 'Pass hooks, the signal and in-memory images in the second argument.'

/** Maximum nesting: deeper than any configuration, and safe for every recursive parser. */
const MAX_DEPTH = 64

/**
 * Serializes a configuration to JSON. Keys with the value undefined are omitted. Values that JSON
 * would silently change (NaN to null, a typed array to an object) are rejected.
 *
 * @param value configuration of the caller
 * @param name name of the whole value in error messages
 * @throws {ResidualError} `E_CONFIG` with the path of the key
 */
export function serializeConfig(value: unknown, name = 'the configuration'): string {
  return JSON.stringify(toPlain(value, { name, path: '', ancestors: [] }))
}

/**
 * Serializes the options of a function to JSON, as `serializeConfig` does. Keys with the value
 * undefined become null, which the core treats as a missing value; an unknown key is therefore an
 * error without a value, too.
 *
 * @throws {ResidualError} `E_CONFIG` with the path of the key
 */
export function serializeOptions(value: unknown): string {
  const plain = toPlain(value, { name: 'the options', path: '', ancestors: [] })
  return JSON.stringify(addUndefinedKeys(plain, value))
}

/**
 * Adds the keys that a configuration has with the value undefined to a plain configuration, with the
 * value null. Keys that the plain configuration has, for example from a recipe, are unchanged.
 */
export function addUndefinedKeys(plain: unknown, config: unknown): unknown {
  if (!isObject(plain) || !isObject(config)) return plain
  const added = Object.entries(config).flatMap(([key, value]) => {
    if (value !== undefined && !Object.hasOwn(plain, key)) return []
    return [[key, value === undefined ? (plain[key] ?? null) : addUndefinedKeys(plain[key], value)]]
  })
  return { ...plain, ...Object.fromEntries(added) }
}

/** Position in the configuration. */
interface Position {
  name: string
  path: string
  /** Objects that contain the value, outermost first. */
  ancestors: readonly object[]
}

function toPlain(value: unknown, position: Position): unknown {
  switch (typeof value) {
    case 'boolean':
      return value
    case 'string':
      // JSON escapes a lone surrogate, and serde rejects it without naming the key.
      if (/\p{Surrogate}/u.test(value)) {
        throw typeError(position, 'valid Unicode', 'a lone surrogate')
      }
      return value
    case 'number':
      if (!Number.isFinite(value)) throw typeError(position, 'a finite number', String(value))
      return value
    case 'object':
      return value === null ? null : toPlainObject(value, position)
    case 'bigint':
      throw typeError(position, 'plain data', 'a bigint', 'Write a number, without the `n`.')
    case 'undefined':
      throw typeError(position, 'plain data', 'undefined')
    default:
      throw typeError(position, 'plain data', `a ${typeof value}`, SECOND_ARGUMENT)
  }
}

function toPlainObject(value: object, position: Position): unknown {
  if (position.ancestors.includes(value)) throw typeError(position, 'plain data', 'a cycle')
  if (position.ancestors.length >= MAX_DEPTH) {
    throw typeError(position, 'plain data', 'a value nested so deeply')
  }
  const ancestors = [...position.ancestors, value]
  if (Array.isArray(value)) {
    // Array.from, because map skips holes.
    return Array.from(value, (item: unknown, index) =>
      toPlain(item, { ...position, ancestors, path: `${position.path}[${index}]` }),
    )
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    throw instanceError(value, position)
  }
  const entries = Object.entries(value)
    .filter(([, item]) => item !== undefined)
    .map(([key, item]): [string, unknown] => {
      const path = position.path === '' ? key : `${position.path}.${key}`
      return [key, toPlain(item, { ...position, ancestors, path })]
    })
  return Object.fromEntries(entries)
}

function instanceError(value: object, position: Position): ResidualError {
  const hint = ArrayBuffer.isView(value)
    ? 'Use a plain array: `Array.from(values)`.'
    : SECOND_ARGUMENT
  const actual = `an instance of ${value.constructor?.name ?? 'a class'}`
  return typeError(position, 'plain data', actual, hint)
}

function typeError({ name, path }: Position, expected: string, actual: string, hint?: string) {
  return new ResidualError({
    code: 'E_CONFIG',
    message: `${path === '' ? name : `\`${path}\``} must be ${expected}, not ${actual}`,
    ...(path === '' ? {} : { at: { key: path } }),
    ...(hint === undefined ? {} : { hint }),
  })
}
