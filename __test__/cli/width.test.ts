import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { displayWidth } from '#dist/cli/output/terminal.js'
import { formatTable } from '#dist/cli/output/text-table.js'
import { residual } from '../child.js'
import { idxData, imageFolder, tempFolder } from '../tiny.js'

/** Asserts that no line is wider than `width` unless it is a single word, which is not broken. */
function assertFits(t: ExecutionContext, text: string, width: number): void {
  for (const line of text.split('\n')) {
    const isSingleWord = !line.trim().includes(' ')
    t.true(displayWidth(line) <= width || isSingleWord, `${displayWidth(line)} columns: ${line}`)
  }
}

/** Runs a command in the output widths of narrow and wide terminals. */
async function runAtWidths(
  t: ExecutionContext,
  args: readonly string[],
  widths = [40, 100],
): Promise<string[]> {
  const outputs: string[] = []
  for (const columns of widths) {
    const { stdout, stderr } = await residual(args, { env: { COLUMNS: String(columns) } })
    assertFits(t, stdout, columns)
    assertFits(t, stderr, columns)
    outputs.push(`${stdout}${stderr}`)
  }
  return outputs
}

for (const command of ['train', 'eval', 'experiment degradation', 'data preview']) {
  test(`the help of ${command} is wrapped at words`, async (t) => {
    const [narrow = '', wide = ''] = await runAtWidths(t, [...command.split(' '), '--help'])
    const words = (text: string) => text.split(/\s+/).sort().join(' ')
    t.is(words(narrow), words(wide))
  })
}

test('errors and their hints are wrapped at words', async (t) => {
  for (const args of [
    ['train', 'fashion-mnist-mini', 'optimizer.lrr=1'],
    ['train', 'fashion-mnist-mini', 'banana=1'],
    ['train', 'fashion-mnist-mini', '--batchsize', '8'],
    ['train'],
  ]) {
    await runAtWidths(t, args)
  }
})

test('suggested commands are wrapped at words', async (t) => {
  const cwd = tempFolder(t)
  imageFolder(cwd, ['ant', 'bee'])
  for (const columns of [40, 100]) {
    const { stdout } = await residual([], { cwd, env: { COLUMNS: String(columns) } })
    assertFits(t, stdout, columns)
  }
})

test('the plan, the progress and the result of a run are wrapped at words', async (t) => {
  const parent = tempFolder(t)
  const data = idxData(parent)
  const settings = ['--model', 'resnet8', '--epochs', '1', 'batchSize=12', 'threads=1', 'workers=1']
  await runAtWidths(t, ['train', data, ...settings, '--dry-run'], [40])
  await runAtWidths(t, ['train', data, ...settings, '--dry-run', '--explain'], [100])
  const out = join(parent, 'run')
  await runAtWidths(t, ['train', data, ...settings, '--no-report', '--out', out], [40])
  await runAtWidths(t, ['eval', out], [40])
  const verified = await runAtWidths(t, ['verify', out], [40])
  t.regex(verified[0] ?? '', /checkpoints\/best\.safetensors\n {2}ok {2}/)
})

test('the last column of a table is wrapped, or below the first one', (t) => {
  const rows = [['optimizer.lr', '0.05', 'scaled with the number of images per batch']]
  const table = (width: number) =>
    formatTable(['key', 'value', 'reason'], rows, { left: [0, 1, 2], width, wrapLast: true })
  t.is(
    table(45),
    [
      'key           value  reason',
      'optimizer.lr  0.05   scaled with the number',
      '                     of images per batch',
    ].join('\n'),
  )
  t.is(table(30), 'optimizer.lr\n  0.05  scaled with the number\n  of images per batch')
})
