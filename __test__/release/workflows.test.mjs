import { readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import test from 'ava'
import { parse } from 'yaml'
import { ROOT } from '../../scripts/setup.mjs'
import { lintWorkflow, workflowFiles } from '../../scripts/test/actionlint.mjs'
import { PREBUILT_PLATFORMS } from '../../src/native/prebuilt-platforms.js'

const WORKFLOWS = join(ROOT, '.github', 'workflows')

/** Containers with the oldest supported glibc, by the platform that is built there. */
const CONTAINERS = {
  'linux-x64-gnu': 'quay.io/pypa/manylinux_2_28_x86_64',
  'linux-arm64-gnu': 'quay.io/pypa/manylinux_2_28_aarch64',
  ...{ 'darwin-arm64': '', 'win32-x64-msvc': '' },
}

/** Runners of GitHub, by the platform of the package that is built there. */
const RUNNERS = {
  'linux-x64-gnu': /^ubuntu-\d\d\.\d\d$/,
  'linux-arm64-gnu': /^ubuntu-\d\d\.\d\d-arm$/,
  'darwin-arm64': /^macos-14$/,
  'win32-x64-msvc': /^windows-2022$/,
}

/** @param {string} name */
async function readWorkflow(name) {
  return parse(await readFile(join(WORKFLOWS, name), 'utf8'))
}

test('every platform of the table is built and tested, on every supported Node', async (t) => {
  const { jobs } = await readWorkflow('packages.yml')
  const platforms = Object.keys(PREBUILT_PLATFORMS).sort()
  const { include } = jobs.build.strategy.matrix
  const built = include.map((/** @type {{ platform: string }} */ { platform }) => platform)
  t.deepEqual(built.sort(), platforms)
  const { matrix } = jobs.test.strategy
  t.deepEqual([...matrix.platform].sort(), platforms)
  t.deepEqual(matrix.node, [20, 22, 24, 26])
  for (const { platform, runner } of [...include, ...matrix.include]) {
    t.regex(runner, RUNNERS[/** @type {keyof typeof RUNNERS} */ (platform)])
  }
  for (const { platform, container } of include) {
    t.is(container, CONTAINERS[/** @type {keyof typeof CONTAINERS} */ (platform)])
  }
  t.deepEqual(
    matrix.include.map((/** @type {{ platform: string }} */ { platform }) => platform).sort(),
    platforms,
  )
})

test('jobs have a time limit, least permissions and pinned actions', async (t) => {
  for (const file of await workflowFiles()) {
    const text = await readFile(file, 'utf8')
    const { permissions, jobs } = parse(text)
    t.deepEqual(permissions, { contents: 'read' }, file)
    for (const [name, job] of Object.entries(jobs)) {
      if (job.uses !== undefined) continue
      t.true(job['timeout-minutes'] > 0, `${file}: ${name}`)
    }
    for (const [, action, version] of text.matchAll(/uses: ([^.\s]\S*?)@(\S+)/g)) {
      t.regex(version ?? '', /^[0-9a-f]{40}$/, `${file}: ${action}`)
    }
  }
})

test('only the publishing job has an identity, and it uses no token', async (t) => {
  const { jobs } = await readWorkflow('release.yml')
  const { publish, packages, ...others } = jobs
  t.deepEqual(publish.permissions, { contents: 'read', 'id-token': 'write' })
  t.is(publish.needs, 'packages')
  t.is(packages.permissions, undefined)
  for (const job of Object.values(others)) t.is(job.permissions['id-token'], undefined)
  const text = await readFile(join(WORKFLOWS, 'release.yml'), 'utf8')
  t.notRegex(text, /NODE_AUTH_TOKEN|NPM_TOKEN|registry-url/)
})

test('actionlint accepts the workflows, and reports faults', async (t) => {
  const files = await workflowFiles()
  t.is(files.length, 4)
  for (const file of files) {
    t.deepEqual(await lintWorkflow(relative(ROOT, file), await readFile(file, 'utf8')), [])
  }
  const text = await readFile(join(WORKFLOWS, 'release.yml'), 'utf8')
  const faults = await lintWorkflow('release.yml', text.replace('needs: publish', 'needs: pubish'))
  t.regex(faults.join(), /^release\.yml:\d+:\d+: .*"pubish" which does not exist.* \(job-needs\)$/)
})
