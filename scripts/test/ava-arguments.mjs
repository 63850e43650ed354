/**
 * Arguments for ava that run the tests of the given sources. Tests in TypeScript run as compiled to
 * target/ava.
 *
 * @param {readonly string[]} args test files or folders, with or without `__test__/` in front
 *   (`api/run.test.ts`, `api/run`, `cli`), and options of ava, which are passed on
 * @returns {string[]}
 */
export function avaArguments(args) {
  const end = args.findIndex((arg) => arg.startsWith('-'))
  const sources = end === -1 ? args : args.slice(0, end)
  return [...sources.flatMap(testFiles), ...args.slice(sources.length)]
}

/**
 * @param {string} source
 * @returns {string[]}
 */
function testFiles(source) {
  const path = source.replace(/^(\.\/)?(__test__\/)?/, '').replace(/\/$/, '')
  if (path.endsWith('.mjs')) return [`__test__/${path}`]
  const name = path.replace(/(\.test)?\.ts$/, '')
  return [
    `target/ava/__test__/${name}.test.js`,
    `target/ava/__test__/${name}/**/*.test.js`,
    `__test__/${name}.test.mjs`,
    `__test__/${name}/**/*.test.mjs`,
  ]
}
