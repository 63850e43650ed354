import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import {
  hasSection,
  releaseNotes,
  toChanges,
  writeChangelog,
} from '../../scripts/release/changelog.mjs'
import { repositoryProblems } from '../../scripts/release/checks.mjs'
import { git, releaseCommands } from '../../scripts/release/git.mjs'
import { readVersions, setVersion } from '../../scripts/release/versions.mjs'
import { ROOT } from '../../scripts/setup.mjs'

/** Author of the commits in test repositories. */
const AUTHOR = {
  ...{ GIT_AUTHOR_NAME: 'test', GIT_AUTHOR_EMAIL: 'test@localhost' },
  ...{ GIT_COMMITTER_NAME: 'test', GIT_COMMITTER_EMAIL: 'test@localhost' },
}

const FILES = ['package.json', 'package-lock.json', 'Cargo.toml', 'Cargo.lock']

/**
 * Copies the files with versions to a new repository.
 *
 * @param {import('ava').ExecutionContext} t
 */
async function createRepository(t) {
  const folder = mkdtempSync(join(tmpdir(), 'residual-version-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  for (const file of FILES) cpSync(join(ROOT, file), join(folder, file))
  await git(folder, ['init', '--quiet'])
  await commit(folder, 'initial commit')
  return folder
}

/**
 * @param {string} folder
 * @param {string} subject
 */
async function commit(folder, subject) {
  const author = ['-c', 'user.name=test', '-c', 'user.email=test@localhost']
  await git(folder, ['add', '--all'])
  await git(folder, [...author, 'commit', '--quiet', '--allow-empty', '--message', subject])
}

test('all files of this repository have one version', async (t) => {
  const versions = await readVersions(ROOT)
  t.true(versions.some(({ file }) => file === 'Cargo.lock, residual-spec'))
  t.deepEqual([...new Set(versions.map(({ version }) => version))].length, 1)
})

test('sets the version everywhere, and nothing else', async (t) => {
  const folder = await createRepository(t)
  const { version: current } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  t.is(await setVersion(folder, '7.8.9'), '7.8.9')
  const versions = await readVersions(folder)
  t.true(versions.length > 14, `${versions.length} versions`)
  for (const { file, version } of versions) t.is(version, '7.8.9', file)
  const changed = await git(folder, ['diff', '--unified=0'])
  const lines = changed.split('\n').filter((line) => /^[-+](?![-+])/.test(line))
  t.true(lines.every((line) => line.includes('7.8.9') || line.includes(current)))

  t.is(await setVersion(folder, 'minor'), '7.9.0')
  t.is(await setVersion(folder, 'prerelease'), '7.9.1-rc.0')
  await t.throwsAsync(setVersion(folder, 'seven'), { message: /^npm version seven failed/ })
})

test('changes are sorted by area; tests, tools and merges are left out', (t) => {
  t.deepEqual(
    toChanges([
      ...['train: skip empty batches', 'test: name splits', 'docs: describe quotes'],
      ...["Merge branch 'next' into reader", 'data: read TIFF', 'cli tests: wait', 'Read faster'],
      ...['report, dashboard: draw dates', 'train: stop at NaN'],
    ]),
    [
      { area: 'data', change: 'read TIFF' },
      { area: 'other', change: 'Read faster' },
      { area: 'report, dashboard', change: 'draw dates' },
      { area: 'train', change: 'skip empty batches' },
      { area: 'train', change: 'stop at NaN' },
    ],
  )
})

test('the changelog has a section for each release', async (t) => {
  const folder = await createRepository(t)
  const read = () => readFileSync(join(folder, 'CHANGELOG.md'), 'utf8')
  await writeChangelog(folder, '1.0.0', '2026-12-01')
  t.true(read().startsWith('# Changelog\n'))
  t.true(read().endsWith('\n## 1.0.0 (2026-12-01)\n\nFirst release.\n'), read())
  await git(folder, ['tag', 'v1.0.0-rc.0'])
  writeFileSync(join(folder, 'NOTICE.md'), 'notice\n')
  await commit(folder, 'train: a change between the prerelease and 1.0.0')
  await git(folder, ['tag', 'v1.0.0'])

  await commit(folder, 'data: a change of no published file')
  for (const [file, subject] of [
    ['index.d.ts', 'api: add a type'],
    ['electron.d.ts', 'electron: add a type'],
  ]) {
    writeFileSync(join(folder, file), 'export {}\n')
    await commit(folder, subject)
  }
  await writeChangelog(folder, '1.1.0', '2026-12-02')
  // A second call replaces the section.
  await writeChangelog(folder, '1.1.0', '2026-12-03')
  t.true(
    read().endsWith(
      '\n## 1.1.0 (2026-12-03)\n\n- **api**: add a type\n- **electron**: add a type\n\n' +
        '## 1.0.0 (2026-12-01)\n\nFirst release.\n',
    ),
    read(),
  )
  t.true(await hasSection(folder, '1.1.0'))
  t.false(await hasSection(folder, '1.1'))
  t.is(await releaseNotes(folder, '1.1.0'), '- **api**: add a type\n- **electron**: add a type\n')
  t.is(await releaseNotes(folder, '1.0.0'), 'First release.\n')
  await t.throwsAsync(releaseNotes(folder, '1.1'), { message: /no section 1\.1$/ })
})

test('the notes of a release are printed without any npm package', async (t) => {
  const folder = await createRepository(t)
  await writeChangelog(folder, '1.0.0-rc.0', '2026-12-01')
  await writeChangelog(folder, '1.0.0', '2026-12-02')
  for (const path of ['scripts/release', 'scripts/setup/error.mjs', 'scripts/setup/command.mjs']) {
    cpSync(join(ROOT, path), join(folder, path), { recursive: true })
  }
  const script = join(folder, 'scripts', 'release', 'notes.mjs')
  t.is(execFileSync(process.execPath, [script, 'v1.0.0'], { encoding: 'utf8' }), 'First release.\n')
})

test('a release needs a clean tree, a tag, a changelog and equal versions', async (t) => {
  const folder = await createRepository(t)
  await setVersion(folder, '2.0.0')
  t.deepEqual(await repositoryProblems(folder), [
    'The working tree has changes: commit them (4 files)',
    'HEAD has no tag v2.0.0: `git tag v2.0.0`',
    'CHANGELOG.md has no section 2.0.0: `npm run release -- --version 2.0.0`',
  ])
  await writeChangelog(folder, '2.0.0', '2026-12-01')
  const [add = '', commitAll = '', tag = '', push] = releaseCommands('2.0.0')
  for (const command of [add, commitAll, tag]) {
    execFileSync(command, { cwd: folder, shell: true, env: { ...process.env, ...AUTHOR } })
  }
  t.is(push, 'git push origin HEAD v2.0.0')
  t.deepEqual(await repositoryProblems(folder), [])

  const cargo = join(folder, 'Cargo.toml')
  writeFileSync(cargo, readFileSync(cargo, 'utf8').replace('"2.0.0"', '"1.9.0"'))
  t.is(
    (await repositoryProblems(folder))[0],
    'Cargo.toml has version 1.9.0, package.json has 2.0.0',
  )
})
