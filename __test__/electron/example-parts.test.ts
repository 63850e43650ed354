/** Tests of parts of the example application that need neither a browser nor training. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import test from 'ava'
import type { TrainerMessage } from 'residual/electron'
import { tempFolder } from '../tiny.js'
import { startApplication } from './application.js'
import { EXAMPLE } from './example-app.js'
import { SHAPE_NAMES, shapeFolder } from './shapes.js'

const load = (file: string) => import(pathToFileURL(join(EXAMPLE, file)).href)

const step = (number: number) => ({ type: 'step', step: number, loss: 1 }) as TrainerMessage

for (const content of ['', '{"folder": "/pho', 'null', '[]', '7']) {
  test(`the application starts with the damaged state ${JSON.stringify(content)}`, async (t) => {
    const userData = tempFolder(t)
    writeFileSync(join(userData, 'pictures.json'), content)
    const { application } = await startApplication(t, {}, { userData })
    await t.notThrowsAsync((application as unknown as { ready: Promise<void> }).ready)
  })
}

test.serial('a subfolder that cannot be read has no pictures', async (t) => {
  const { PictureFolder } = await load('picture-folder.mjs')
  const parent = tempFolder(t)
  chmodSync(parent, 0o755)
  const folder = shapeFolder(parent, 2, 8)
  mkdirSync(join(folder, 'lost+found'), { mode: 0 })
  // The superuser may read everything.
  const isRoot = process.getuid?.() === 0
  if (isRoot) process.seteuid?.('nobody')
  try {
    const { classes } = (await PictureFolder.read(folder)).summary()
    t.deepEqual(
      classes.map(({ name }: { name: string }) => name),
      SHAPE_NAMES,
    )
  } finally {
    if (isRoot) process.seteuid?.(0)
  }
})

test('the page keeps a bounded number of steps', async (t) => {
  const { RunState } = await load('renderer/run-state.js')
  const state = new RunState()
  for (let number = 1; number <= 10_000; number++) state.apply(step(number))
  const { steps } = state.snapshot
  t.true(steps.length >= 1000 && steps.length <= 2000, `${steps.length}`)
  t.is(steps.at(-1).step, 10_000)
})

test('a run continues from its last checkpoint, not from its best', async (t) => {
  const { RunState } = await load('renderer/run-state.js')
  const state = new RunState()
  t.is(state.savedStep, 0)
  state.snapshot.start = { startStep: 30 }
  t.is(state.savedStep, 30)
  state.apply({ type: 'checkpoint', kind: 'last', path: 'last', epoch: 4, step: 40 })
  state.apply({ type: 'checkpoint', kind: 'best', path: 'best', epoch: 3, step: 35 })
  t.is(state.savedStep, 40)
})
