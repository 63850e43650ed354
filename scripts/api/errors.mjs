import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/**
 * What there is to say of an error code.
 *
 * @typedef {object} Code
 * @property {string} code
 * @property {string} meaning
 * @property {string} message one that it typically comes with
 * @property {number} exitStatus
 * @property {string} wayOut what to do about it, where a failure says nothing better
 */

const STATUSES = new Map([
  [1, 'failure'],
  [2, 'usage or configuration'],
  [3, 'environment'],
  [4, 'data'],
])

const HEAD = `# Errors

<!-- Made by \`npm run generate\` from crates/spec/src/error.rs and src/errors/hints.ts: change those. -->

Everything that goes wrong is a \`ResidualError\` ([API](api/errors.md)): a \`code\` to branch on, a
\`message\`, a place \`at\` (a key of the configuration, a file, a line of it), and a \`hint\` that names
the next thing to do. The command line prints all of it to stderr, and ends with the code's exit
status. What a run goes on in spite of, an image that cannot be read for instance, is a warning event
with the same codes.

\`\`\`ts
import { ResidualError, train } from 'residual'

try {
  await train({ data: './fotos' })
} catch (error) {
  if (!(error instanceof ResidualError)) throw error
  if (error.code === 'E_DATA_NOT_FOUND') console.error(\`\${error.message}. \${error.hint}\`)
}
\`\`\`

Below each code: what it means, a message that it typically comes with, and what to do where the hint,
which knows the case, says nothing better.`

/**
 * All codes, as the core and the API have them.
 *
 * @param {string} staging where the core's part, and the API as JavaScript, lie
 * @returns {Promise<Code[]>}
 */
export async function readCodes(staging) {
  const codes = JSON.parse(await readFile(join(staging, 'errors.json'), 'utf8'))
  const path = join(staging, 'types', 'errors', 'hints.js')
  const { HINTS } = await import(pathToFileURL(path).href)
  return codes.map((/** @type {Code} */ code) => ({ ...code, wayOut: HINTS[code.code] }))
}

/**
 * The page on them.
 *
 * @param {readonly Code[]} codes
 */
export function writeErrors(codes) {
  const rows = codes.map(({ code, exitStatus }) => {
    return `| [\`${code}\`](#${code.toLowerCase()}) | ${exitStatus}, ${STATUSES.get(exitStatus)} |`
  })
  const sections = codes.map(({ code, meaning, message, exitStatus, wayOut }) =>
    [
      `## ${code}`,
      meaning,
      `> ${message}`,
      `**What to do.** ${wayOut} Exit status ${exitStatus}.`,
    ].join('\n\n'),
  )
  const contents = ['| Code | Exit status |', '|---|---|', ...rows].join('\n')
  return `${[HEAD, contents, ...sections].join('\n\n')}\n`
}
