/** Configurations are checked before anything is downloaded for them. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { residual } from '../child.js'
import { serve } from '../download/server.js'
import { photographs, tempFolder } from '../tiny.js'

test('an invalid value or a missing file is reported before any download', async (t) => {
  const { url, requests } = await serve(t, (_, response) => response.writeHead(404).end())
  const cache = tempFolder(t)
  const env = { RESIDUAL_CACHE: cache, RESIDUAL_MIRROR: url, RESIDUAL_OFFLINE: '' }
  const photos = photographs(cache)
  const occupied = join(cache, 'occupied')
  mkdirSync(occupied)
  writeFileSync(join(occupied, 'notes.txt'), '')
  const missing = join(cache, 'missing')
  const cases: [string, status: number, message: RegExp][] = [
    ['train cifar10 batch_size=8', 2, /Did you mean `batchSize=8`/],
    ['train cifar10 --lr -1', 2, /`optimizer\.lr` must be more than 0/],
    ['train cifar10 --image-size 4', 2, /`data\.imageSize` must be a whole number from 8/],
    ['train cifar10 --model resnt18', 2, /Did you mean `--model resnet18`/],
    ['train cifar10 data.validation=0.9', 2, /`data\.validation`/],
    ['train cifar10 model.freeze=["layr1"]', 2, /Did you mean 'layer1'/],
    ['train cifar10 data.limit=9', 2, /`data\.limit`/],
    [`train cifar10 model.weights=${missing}.pth`, 4, /does not exist/],
    [`train cifar10 --out ${occupied}`, 2, /not part of a run/],
    [`train ${missing} model.weights=imagenet`, 4, /there is no folder/],
    [`train ${photos} --lr 0`, 2, /`optimizer\.lr`/],
    [`train ${photos} model.weights=imagenet --batch-size 1`, 2, /`batchSize`/],
    ['find-lr cifar10 --start-lr 0', 2, /`startLr`/],
    ['find-lr cifar10 --model resnt18', 2, /Did you mean/],
    ['train cifar10 --dry-run precision=bf61', 2, /Did you mean `precision=bf16`/],
    ['data preview cifar10 --count 0', 2, /`count`/],
    ['data preview cifar10 --split tset', 2, /Did you mean/],
  ]
  for (const [words, status, message] of cases) {
    const result = await residual(words.split(' '), { env })
    t.is(result.status, status, `${words}: ${result.stderr}`)
    t.regex(result.stderr, message, words)
  }
  t.deepEqual(requests, [])
  // A valid configuration is downloaded.
  const { stderr } = await residual(['train', 'mnist', '--model', 'resnet8'], { env })
  t.regex(stderr, /E_DOWNLOAD/)
  t.true(requests.length > 0)
})
