/** Errors name the user's input as it was written, and suggest settings in the same syntax. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { residual } from '../child.js'
import { tempFolder } from '../tiny.js'

const MINI = 'fashion-mnist-mini'

test('errors name settings and suggest others in the syntax of the command line', async (t) => {
  const cases: [words: string, hint: string][] = [
    ['batch_size=8', 'Did you mean `batchSize=8`?'],
    ['lr=0.1', 'Did you mean `optimizer.lr=0.1`?'],
    ['imageSize=64', 'Did you mean `data.imageSize=64`?'],
    ['device=gpu', 'Did you mean `device=cuda`?'],
    ['--device gpu', 'Did you mean `--device cuda`?'],
    ['--recipe notebok', 'Did you mean `--recipe notebook`?'],
    ['--model resnt18', 'Did you mean `--model resnet18`?'],
    ['patience=3', '`schedule.type=plateau schedule.patience=3` or `earlyStopping.patience=3`?'],
    ['--lr .1x', 'Omit `optimizer.lr` to use its default.'],
    ['--image-size 4', 'Omit `data.imageSize` to use its default.'],
  ]
  const run = ([words]: [string, string]) =>
    residual(['train', MINI, ...words.split(' '), '--dry-run'])
  for (const [index, { status, stderr }] of (await Promise.all(cases.map(run))).entries()) {
    const [words, hint] = cases[index] as [string, string]
    t.is(status, 2, words)
    const [, place, lastLine] = stderr.trimEnd().split('\n')
    t.is(place, `  at ${words}`, stderr)
    t.true(lastLine?.endsWith(hint), stderr)
  }
  const { stderr } = await residual(['train', MINI, 'lr:0.1'])
  t.true(stderr.includes('Did you mean `lr=0.1`?'), stderr)
})

test('an unknown option suggests the option or setting of its name', async (t) => {
  for (const [words, suggestion] of [
    ['--weight-decay 1e-4', 'Did you mean optimizer.weightDecay=0.0001?'],
    ['--learning-rate=0.1', 'Did you mean --lr 0.1?'],
    ['--gpu', 'Did you mean --device cuda?'],
    ['--img-size 64', 'Did you mean --image-size'],
  ] as const) {
    const { status, stderr } = await residual(['train', MINI, ...words.split(' ')])
    t.is(status, 2, words)
    t.true(stderr.includes(suggestion), `${words}: ${stderr}`)
  }
})

test('errors in a configuration file name its line and suggest YAML', async (t) => {
  const file = join(tempFolder(t), 'run.yaml')
  for (const [yaml, line, hint] of [
    ['epochs: 3\nbatch_size: 8\n', 2, 'Did you mean `batchSize: 8`?'],
    ['epochs: 3\n\nlr: 0.1\n', 3, 'Did you mean `optimizer: { lr: 0.1 }`?'],
    ['optimizer:\n  type: sgd\n  lr: -1\n', 3, 'Omit `optimizer.lr` to use its default.'],
    ['model: resnt18\n', 1, "Did you mean 'resnet18'?"],
    ['schedule:\n  type: multistep\n  milestones:\n    - 1\n    - x\n', 5, 'Omit'],
    ['recipe: notebok\n', 1, "Did you mean 'notebook'?"],
    ['budget:\n  epochs: 0\n', 2, 'Omit `budget.epochs` to use its default.'],
    ['epochs: 3\n  x: 1\n', 1, 'Nested mappings are not allowed in compact mappings (E_CONFIG)'],
  ] as const) {
    writeFileSync(file, yaml)
    for (const option of ['--config', '--recipe']) {
      if (option === '--recipe' && /recipe|-1|resnt18|epochs: 0/.test(yaml)) continue // not types
      const { status, stderr } = await residual(['train', MINI, option, file, '--dry-run'])
      t.is(status, 2, yaml)
      t.true(stderr.includes(`\n  at ${file}:${line}\n`), `${option} ${yaml}: ${stderr}`)
      t.true(stderr.includes(hint), `${option} ${yaml}: ${stderr}`)
    }
  }
  // A setting of the command line overrides the file.
  writeFileSync(file, 'optimizer: { lr: 1 }\n')
  const { stderr } = await residual(['train', MINI, '--config', file, 'optimizer.lr=-1'])
  t.true(stderr.includes('\n  at optimizer.lr=-1\n'), stderr)
})

test('familiar options set configuration keys', async (t) => {
  const options = ['--batch-size=12', '--lr=0.02', '--image-size=16', '--seed=7', '--device=cpu']
  const { status, stdout, stderr } = await residual([
    ...['train', MINI, ...options, '--epochs=1', '--model=resnet8', '--dry-run', '--json'],
    ...['--recipe=fast', 'data.limit=40', 'threads=1', 'workers=1'],
  ])
  t.is(status, 0, stderr)
  t.like(JSON.parse(stdout).config, {
    ...{ batchSize: 12, seed: 7, device: 'cpu', epochs: 1 },
    optimizer: { type: 'sgd', lr: 0.02, nesterov: true },
    data: { imageSize: 16 },
  })
})

test('commands in messages start with npx unless the command is on the PATH', async (t) => {
  const bin = tempFolder(t)
  writeFileSync(join(bin, 'residual'), '', { mode: 0o755 })
  const local = join(tempFolder(t), 'node_modules', '.bin')
  const npm = { npm_config_user_agent: 'npm/10' }
  for (const [env, command] of [
    [{ PATH: '/usr/bin' }, 'npx residual'],
    [{ PATH: `${local}:/usr/bin`, ...npm }, 'npx residual'],
    [{ PATH: `${local}:/usr/bin:${bin}`, ...npm }, 'residual'],
  ] as const) {
    const run = async (...args: string[]) => await residual(args, { env, cwd: bin })
    t.true((await run()).stdout.includes(`\n  ${command} doctor`))
    const help = await run('train', '--help')
    t.true(help.stdout.includes(`\n  ${command} train ./photos`), help.stdout)
    const { stderr } = await run('data', 'verify', 'mnist')
    t.true(stderr.includes(`\`${command} data download mnist\``), stderr)
    const usage = await run('train', '--nonsense')
    t.true(usage.stderr.includes(`\`${command} train --help\``), usage.stderr)
  }
})

test('a missing file exits with the status of data', async (t) => {
  const missing = join(tempFolder(t), 'missing')
  for (const args of [
    ['train', missing],
    ['train', '--resume', missing],
    ['train', MINI, `model.weights=${missing}.pth`],
    ['eval', missing],
    ['predict', missing, 'x.png'],
    ['inspect', `${missing}.pth`],
    ['export', missing, 'x.onnx'],
    ['report', missing],
    ['data', 'preview', missing],
  ]) {
    const { status, stderr } = await residual(args)
    t.is(status, 4, `${args.join(' ')}: ${stderr}`)
    t.true(stderr.includes(missing), stderr)
  }
})
