import { readdir } from 'node:fs/promises'
import { basename } from 'node:path'
import { compareThroughput } from '../comparison.mjs'
import { pytorch } from './programs.mjs'

/** @type {import('./case.mjs').Case} */
export const jpegFolder = {
  name: 'jpeg-folder',
  title: 'Loading a JPEG folder',
  about:
    'Decoding, random resized crop to 224, flip and normalization, with as many workers as cores. ' +
    'The baseline is the faster of two torchvision pipelines: Pillow with transforms, and ' +
    'decode_jpeg with transforms.v2. residual caches decoded images between epochs if there is ' +
    'enough memory, DataLoader does not. residual is measured with the cache (epochs after the first ' +
    'one, which decodes complete images) and without the cache (only the crop of each image is ' +
    'decoded).',
  measure: async ({ settings, python, cores, jpegs, loaderProgram }) => {
    const data = await jpegs()
    const command = await loaderProgram()
    const work = { data, size: 224, batch: 32, workers: cores }
    const result = await compareThroughput(
      [
        {
          ...{ key: 'torchvision-pillow', label: 'torchvision, Pillow' },
          program: pytorch(python, 'batches', { ...work, pipeline: 'pillow' }),
        },
        {
          ...{ key: 'torchvision-v2', label: 'torchvision, decode_jpeg and v2' },
          program: pytorch(python, 'batches', { ...work, pipeline: 'v2' }),
        },
        {
          ...{ key: 'residual', label: 'residual, cached' },
          program: { command, args: [JSON.stringify(work)] },
        },
        {
          ...{ key: 'residual-uncached', label: 'residual, without cache' },
          program: { command, args: [JSON.stringify({ ...work, cache: 0 })] },
        },
      ],
      [
        { subject: 'residual', baseline: 'torchvision-pillow' },
        { subject: 'residual', baseline: 'torchvision-v2' },
        { subject: 'residual-uncached', baseline: 'torchvision-pillow' },
        { subject: 'residual-uncached', baseline: 'torchvision-v2' },
      ],
      settings,
    )
    const [pillow, v2] = result.implementations
    const fastest = pillow.median > v2.median ? pillow.key : v2.key
    const pairs = result.pairs.map((pair) =>
      pair.baseline === fastest ? { ...pair, target: 2.5 } : pair,
    )
    return { ...result, pairs, note: `Data: ${basename(data)}, ${await countJpegs(data)} JPEGs.` }
  },
}

/** @param {string} folder */
async function countJpegs(folder) {
  const files = await readdir(folder, { recursive: true })
  return files.filter((name) => /\.jpe?g$/i.test(name)).length
}
