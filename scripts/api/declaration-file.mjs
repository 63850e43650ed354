import { assignPages, PAGES } from './pages.mjs'

/** @typedef {import('./declarations.mjs').Declaration} Declaration */

/**
 * Returns index.d.ts with its declarations grouped by the topics of the API reference, in the same
 * order as there. (api-extractor sorts them by name.)
 *
 * @param {object} parsed
 * @param {string} parsed.head package comment
 * @param {readonly string[]} parsed.exports `export { ... }` statements
 * @param {ReadonlyMap<string, Declaration>} parsed.declarations
 */
export function orderByTopic({ head, exports, declarations }) {
  const pages = PAGES.filter(({ names }) => names.some((name) => declarations.has(name)))
  const assigned = assignPages(declarations, pages)
  const sections = pages.flatMap(({ file, title }) => {
    const sources = (assigned.get(file) ?? []).flatMap(
      (name) => declarations.get(name)?.sources ?? [],
    )
    return [banner(title), ...sources]
  })
  return `${[head, ...sections, exports.join('\n')].join('\n\n')}\n`
}

/**
 * Replaces the declarations of a second entry point that the package exports already by an import of
 * the package, so that there is one declaration of each type.
 *
 * @template {{ head: string, declarations: ReadonlyMap<string, Declaration> }} Parsed
 * @param {Parsed} parsed the second entry point
 * @param {ReadonlyMap<string, Declaration>} exported declarations of the package
 * @returns {Parsed & { declarations: Map<string, Declaration> }}
 */
export function importFromPackage(parsed, exported) {
  const own = [...parsed.declarations].filter(([name]) => !exported.has(name))
  for (const [name, { sources }] of own) {
    if (sources.every((source) => /^export /m.test(source))) continue
    throw new Error(`the second entry point mentions ${name}, but does not export it`)
  }
  const imports = new Set(
    own.flatMap(([, { mentions }]) => mentions.filter((name) => exported.has(name))),
  )
  const names = [...imports].sort().map((name) => `  ${name},\n`)
  return {
    ...parsed,
    head: `${parsed.head}\n\nimport type {\n${names.join('')}} from 'residual'`,
    declarations: new Map(own),
  }
}

/** @param {string} title */
function banner(title) {
  const rule = `// ${'-'.repeat(77)}`
  return `${rule}\n// ${title}\n${rule}`
}
