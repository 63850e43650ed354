import { readdir } from 'node:fs/promises'
import { basename } from 'node:path'
import { contest } from '../contest.mjs'
import { pytorch } from './programs.mjs'

/** @type {import('./case.mjs').Case} */
export const jpegFolder = {
  name: 'jpeg-folder',
  title: 'JPEG folder to batches (bars: 2nd epoch on)',
  about:
    'Decoding, a random crop resized to 224, mirroring, normalising; as many workers as cores on ' +
    'either side. Of torchvision the better of two ways counts: Pillow with transforms, and ' +
    'decode_jpeg with transforms.v2 on bytes. Ours keeps decoded images in memory from one epoch to ' +
    'the next where there is room, and DataLoader does not, so both are shown: every epoch after the ' +
    'first, and every epoch without room, in which each image is decoded, as far as its crop reaches. ' +
    '(A first epoch that keeps its images decodes them whole.)',
  measure: async ({ game, python, cores, photographs, batches }) => {
    const data = await photographs()
    const command = await batches()
    const work = { data, size: 224, batch: 32, workers: cores }
    const result = await contest(
      [
        {
          ...{ key: 'pillow', label: 'torchvision, Pillow' },
          program: pytorch(python, 'batches', { ...work, way: 'pillow' }),
        },
        {
          ...{ key: 'v2', label: 'torchvision, decode_jpeg and v2' },
          program: pytorch(python, 'batches', { ...work, way: 'v2' }),
        },
        {
          ...{ key: 'ours', label: 'residual, after the first epoch' },
          program: { command, args: [JSON.stringify(work)] },
        },
        {
          ...{ key: 'unkept', label: 'residual, no image kept' },
          program: { command, args: [JSON.stringify({ ...work, cache: 0 })] },
        },
      ],
      [
        { ours: 'ours', against: 'pillow' },
        { ours: 'ours', against: 'v2' },
        { ours: 'unkept', against: 'pillow' },
        { ours: 'unkept', against: 'v2' },
      ],
      game,
    )
    // The faster of the two is the one to be ahead of.
    const [pillow, v2] = result.contestants
    const best = pillow.median > v2.median ? 'pillow' : 'v2'
    const pairs = result.pairs.map((pair) => (pair.against === best ? { ...pair, aim: 2.5 } : pair))
    return { ...result, pairs, note: `The folder: ${basename(data)}, ${await count(data)} JPEGs.` }
  },
}

/** @param {string} folder */
async function count(folder) {
  const files = await readdir(folder, { recursive: true })
  return files.filter((name) => /\.jpe?g$/i.test(name)).length
}
