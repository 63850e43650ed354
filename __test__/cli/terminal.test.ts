import test from 'ava'
import {
  displayWidth,
  padEnd,
  sanitize,
  truncate,
  truncatePath,
  wrap,
} from '#dist/cli/output/terminal.js'
import { formatTable } from '#dist/cli/output/text-table.js'
import { residual } from '../child.js'

test('truncates by display width, between graphemes', (t) => {
  t.is(truncate('abc', 3), 'abc')
  t.is(truncate('abcd', 3), 'ab…')
  t.is(truncate('猫和狗', 5), '猫和…')
  t.is(truncate('猫和狗', 4), '猫…')
  t.is(truncate('👩‍👩‍👧 family', 4), '👩‍👩‍👧 …')
  t.is(truncatePath('a/long/path/to/cat.jpg', 10), '…o/cat.jpg')
  t.is(displayWidth(truncatePath('照片/猫.jpg', 7)), 7)
})

test('aligns columns of any script', (t) => {
  const lines = formatTable(
    ['class', 'images'],
    [
      ['قطة', '3'],
      ['猫', '12'],
      ['dog', '4'],
    ],
  ).split('\n')
  t.deepEqual(lines.map(displayWidth), [13, 13, 13, 13])
  t.is(displayWidth(padEnd('猫', 6)), 6)
})

test('drops columns of the lowest priority in a narrow terminal', (t) => {
  const header = ['class', 'accuracy', 'F1', 'images']
  const rows = [['ant', '87.5 %', '0.871', '24']]
  const lines = (width: number) =>
    formatTable(header, rows, { priorities: [9, 8, 1, 7], width }).split('\n')
  t.deepEqual(lines(30), ['class  accuracy     F1  images', 'ant      87.5 %  0.871      24'])
  t.deepEqual(lines(23), ['class  accuracy  images', 'ant      87.5 %      24'])
  t.deepEqual(lines(22), ['class  accuracy', 'ant      87.5 %'])
  t.deepEqual(lines(1), ['class', 'ant'])
})

test('wraps between words without losing text', (t) => {
  t.is(
    wrap('  pixels   less 0.485, by 0.229', 16, '    '),
    '  pixels   less\n    0.485, by\n    0.229',
  )
  t.is(wrap('猫 猫 猫 猫', 6), '猫 猫\n猫 猫')
  t.is(wrap('unbreakable', 4), 'unbreakable')
  t.is(wrap('a b', Number.POSITIVE_INFINITY), 'a b')
})

test('lists fit into 40 columns and are complete in a pipe', async (t) => {
  for (const args of [['inspect', 'resnet50'], ['recipes'], ['data', 'list']]) {
    const narrow = await residual(args, { env: { COLUMNS: '40' } })
    for (const line of narrow.stdout.split('\n')) t.true(displayWidth(line) <= 40, line)
    const { stdout } = await residual(args, { env: { COLUMNS: undefined } })
    t.true(stdout.split('\n').some((line) => displayWidth(line) > 40))
  }
})

test('sanitize replaces control characters', (t) => {
  t.is(sanitize('a\x1b[2Jb\r\nc\u202e'), 'a\ufffd[2Jb\ufffd\ufffdc\ufffd')
  t.is(sanitize('قطة 猫 <b>'), 'قطة 猫 <b>')
})
