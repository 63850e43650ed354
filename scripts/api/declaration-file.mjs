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
  const assigned = assignPages(declarations)
  const sections = PAGES.flatMap(({ file, title }) => {
    const sources = (assigned.get(file) ?? []).flatMap(
      (name) => declarations.get(name)?.sources ?? [],
    )
    return [banner(title), ...sources]
  })
  return `${[head, ...sections, exports.join('\n')].join('\n\n')}\n`
}

/** @param {string} title */
function banner(title) {
  const rule = `// ${'-'.repeat(77)}`
  return `${rule}\n// ${title}\n${rule}`
}
