import test from 'ava'
import { table } from '#dist/app/cli/table.js'
import { harmless, padEnd, shorten, shortenPath, widthOf } from '#dist/app/cli/terminal.js'

test('a text is cut by the places that it takes, never through a character', (t) => {
  t.is(shorten('abc', 3), 'abc')
  t.is(shorten('abcd', 3), 'ab…')
  t.is(shorten('猫和狗', 5), '猫和…')
  t.is(shorten('猫和狗', 4), '猫…')
  t.is(shorten('👩‍👩‍👧 family', 4), '👩‍👩‍👧 …')
  t.is(shortenPath('a/long/path/to/cat.jpg', 10), '…o/cat.jpg')
  t.is(widthOf(shortenPath('照片/猫.jpg', 7)), 7)
})

test('columns stand below each other whatever is written in them', (t) => {
  const lines = table(
    ['class', 'images'],
    [
      ['قطة', '3'],
      ['猫', '12'],
      ['dog', '4'],
    ],
  ).split('\n')
  t.deepEqual(lines.map(widthOf), [13, 13, 13, 13])
  t.is(widthOf(padEnd('猫', 6)), 6)
})

test('a name cannot tell the terminal anything', (t) => {
  t.is(harmless('a\x1b[2Jb\r\nc\u202e'), 'a\ufffd[2Jb\ufffd\ufffdc\ufffd')
  t.is(harmless('قطة 猫 <b>'), 'قطة 猫 <b>')
})
