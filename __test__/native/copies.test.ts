import test, { type ExecutionContext } from 'ava'
import { installCopies } from '../../scripts/prove/package-copies.mjs'
import { node, ROOT } from '../child.js'
import { tempFolder, tinyConfig } from '../tiny.js'

/** Runs a module that can load the copies by `imported(name)` and `required(name)`. */
function runWithCopies(t: ExecutionContext, source: string) {
  const parent = tempFolder(t)
  installCopies(ROOT, parent, ['one', 'two'])
  const main = `
    import { createRequire } from 'node:module'
    import { join } from 'node:path'
    const path = (name) => join(${JSON.stringify(parent)}, name, 'node_modules/residual/dist/index.js')
    const imported = (name) => import(path(name))
    const required = (name) => createRequire(import.meta.url)(path(name))
    const configs = ${JSON.stringify([tinyConfig(t), tinyConfig(t)])}
    const endless = ${JSON.stringify(tinyConfig(t, { epochs: 100_000 }))}
    const image = { data: new Uint8Array(64), width: 8, height: 8, channels: 1 }
    ${source}
  `
  return node(['--input-type=module', '--eval', main])
}

test('two copies of the package train at the same time with equal results', async (t) => {
  const { status, signal, stdout, stderr } = await runWithCopies(
    t,
    `
      const copies = [required('one'), await imported('two')]
      if (copies[0].train === copies[1].train) throw new Error('the copies are the same module')
      const results = await Promise.all(copies.map(({ train }, index) => train(configs[index])))
      const losses = results.map(({ best }) => best.loss)
      const models = await Promise.all(copies.map(({ loadModel }, index) => loadModel(results[1 - index].dir)))
      const run = copies[0].train(endless)
      for await (const event of run) if (event.type === 'epoch') break
      const [one, two] = await Promise.all(models.map((model) => model.predict(image)))
      run.stop()
      const { stopReason } = await run
      console.log(losses[0] === losses[1], one.probability === two.probability, stopReason)
    `,
  )
  t.is(stderr, '')
  t.is(signal, null)
  t.is(status, 0)
  t.is(stdout, 'true true stopped\n')
})

test('a process that exits while both copies train does not crash', async (t) => {
  const { status, signal, stderr } = await runWithCopies(
    t,
    `
      const copies = [await imported('one'), required('two')]
      const runs = copies.map(({ train }, index) => train({ ...configs[index], epochs: 100_000 }))
      for (const run of runs) for await (const event of run) if (event.type === 'epoch') break
      process.exit(5)
    `,
  )
  t.is(stderr, '')
  t.is(signal, null)
  t.is(status, 5)
})

test('require() and import() of one copy return the same functions', async (t) => {
  const { status, stdout, stderr } = await runWithCopies(
    t,
    `console.log(required('one').train === (await imported('one')).train)`,
  )
  t.is(stderr, '')
  t.is(status, 0)
  t.is(stdout, 'true\n')
})
