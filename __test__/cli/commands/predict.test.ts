import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { loadModel, type Prediction, train } from 'residual'
import { ROOT, residual } from '../../child.js'
import { pixels, png, tempFolder, tinyConfig } from '../../tiny.js'

const CLASSES = ['<script>alert(1)</script>', 'قطة', '猫']

/** Trains a network with unusual class names. */
async function trainNetwork(t: ExecutionContext) {
  const parent = tempFolder(t)
  const photos = join(parent, 'photos')
  for (const [label, name] of ['a', 'b', 'c'].entries()) {
    for (let index = 0; index < 8; index++) {
      mkdirSync(join(photos, name), { recursive: true })
      writeFileSync(join(photos, name, `${index}.png`), png(pixels(label, index)))
    }
  }
  const list = ['a', 'b', 'c'].flatMap((name, label) =>
    readdirSync(join(photos, name)).map((file) => ({
      path: `photos/${name}/${file}`,
      label: CLASSES[label],
    })),
  )
  const data = join(parent, 'list.jsonl')
  writeFileSync(data, list.map((line) => JSON.stringify(line)).join('\n'))
  const { dir } = await train(
    tinyConfig(t, { data: { source: data, validation: 0.25 }, epochs: 1 }),
  )
  return { dir, photos, parent }
}

function parseLines(stdout: string): (Prediction & { image: string })[] {
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
}

test('predict prints a table with bars for class names in any script', async (t) => {
  const { dir, photos } = await trainNetwork(t)
  const image = join(photos, 'a', '0.png')
  const { status, stdout, stderr } = await residual(['predict', dir, image, '--top', '3'])
  t.is(status, 0, stderr)
  const [header, ...rows] = stdout.trimEnd().split('\n')
  t.regex(header ?? '', /^image +class +prob$/)
  t.is(rows.length, 3)
  t.true(rows[0]?.startsWith(image))
  t.true(rows.slice(1).every((row) => row.startsWith(' ')))
  for (const label of CLASSES) t.true(stdout.includes(label))
  t.regex(rows[0] ?? '', / \d+\.\d % {2}█/)
})

test('predict reads folders and stdin, and continues after an unreadable image', async (t) => {
  const { dir, photos } = await trainNetwork(t)
  writeFileSync(join(photos, 'b', 'broken.jpg'), 'no picture')
  writeFileSync(join(photos, 'b', 'notes.txt'), 'no picture')
  const all = await residual(['predict', dir, photos, '--json'])
  t.is(all.status, 4)
  t.regex(all.stderr, /broken\.jpg/)
  t.notRegex(all.stderr, /notes\.txt/)
  const images = parseLines(all.stdout).map(({ image }) => image)
  t.is(images.length, 24)
  t.deepEqual(images, images.toSorted())

  const file = join(photos, 'a', '0.png')
  const piped = spawnSync(process.execPath, ['dist/cli/main.js', 'predict', dir, '-', '--json'], {
    cwd: ROOT,
    input: readFileSync(file),
  })
  const [fromStdin] = parseLines(piped.stdout.toString())
  const [fromFile] = parseLines((await residual(['predict', dir, file, '--json'])).stdout)
  t.is(fromStdin?.image, '-')
  t.is(fromStdin?.probability, fromFile?.probability)

  // The same files as for training: by content, without system folders and run folders.
  const mixed = tempFolder(t)
  const skipped = ['1.png~', 'deep/4.tmp', '@eaDir/1.png/4.png', 'runs/x/5.png']
  for (const name of ['1.png', 'deep/2', 'deep/3.dat', ...skipped]) {
    mkdirSync(dirname(join(mixed, name)), { recursive: true })
    writeFileSync(join(mixed, name), readFileSync(file))
  }
  writeFileSync(join(mixed, 'runs/x/config.json'), '{}')
  const { stdout, stderr } = await residual(['predict', dir, mixed, '--json'])
  t.regex(
    stderr,
    /skipped 2 backups, temporary files or incomplete downloads: 1\.png~, deep\/4\.tmp/,
  )
  const expected = ['1.png', 'deep/2', 'deep/3.dat'].map((name) => join(mixed, name))
  t.deepEqual(
    parseLines(stdout).map(({ image }) => image),
    expected,
  )

  const pointer = join(tempFolder(t), '1.jpg')
  writeFileSync(pointer, 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n')
  const lfs = await residual(['predict', dir, pointer])
  t.is(lfs.status, 4)
  t.regex(lfs.stderr, /is a Git LFS pointer[\s\S]*`git lfs pull`/)

  const empty = tempFolder(t)
  const none = await residual(['predict', dir, empty])
  t.is(none.status, 4)
  t.regex(none.stderr, /no JPEG or PNG file/)
})

test('test-time augmentation averages over views', async (t) => {
  const { dir, photos } = await trainNetwork(t)
  const image = join(photos, 'c', '1.png')
  const predict = async (...args: string[]) => {
    const { status, stdout, stderr } = await residual(['predict', dir, image, '--json', ...args])
    t.is(status, 0, stderr)
    return parseLines(stdout)[0]
  }
  const plain = await predict('--top', '3')
  for (const crops of [['flip'], ['ten'], ['multi-scale', '--scales', '8,12']]) {
    const averaged = await predict('--top', '3', '--crops', ...crops)
    const sum = averaged?.top.reduce((total, { probability }) => total + probability, 0) ?? 0
    t.true(Math.abs(sum - 1) < 1e-9)
    t.not(averaged?.probability, plain?.probability)
  }
  // Computes the average with the mirrored image.
  const mirrored = Buffer.from(
    Array.from(
      { length: 64 },
      (_, index) => pixels(2, 1)[index - (index % 8) + 7 - (index % 8)] as number,
    ),
  )
  await using model = await loadModel(dir)
  const size = { width: 8, height: 8, channels: 1 as const }
  const probability = async (data: Buffer, crops: 'center' | 'flip') =>
    (await model.predict({ data, ...size }, { top: 3, crops })).top.find(({ index }) => index === 0)
      ?.probability ?? 0
  const mean =
    ((await probability(pixels(2, 1), 'center')) + (await probability(mirrored, 'center'))) / 2
  t.true(Math.abs((await probability(pixels(2, 1), 'flip')) - mean) < 1e-6)

  const rejected = await residual(['predict', dir, image, '--crops', 'flop'])
  t.is(rejected.status, 2)
  t.regex(rejected.stderr, /Did you mean `--crops flip`\?/)
})

test('predict --html shows all images and escapes names', async (t) => {
  const { dir, photos, parent } = await trainNetwork(t)
  const page = join(parent, 'page.html')
  const { status, stderr } = await residual(['predict', dir, photos, '--html', page])
  t.is(status, 0, stderr)
  t.true(stderr.includes(`wrote ${page}`))
  const html = readFileSync(page, 'utf8')
  t.is(html.match(/<img [^>]*src="data:image\/png;base64,/g)?.length, 24)
  t.false(html.includes('<script'))
  // The common folder is omitted.
  t.regex(html, /<bdi>a\/<wbr>0\.png<wbr><\/bdi>/)
  t.regex(html, /default-src 'none'/)
  t.notRegex(html, /(src|href)="(?!data:|#)/)
  const rejected = await residual([
    'predict',
    dir,
    photos,
    '--html',
    join(parent, 'no', 'page.html'),
  ])
  t.is(rejected.status, 1)
  t.regex(rejected.stderr, /\(E_WRITE\)/)
})

test('accepts image names with an equals sign', async (t) => {
  const { dir, parent } = await trainNetwork(t)
  const image = join(parent, 'size=big.png')
  writeFileSync(image, png(pixels(0)))
  const { status, stderr } = await residual(['predict', dir, image])
  t.is(status, 0, stderr)
})

test('inspect describes a run folder without loading libtorch', async (t) => {
  const { dir } = await trainNetwork(t)
  const env = { LD_DEBUG: 'files' }
  const { status, stdout, stderr } = await residual(['inspect', dir], { env })
  t.is(status, 0)
  t.regex(stdout, /^resnet8, input 1 x 8 x 8, 3 classes$/m)
  t.regex(stdout, /^trained for +1 epoch, \d steps$/m)
  t.regex(stdout, /^best epoch +1, accuracy \d+\.\d %, loss \d/m)
  t.regex(stdout, /^classes +<script>.*猫$/m)
  t.notRegex(stderr, /libtorch|libc10/)
  const missing = await residual(['inspect', join(dir, 'none')])
  t.is(missing.status, 4)
  t.regex(missing.stderr, /\(E_CHECKPOINT\)/)
})

test('export describes input and output', async (t) => {
  const { dir, parent } = await trainNetwork(t)
  const file = join(parent, 'x.onnx')
  const { status, stdout, stderr } = await residual(['export', dir, file, '--softmax'])
  t.is(status, 0, stderr)
  t.is(stdout, `${file}\n`)
  t.regex(stderr, /^input +images +\[batch, 1, 8, 8\] {2}normalized pixels, float32$/m)
  t.regex(stderr, /^output +probabilities +\[batch, 3\]$/m)
  const json = await residual(['export', dir, file, '--json'])
  t.like(JSON.parse(json.stdout), { file, arch: 'resnet8', input: [1, 8, 8], classes: CLASSES })
})
