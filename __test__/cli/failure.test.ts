import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { residual } from '../child.js'
import { idxData, tempFolder } from '../tiny.js'

test('an error has a message, a location, a hint and an exit status', async (t) => {
  const parent = tempFolder(t)
  const data = idxData(parent)
  const empty = join(parent, 'empty')
  mkdirSync(empty)
  const file = join(parent, 'file')
  writeFileSync(file, '')
  const broken = join(parent, 'broken.yaml')
  writeFileSync(broken, 'epochs: 3\nmodel: {')
  const list = join(parent, 'list.json')
  writeFileSync(list, '[1]')
  const out = ['--out', join(parent, 'run')]

  const cases: [string[], number, RegExp][] = [
    [['train', data, ...out, 'optimizer.lr=-1'], 2, /^error: `optimizer\.lr` must be more than 0/],
    [['train', data, ...out, 'optimiser.lr=1'], 2, /Did you mean `optimizer`\?/],
    [['train', data, ...out, '--epochs', 'many'], 2, /`epochs` must be .* "many"/],
    [['train', data, ...out, 'seed'], 2, /`seed` is not of the form key=value/],
    [['train', '--config', broken], 2, /broken\.yaml:2/],
    [['train', '--config', list], 2, /must contain keys and values/],
    [['train', '--config', join(parent, 'none.yaml')], 2, /none\.yaml/],
    [['train'], 2, /data/],
    [['train', '--epoch', '3'], 2, /unknown option/],
    [['trane'], 2, /unknown command/],
    [['train', empty, ...out], 4, /\(E_DATA_UNUSABLE\)/],
    [['train', join(parent, 'none'), ...out], 4, /\(E_DATA_NOT_FOUND\)/],
    [['train', data, '--out', join(file, 'run')], 1, /\(E_WRITE\)/],
    [['eval', parent], 4, /\(E_CHECKPOINT\)/],
    [['predict', parent, 'x.png'], 4, /\(E_CHECKPOINT\)/],
    [['inspect', 'resnet5O'], 2, /Did you mean 'resnet50'\?/],
    [['inspect', 'resnet50', 'imageSize=big'], 2, /`imageSize`/],
  ]
  for (const [args, status, message] of cases) {
    const result = await residual(args)
    t.is(result.status, status, args.join(' '))
    t.regex(result.stderr, message)
    t.is(result.stdout, '')
    t.false(/^ {4}at /m.test(result.stderr), 'only internal errors have a stack')
  }
  const withoutLibtorch = await residual(['eval', parent], { env: { RESIDUAL_LIBTORCH: parent } })
  t.is(withoutLibtorch.status, 3)
  t.regex(withoutLibtorch.stderr, /\(E_LIBTORCH\)/)
})

test('sanitizes names from files', async (t) => {
  const list = join(tempFolder(t), 'list.csv')
  writeFileSync(list, 'path,label\na\u001b]0;owned\u0007.png,cat\nb.png,\u001b[2Jdog\n')
  const { status, stderr } = await residual(['train', list, '--out', join(tempFolder(t), 'run')])
  t.is(status, 4)
  t.true(stderr.includes(']0;owned'), stderr)
  for (const character of ['\u001b', '\u0007'])
    t.false(stderr.includes(character), JSON.stringify(stderr))
})

test('help and version exit with 0', async (t) => {
  const help = await residual(['train', '--help'])
  t.is(help.status, 0)
  t.regex(help.stdout, /--resume <run>/)
  const version = await residual(['--version'])
  t.is(version.status, 0)
  t.regex(version.stdout, /^\d+\.\d+\.\d+\n$/)
})
