/**
 * The fields of a wheel's METADATA that setup needs.
 *
 * @typedef {object} WheelMetadata
 * @property {string} version
 * @property {string} license
 * @property {string[]} requirements with their markers: `name[extra]==1.0; marker`
 */

/**
 * A requirement with an exact version.
 *
 * @typedef {{ project: string, version: string, extras: string[] }} CudaRequirement
 */

/** Projects with the libraries of CUDA, which libtorch loads. */
const CUDA_PROJECT = /^(nvidia-|cuda-toolkit$)/

/**
 * Parses the METADATA of a wheel.
 *
 * @param {string} text
 * @returns {WheelMetadata}
 */
export function parseMetadata(text) {
  const [head = ''] = text.replaceAll('\r\n', '\n').split('\n\n')
  /** @param {string} name */
  const fields = (name) =>
    [...head.matchAll(new RegExp(`^${name}: (.*)$`, 'gm'))].map(([, value = '']) => value)
  const [version = ''] = fields('Version')
  const [license = 'see the license files'] = [
    ...fields('License-Expression'),
    ...fields('License'),
  ]
  return { version, license, requirements: fields('Requires-Dist') }
}

/**
 * Returns the required CUDA libraries on Linux, with exact versions.
 *
 * @param {WheelMetadata} metadata
 * @param {readonly string[]} [extras] extras of the wheel that are required
 * @returns {CudaRequirement[]}
 * @throws {Error} if a marker or a version cannot be interpreted
 */
export function cudaRequirements({ requirements }, extras = []) {
  return requirements.flatMap((requirement) => {
    const [specification = '', marker] = requirement.split(';').map((part) => part.trim())
    const [, project = '', extra = '', rest = ''] =
      /^([\w.-]+)\s*(?:\[([^\]]*)\])?\s*(.*)$/.exec(specification) ?? []
    if (!CUDA_PROJECT.test(project) || !isRequired(marker, extras)) return []
    const version = /^\(?==\s*([\w.]+?)(\.\*)?\)?$/.exec(rest)?.[1]
    if (version === undefined) throw new Error(`${requirement}: the version is not exact`)
    return [
      {
        project,
        version,
        extras: extra
          .split(',')
          .map((name) => name.trim())
          .filter(Boolean),
      },
    ]
  })
}

/**
 * Evaluates a marker on Linux: comparisons with `==`, `and`, `or` and parentheses.
 *
 * @param {string | undefined} marker
 * @param {readonly string[]} extras
 */
function isRequired(marker, extras) {
  if (marker === undefined || marker === '') return true
  /** @type {Record<string, readonly string[]>} */
  const values = {
    sys_platform: ['linux'],
    platform_system: ['Linux'],
    os_name: ['posix'],
    extra: extras,
  }
  const tokens = marker.match(/\(|\)|==|!=|\band\b|\bor\b|[\w.]+|'[^']*'|"[^"]*"|\S/g) ?? []
  const fail = () => new Error(`the marker ${marker} is not supported`)
  /** @returns {boolean} */
  const comparison = () => {
    const token = tokens.shift()
    if (token === '(') {
      const value = disjunction()
      if (tokens.shift() !== ')') throw fail()
      return value
    }
    const [operator, text = ''] = tokens.splice(0, 2)
    const known = values[token ?? '']
    if (known === undefined || (operator !== '==' && operator !== '!=')) throw fail()
    return known.includes(text.slice(1, -1)) === (operator === '==')
  }
  /** @returns {boolean} */
  const conjunction = () => {
    let value = comparison()
    while (tokens[0] === 'and') {
      tokens.shift()
      value = comparison() && value
    }
    return value
  }
  /** @returns {boolean} */
  const disjunction = () => {
    let value = conjunction()
    while (tokens[0] === 'or') {
      tokens.shift()
      value = conjunction() || value
    }
    return value
  }
  const result = disjunction()
  if (tokens.length > 0) throw fail()
  return result
}
