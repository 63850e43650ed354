import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import type { DatasetVerification, NamedDataset } from 'residual'
import { residual, script } from '../../child.js'
import { fileHandler, serve } from '../../download/server.js'
import { imageFolder, tempFolder } from '../../tiny.js'

const DEBIAN = '/usr/share/datasets/fashion-mnist'

test('data list shows the data sets without loading libtorch', async (t) => {
  const env = { RESIDUAL_CACHE: tempFolder(t), LD_DEBUG: 'files' }
  const { status, stdout, stderr } = await residual(['data', 'list'], { env })
  t.is(status, 0, stderr)
  t.regex(stdout, /^cifar10 +10 +50,000 +10,000 +32x32x3 +170\.1 MB +no$/m)
  t.regex(stdout, /^fashion-mnist-mini +10 +12,000 +2,000 +28x28x1 +included +yes$/m)
  t.notRegex(stderr, /libtorch|libc10/)
  const json = await residual(['data', 'list', '--json'])
  const sets: NamedDataset[] = JSON.parse(json.stdout)
  t.is(sets.length, 5)
})

test('data preview draws original and augmented images of a folder', async (t) => {
  const parent = tempFolder(t)
  const photos = imageFolder(parent, ['left & <right>', 'middle', 'right'])
  const svg = join(parent, 'grid.svg')
  const plain = await residual([
    'data',
    'preview',
    photos,
    '--out',
    svg,
    '--count',
    '6',
    '--by-class',
  ])
  t.is(plain.status, 0, plain.stderr)
  t.is(plain.stderr, '')
  t.is(plain.stdout, `${svg}\n`)
  const grid = readFileSync(svg, 'utf8')
  t.is(grid.match(/<image /g)?.length, 6)
  t.is(grid.match(/<text [^>]*>left &#38; &#60;/g)?.length, 2)
  t.is(grid.match(/<title>left &#38; &#60;right&#62;/g)?.length, 2)

  // Splits as in a run: of 24 images, 4 are for validation and 6 of the others for training.
  for (const [split, count] of [
    ['train', 6],
    ['val', 4],
  ] as const) {
    const args = ['--out', svg, '--split', split, 'data.limit=6', 'data.validation=4']
    const { status, stderr } = await residual(['data', 'preview', photos, ...args])
    t.is(status, 0, stderr)
    t.is(readFileSync(svg, 'utf8').match(/<image /g)?.length, count, split)
  }

  const png = join(parent, 'grid.png')
  const augmented = await residual([
    ...['data', 'preview', photos, '--out', png, '--augmented', '--title', 'Augmented'],
    ...['data.imageSize=16', 'transform.crop.type=pad', 'transform.crop.padding=2'],
  ])
  t.is(augmented.status, 0, augmented.stderr)
  t.is(readFileSync(png).toString('latin1', 1, 4), 'PNG')

  for (const [args, status] of [
    [['--out', join(parent, 'grid.gif')], 2],
    [['--out', join(parent, 'no', 'such', 'grid.png')], 1],
    [['--split', 'test'], 2],
    [['--split', 'tset'], 2],
    [['--count', 'many'], 2],
    [['--augmented', 'transform.crop=twisted'], 2],
  ] as const) {
    const rejected = await residual(['data', 'preview', photos, '--out', png, ...args])
    t.is(rejected.status, status, rejected.stderr)
  }
  t.is((await residual(['data', 'preview', join(parent, 'nothing')])).status, 4)
})

test('data preview prints the warnings of a data set', async (t) => {
  const parent = tempFolder(t)
  const photos = imageFolder(parent, ['left', 'right'])
  writeFileSync(join(photos, 'right', '0.png~'), 'backup')
  const out = join(parent, 'grid.svg')
  const { status, stderr } = await residual(['data', 'preview', photos, '--out', out])
  t.is(status, 0, stderr)
  t.regex(
    stderr,
    /warning: skipped a backup, temporary file or incomplete download: right\/0\.png~/,
  )
})

test('a failed download explains the manual download', async (t) => {
  const { url, requests } = await serve(t, (_, response) => response.writeHead(404).end())
  const cache = tempFolder(t)
  const env = { RESIDUAL_CACHE: cache, RESIDUAL_MIRROR: `${url}mirror/` }
  const { status, stderr } = await residual(['data', 'download', 'mnist'], { env })
  t.is(status, 1)
  t.regex(stderr, /answered 404 \(E_DOWNLOAD\)/)
  const target = join(cache, 'datasets', 'mnist.download', 'train-images-idx3-ubyte.gz')
  t.true(stderr.includes(`to ${target}`), stderr)
  t.is(requests[0]?.url, '/mirror/mnist/train-images-idx3-ubyte.gz')

  // Wrong bytes of the right length.
  const wrong = await serve(t, fileHandler(Buffer.alloc(9_912_422)))
  const other = { RESIDUAL_CACHE: tempFolder(t), RESIDUAL_MIRROR: wrong.url }
  const rejected = await residual(['data', 'download', 'mnist'], { env: other })
  t.is(rejected.status, 1)
  t.regex(
    rejected.stderr,
    /^downloading mnist: train-images-idx3-ubyte\.gz, \d\.\d of 9\.9 MB from/m,
  )
  t.regex(
    rejected.stderr,
    /has SHA-256 [0-9a-f]{64} instead of 440fcabf[0-9a-f]{56} and was removed/,
  )

  t.is((await residual(['data', 'download', 'cifar11'])).status, 4)
  t.is((await residual(['data', 'verify', 'mnist'], { env })).status, 4)
  const bad = { RESIDUAL_CACHE: cache, RESIDUAL_MIRROR: 'not an address' }
  t.is((await residual(['data', 'download', 'mnist'], { env: bad })).status, 2)
})

test('a download in train ends with its signal, stop() or an error in its hook', async (t) => {
  const { url, closeConnections } = await serve(t, (_, response) => {
    response.writeHead(200, { 'content-length': 9_912_422 })
    response.write(Buffer.alloc(100_000))
  })
  t.teardown(closeConnections)
  const env = { RESIDUAL_CACHE: tempFolder(t), RESIDUAL_MIRROR: url }
  const { status, stdout, stderr } = await script(
    `import { evaluate, previewDataset, train } from 'residual'
    const data = 'mnist'
    const report = async (promise) => {
      await promise.then(() => console.log('done'), (error) => console.log(error.code ?? error.message))
    }
    const controller = new AbortController()
    await report(train({ data }, { signal: controller.signal, onDownload: () => controller.abort() }))
    const run = train({ data }, { onDownload: () => run.stop() })
    await report(run)
    await report(train({ data }, { onDownload() { throw new Error('mine') } }))
    await report(previewDataset(data, { signal: AbortSignal.abort() }))
    console.log(run.state)`,
    { env },
  )
  t.is(status, 0, stderr)
  t.deepEqual(stdout.trim().split('\n'), ['E_ABORTED', 'E_ABORTED', 'mine', 'E_ABORTED', 'ended'])
})

test('an interrupted download sets the exit status and is continued next time', async (t) => {
  const { url, closeConnections, requests } = await serve(t, (_, response) => {
    response.writeHead(200, { 'content-length': 170_052_171 })
    response.write(Buffer.alloc(20_000_000))
  })
  t.teardown(closeConnections)
  const cache = tempFolder(t)
  const env = { RESIDUAL_CACHE: cache, RESIDUAL_MIRROR: url }
  const { status } = await residual(['data', 'download', 'cifar10'], {
    env,
    async during(child) {
      await child.waitForOutput('downloading cifar10')
      child.kill('SIGINT')
    },
  })
  t.is(status, 130)
  t.true(existsSync(join(cache, 'datasets', 'cifar10.download', 'cifar-10-binary.tar.gz.part')))
  await residual(['data', 'download', 'cifar10'], {
    env,
    async during(child) {
      while (requests.length < 2) await new Promise((resolve) => setTimeout(resolve, 20))
      child.kill('SIGTERM')
    },
  })
  t.regex(requests[1]?.headers.range ?? '', /^bytes=\d{7,}-$/)
})

test('rejects a folder with the name of a data set', async (t) => {
  const parent = tempFolder(t)
  mkdirSync(join(parent, 'mnist'))
  writeFileSync(join(parent, 'mnist', 'x'), '')
  const { stdout, stderr } = await script(
    `process.chdir(${JSON.stringify(parent)})
    const { previewDataset } = await import('residual')
    await previewDataset('mnist').catch((error) => console.log(error.code, error.hint))`,
  )
  t.regex(stdout, /^E_CONFIG Write '\.\/mnist'/, stderr)
})

test('uses and verifies Debian’s copy of Fashion-MNIST', async (t) => {
  if (!existsSync(DEBIAN)) {
    t.log(`skipped: ${DEBIAN} does not exist`)
    t.pass()
    return
  }
  const env = { RESIDUAL_CACHE: tempFolder(t), RESIDUAL_MIRROR: 'http://127.0.0.1:1' }
  const found = await residual(['data', 'verify', 'fashion-mnist', '--json'], { env })
  const verification: DatasetVerification = JSON.parse(found.stdout)
  t.true(verification.ok)
  t.is(verification.folder, DEBIAN)
  const out = join(tempFolder(t), 'grid.svg')
  const shown = await residual(['data', 'preview', 'fashion-mnist', '--out', out], { env })
  t.is(shown.status, 0, shown.stderr)
  t.regex(readFileSync(out, 'utf8'), /Ankle boot/)
})
